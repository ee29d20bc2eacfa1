"""Writes the golden vectors that onnxruntime evaluates: `python tests/make_akida_golden.py`, always the same files.

tests/golden/akida/README.md says what is in them. To run when program files change their format, or to add cases.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from akida_onnx import run_onnx
from akida_programs import clips, random_frames, random_program
from test_akida_golden import FOLDER, program_of
from test_akida_reference import Build

from nmc.runtime.program import AkidaProgram, save

Array = np.ndarray[Any, Any]
# Between them these have all kinds of layers, activations, poolings and paddings, and no result is a constant.
SEEDS = (20, 46, 52, 62, 139, 270)
FRAMES = 5


def main() -> None:
    for stem, cases in (("concat", concats()), ("dequantizer", dequantizers()), ("quantizer", quantizers())):
        for i, case in enumerate(cases):
            write(f"{stem}_{i}", layer_case(case))
    for i, program in enumerate((*map(random_program, SEEDS), wide())):
        write(f"program_{i}", program_case(program, seed=i))


def write(name: str, case: dict[str, Array]) -> None:
    np.savez_compressed(FOLDER / f"{name}.npz", **case)


# --- single layers ---


def layer_case(case: dict[str, Any]) -> dict[str, Array]:
    """The case with its `output`, each frame by itself."""
    case = {name: np.asarray(value) for name, value in case.items()}
    program = program_of(case)
    operands = [case[name] for name in ("input", "input_0", "input_1", "input_2") if name in case]
    fed = {entry.layer: operand[:, None] for entry, operand in zip(program.inputs, operands, strict=True)}
    return case | {"output": run_onnx(program, fed)["layer"][:, 0]}


def concats() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(1)
    for bits, x, y, channels in ((8, 3, 4, (2, 3)), (4, 4, 2, (3, 1)), (8, 1, 1, (1, 5, 2)), (5, 2, 2, (4, 4))):
        low = -(2 ** (bits - 1)) if bits > 4 else 0
        frames = [rng.integers(low, low + 2**bits, (FRAMES, x, y, c)) for c in channels]
        operands = {f"input_{i}": a.astype(np.int8) for i, a in enumerate(frames)}
        parameters = json.dumps({"signed": bits > 4, "input_bits": bits})
        yield {"layer": "Concatenate", "parameters": parameters, **operands}


def dequantizers() -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(2)
    all_scales = ([0.5, 2.0, 2.0**-20], [0.1, 1 / 3, 0.0123], [-0.7, 0.0, 3.4e30], [0.1, 1e-30, 1.0])
    for bits, scales in zip((8, 8, 8, 4), all_scales, strict=True):
        low = -(2 ** (bits - 1)) if bits > 4 else 0
        frames = rng.integers(low, low + 2**bits, (FRAMES, 2, 3, 3)).astype(np.int8)
        parameters = json.dumps({"signed": True, "input_bits": bits})
        yield {"layer": "Dequantizer", "parameters": parameters, "input": frames, "var_scales": np.float32(scales)}


def quantizers() -> Iterator[dict[str, Any]]:
    """Ties and their neighbours of every code, whole numbers, numbers far outside, and the largest there are."""
    widths = ((8, True), (8, False), (5, True), (4, False), (8, True), (8, False))
    all_scales = ([1.0, 0.5], [1.0, 2.0], [1.0, 4.0], [1.0, 0.25], [0.1, 0.7], [0.3, 12.34])
    for (bits, signed), scales in zip(widths, all_scales, strict=True):
        zero_points = [0, 0] if signed else [2 ** (bits - 1), 3]
        ties = np.arange(-(2**bits) - 1, 2**bits + 2) + 0.5
        ends = np.array([0, 1e6, 3.3e38]) * max(scales)
        products = np.concatenate([ties, ties - 0.5, ends, -ends])[:, None]
        real = (products / np.float32(scales)).clip(-3.3e38, 3.3e38).astype(np.float32)
        column = np.concatenate([real, np.nextafter(real, np.float32(0)), np.nextafter(real, np.float32(1e38))])
        yield {
            "layer": "Quantizer",
            "parameters": json.dumps({"signed": signed, "output_bits": bits, "output_signed": signed}),
            "input": column[None, :, None],
            "var_scales": np.float32(scales),
            "var_zero_points": np.uint8(zero_points),
        }


# --- whole programs ---


def program_case(program: AkidaProgram, seed: int) -> dict[str, Array]:
    """The program's file, what the host feeds and what every layer gives."""
    frames = random_frames(program, seed, streams=2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.nmc"
        save(program, path)
        stored = np.frombuffer(path.read_bytes(), np.uint8)
    codes = {name: a if a.dtype == np.float32 else a.astype(np.int16) for name, a in frames.items()}
    results = run_onnx(program, frames)
    inputs = {f"input_{name}": array for name, array in codes.items()}
    return {"program": stored, **inputs, **{f"output_{name}": array for name, array in results.items()}}


def wide() -> AkidaProgram:
    """Raw accumulators of 32 bits as outputs, sums of them, and their float values: more bits than float32 has."""
    rng = np.random.default_rng(3)
    dense, other = (
        {
            "weights": rng.integers(-128, 128, (12, 6)).astype(np.int8),
            "input_shift": np.full(12, shift, np.uint8),
            "bias": np.array([1, -3, 5, 77, -128, 127], np.int8),
        }
        for shift in (16, 10)
    )
    bits = {"output_bits": 32, "buffer_bits": 32}
    scales = {"scales": np.float32([0.1, 1 / 3, 2.0**-10, 0.0123, -1.0, 7e-20])}
    build = Build().data("in", (2, 3, 2))
    build.add("dense", "Dense1D", "in", variables=dense, units=6, **bits)
    build.add("other", "Dense1D", "in", variables=other, units=6, **bits)
    build.add("sum", "Add", "dense", "other", variables={"b_shift": np.uint8([0, 1, 2, 3, 4, 5])}, **bits)
    build.add("floats", "Dequantizer", "dense", variables=scales).add("total", "Dequantizer", "sum", variables=scales)
    return clips(build.layers)


if __name__ == "__main__":
    main()

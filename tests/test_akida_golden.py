"""The reference machine against golden vectors of Akida layers and programs, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_onnx import run_onnx

from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, Layer, load
from nmc.runtime.program.akida_check import validate
from nmc.runtime.program.akida_kinds import PARAMETERS, TEMPORAL, WORDS
from nmc.runtime.program.akida_shapes import hosted, signals
from nmc.runtime.reference.akida import AkidaMachine

pytestmark = pytest.mark.golden

FOLDER = Path(__file__).parent / "golden" / "akida"
FILES = sorted(path.stem for path in FOLDER.glob("*.npz"))
PROGRAMS = [name for name in FILES if name.startswith("program_")]
# The single layers: those of an independent implementation in numpy, and those that onnxruntime evaluated.
OURS = [name for name in FILES if name.startswith(("concat_", "dequantizer_", "quantizer_"))]
CASES = [name for name in FILES if name not in PROGRAMS + OURS]
# What the files leave out because it is the same everywhere.
CONSTANT = {"weights_bits": 8, "pool_size": -1, "pool_stride": -1, "input_bits": 8, "channels_first": False}


def golden(name: str) -> dict[str, Any]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def stored_program(case: dict[str, Any], folder: Path) -> AkidaProgram:
    path = folder / "program.nmc"
    path.write_bytes(case["program"].tobytes())
    program = load(path)
    assert isinstance(program, AkidaProgram)
    return program


def operands(case: dict[str, Any]) -> list[Any]:
    """What the host feeds: (N, X, Y, C) for each input of the layer."""
    if "input_0" in case:
        return [case[name] for name in sorted(case) if name.startswith("input_")]
    return list(case["input"]) if case["layer"] == "Add" else [case["input"]]


def program_of(case: dict[str, Any]) -> AkidaProgram:
    """The layer as a program: behind InputData, unless it takes what the host has."""
    kind, fed = str(case["layer"]), operands(case)
    direct = kind in ("InputConv2D", "Quantizer")
    given = CONSTANT | json.loads(str(case["parameters"]))
    sources: dict[str, Layer] = {}
    for name, frames in zip("abc", fed, strict=False):
        x, y, c = frames.shape[1:]
        given |= {"input_x": x, "input_y": y, "input_width": x, "input_height": y, "input_channels": c}
        frame = {key: given[key] for key in ("input_width", "input_height", "input_channels", "input_bits")}
        sources[name] = Layer(name, "InputData", (), {**frame, "input_signed": given["input_bits"] > 4})
    if "var_weights" in case:
        given["filters"] = given["units"] = case["var_weights"].shape[-1]
    layer = Layer(
        "layer",
        kind,
        () if direct else tuple(sources),
        {name: given[name] for name in PARAMETERS[kind]},
        {name.removeprefix("var_"): array for name, array in case.items() if name.startswith("var_")},
    )
    layers = (layer,) if direct else (*sources.values(), layer)
    hosts = [(entry.name, hosted(entry)) for entry in layers if not entry.inbounds]
    inputs = tuple(GraphInput(n, n, s.shape, -1, "HWC", 1.0, 0, s.bits, s.signed) for n, s in hosts)
    shape = signals(AkidaProgram(layers, inputs, ()))["layer"].shape
    return AkidaProgram(layers, inputs, (GraphOutput("y", "layer", shape, "HWC"),))


def test_all_files_are_here() -> None:
    assert len(CASES) == 80
    assert len(OURS) == 14
    assert len(PROGRAMS) == 7


@pytest.mark.parametrize("name", CASES + OURS)
def test_every_output(name: str) -> None:
    case = golden(name)
    program = program_of(case)
    validate(program)
    fed = {entry.layer: frames for entry, frames in zip(program.inputs, operands(case), strict=True)}
    if program.layers[-1].kind in TEMPORAL:
        machine = AkidaMachine(program)
        outputs = np.stack([machine.step({"a": frame[None]})["layer"][0] for frame in fed["a"]])
    else:
        machine = AkidaMachine(program, len(case["output"]))
        outputs = machine.step(fed)["layer"]
    assert outputs.dtype == case["output"].dtype
    np.testing.assert_array_equal(outputs, case["output"])
    signal = signals(program)["layer"]
    assert signal.shape == case["output"].shape[1:]
    assert signal.signed == json.loads(str(case["parameters"]))["signed"]


@pytest.mark.parametrize("name", CASES)
def test_every_output_in_onnxruntime(name: str) -> None:
    """What evaluates our own vectors agrees with the others."""
    case = golden(name)
    program = program_of(case)
    temporal = program.layers[-1].kind in TEMPORAL
    split = [frames[None] if temporal else frames[:, None] for frames in operands(case)]
    fed = {entry.layer: frames for entry, frames in zip(program.inputs, split, strict=True)}
    found = run_onnx(program, fed)["layer"]
    np.testing.assert_array_equal(found.reshape(case["output"].shape), case["output"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_layer_of_a_program(name: str, tmp_path: Path) -> None:
    case = golden(name)
    program = stored_program(case, tmp_path)
    fed = {layer.name: case[f"input_{layer.name}"] for layer in program.layers if not layer.inbounds}
    streams, frames = next(iter(fed.values())).shape[:2]
    machine = AkidaMachine(program, streams)
    for j in range(frames):
        results = machine.step({name: array[:, j] for name, array in fed.items()})
        assert len(results) == len(program.layers)
        for layer, values in results.items():
            expected = case[f"output_{layer}"]
            assert values.dtype == expected.dtype
            np.testing.assert_array_equal(values, expected[:, j], err_msg=f"frame {j}, layer {layer}")


def test_the_programs_have_all_there_is(tmp_path: Path) -> None:
    layers = [layer for name in PROGRAMS for layer in stored_program(golden(name), tmp_path).layers]
    assert {layer.kind for layer in layers} == set(PARAMETERS)
    for parameter, words in WORDS.items():
        assert {layer.parameters.get(parameter) for layer in layers} == {None, *words}


@pytest.mark.parametrize("name", [name for name in CASES if "btc" in name])
def test_streams_in_a_batch_do_not_touch_each_other(name: str) -> None:
    """Stream 0 gets the golden frames, stream 1 zeros, stream 2 the golden frames again."""
    case = golden(name)
    machine, alone = AkidaMachine(program_of(case), 3), AkidaMachine(program_of(case))
    for frame, expected in zip(case["input"], case["output"], strict=True):
        silent = np.zeros_like(frame)
        (still,) = alone.step({"a": silent[None]})["layer"]
        together = machine.step({"a": np.stack([frame, silent, frame])})["layer"]
        np.testing.assert_array_equal(together, [expected, still, expected])


def test_saturation_happens_inside_and_at_the_output() -> None:
    inside = outside = 0
    for name in CASES:
        program, case = program_of(golden(name)), golden(name)
        if program.layers[-1].kind in ("Conv2D", "DepthwiseConv2D"):
            machine = AkidaMachine(program, len(case["input"]))
            machine.step({"a": case["input"]})
            clamps = machine.clamps["layer"]
            inside, outside = inside + clamps.buffer + clamps.scale, outside + clamps.output
    assert inside > 0
    assert outside > 0

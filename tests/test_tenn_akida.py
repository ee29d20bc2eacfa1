"""TENN networks at full size on Akida: every layer as the network has it, its noise, its simulation, its JSON."""

from __future__ import annotations

import functools
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nmc.backends.akida.export import read_json, write_json
from nmc.backends.akida.lint import lint
from nmc.compiler import compile_verbose
from nmc.compiler.driver import Compilation
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, Layer, digest

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from models import tenn
from models.export import Exporter, export
from models.weights import random_clip, randomize

pytestmark = pytest.mark.slow
SHAPES = {"jester": (3, 16, 100, 100), "dvs128": (2, 15, 128, 128), "eye_tracking": (2, 50, 80, 106)}
CLIPS = 2
LEAST_OWN_SNR = 20.0  # dB

# Kind, channels, kernel/stride, padding; temporal layers have FIFOs of 5 frames. With stride 2 an even extent is padded
# `sameupper`, an odd one `same`: Jester's extents are 100, 50, 25, 13, 7, 4.
LAYERS = {
    "jester": """
        InputConv2D 8 3/2 sameupper relu
        BufferTempConv 20 relu
        Conv2D 40 3/2 sameupper relu
        BufferTempConv 80 relu
        Conv2D 120 3/2 same relu
        BufferTempConv 160 relu
        Conv2D 200 3/2 same relu
        DepthwiseBufferTempConv relu
        Conv2D 240 1/1 same relu
        DepthwiseConv2D 3/2 same relu
        Conv2D 280 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 320 1/1 same relu
        DepthwiseConv2D 3/2 sameupper relu
        Conv2D 640 1/1 same relu avg
        Dense1D 640 relu
        Dense1D 27
        Dequantizer""",
    "dvs128": """
        InputData 2
        Conv2D 8 3/2 sameupper relu
        BufferTempConv 8 relu
        Conv2D 16 3/2 sameupper relu
        BufferTempConv 32 relu
        Conv2D 48 3/2 sameupper relu
        DepthwiseBufferTempConv relu
        Conv2D 64 1/1 same relu
        DepthwiseConv2D 3/2 sameupper relu
        Conv2D 80 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 96 1/1 same relu
        DepthwiseConv2D 3/2 sameupper relu
        Conv2D 112 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 128 1/1 same relu
        DepthwiseConv2D 3/2 sameupper relu
        Conv2D 256 1/1 same relu avg
        Dense1D 256 relu
        Dense1D 10
        Dequantizer""",
    "eye_tracking": """
        InputData 2
        Conv2D 8 3/2 sameupper relu
        BufferTempConv 16 relu
        Conv2D 32 3/2 sameupper relu
        BufferTempConv 48 relu
        Conv2D 64 3/2 sameupper relu
        BufferTempConv 80 relu
        DepthwiseConv2D 3/2 sameupper relu
        Conv2D 96 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 112 1/1 same relu
        DepthwiseConv2D 3/2 same relu
        Conv2D 128 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 256 1/1 same relu
        DepthwiseBufferTempConv relu
        Conv2D 256 1/1 same relu
        DepthwiseConv2D 3/1 same relu
        Conv2D 3 1/1 same
        Dequantizer""",
}


def described(layer: Layer) -> str:
    """A line of LAYERS."""
    p = layer.parameters
    channels = p.get("filters", p.get("units", p.get("input_channels") if layer.kind == "InputData" else None))
    parts = [layer.kind, channels]
    if "kernel_size" in p:
        parts += [f"{p['kernel_size']}/{p['kernel_stride']}", p["padding"]]
    parts += [p[name] for name in ("activation", "pool_type") if p.get(name, "none") != "none"]
    return " ".join(str(part) for part in parts if part is not None)


@functools.cache
def network(name: str) -> torch.nn.Module:
    return randomize(getattr(tenn, name)(), (1, *SHAPES[name]))


def clips(name: str) -> torch.Tensor:
    return random_clip((CLIPS, *SHAPES[name]), seed=5)


@functools.cache
def compiled(name: str, exporter: Exporter = "dynamo", fold: bool = True) -> Compilation:
    with tempfile.TemporaryDirectory() as folder:
        example = random_clip((1, *SHAPES[name]))
        path = export(network(name), example, Path(folder) / "net.onnx", exporter, fold=fold)
        return compile_verbose(path, "akida", calibration=clips(name).numpy())


def program_of(name: str) -> AkidaProgram:
    return compiled(name).program


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("name", SHAPES)
def test_each_layer_of_the_network_is_a_layer_of_the_program(name: str, exporter: Exporter) -> None:
    done = compiled(name, exporter)
    assert [described(layer) for layer in done.program.layers] == [x.strip() for x in LAYERS[name].strip().splitlines()]
    fifos = [x.parameters["fifo_size"] for x in done.program.layers if "fifo_size" in x.parameters]
    assert fifos == [tenn.TAPS] * LAYERS[name].count("BufferTempConv")
    assert all(x.inbounds == (y.name,) for y, x in zip(done.program.layers, done.program.layers[1:], strict=False))
    assert all(layer.origin for layer in done.program.layers)
    assert done.warnings == ()


def unnamed(program: AkidaProgram) -> AkidaProgram:
    """The program with numbers as names, without origins and provenance."""
    names = {layer.name: str(number) for number, layer in enumerate(program.layers)}
    return AkidaProgram(
        tuple(
            replace(x, name=names[x.name], inbounds=tuple(names[n] for n in x.inbounds), origin=())
            for x in program.layers
        ),
        tuple(replace(entry, layer=names[entry.layer]) for entry in program.inputs),
        tuple(replace(output, layer=names[output.layer]) for output in program.outputs),
    )


@pytest.mark.parametrize("name", SHAPES)
def test_both_exporters_lead_to_the_same_program(name: str) -> None:
    """Without folding: each exporter folds batch norms in float32 in its own order, so weights differ in their last bit
    before nmc sees them."""
    programs = [compiled(name, exporter, fold=False).program for exporter in ("dynamo", "legacy")]
    first, second = (digest(unnamed(program)) for program in programs)
    assert first == second


@pytest.mark.parametrize("name", SHAPES)
def test_no_layer_adds_much_noise(name: str) -> None:
    reports = compiled(name).reports["quantize-akida"]
    assert [r.name for r in reports] == [layer.name for layer in program_of(name).layers[:-1]]
    assert min(report.own for report in reports) >= LEAST_OWN_SNR
    assert [layer.proof["own_snr_db"] for layer in program_of(name).layers[:-1]] == [r.own for r in reports]


@pytest.mark.parametrize("name", SHAPES)
def test_the_simulation_is_as_close_to_the_float_network_as_reported(name: str) -> None:
    samples = clips(name)
    result = Session(program_of(name)).run(samples.numpy())
    with torch.no_grad():
        wanted = network(name)(samples).numpy().astype(np.float64)
    found = result.outputs["logits"]
    assert found.shape == wanted.shape
    noise: Any = np.square(wanted - found).sum()
    measured = 10 * float(np.log10(np.square(wanted).sum() / noise))
    assert measured == pytest.approx(compiled(name).reports["quantize-akida"][-1].snr, abs=0.2)
    assert result.counters["out_of_range"] == 0
    assert Session(program_of(name)).latency == {"logits": 0}


@pytest.mark.parametrize("name", SHAPES)
def test_json_holds_the_whole_program(name: str, tmp_path: Path) -> None:
    layers, _ = write_json(program_of(name), tmp_path / "net.akida.json")
    assert digest(read_json(layers)) == digest(program_of(name))


@pytest.mark.parametrize("name", SHAPES)
def test_every_layer_keeps_to_the_published_limits(name: str) -> None:
    assert lint(program_of(name), "TwoNodesIPv2") == []

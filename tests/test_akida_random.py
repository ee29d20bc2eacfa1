"""Random networks from ONNX to Akida programs: simulated twice to the bit, and close to the network in floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from akida_nets import Clip, Growing, Image
from akida_onnx import run_onnx

from nmc.compiler.driver import compile_verbose
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from nmc.runtime import Session
from nmc.runtime.akida_host import feed, frame_of
from nmc.runtime.program import AkidaProgram, GraphOutput
from nmc.runtime.program.akida_shapes import hosted
from nmc.runtime.result import Result

pytestmark = pytest.mark.slow

Array = np.ndarray[Any, Any]
# In dB. A wrong wire, a flipped kernel or a frame too late leaves less than 5; 8 bits leave 25 to 45 in these networks.
LEAST_SNR = 18.0
SAMPLES = 6
QUICK = range(12)
SLOW = range(12, 192)


def fed(program: AkidaProgram, samples: dict[str, Array]) -> dict[str, Array]:
    """The codes that the host feeds each layer, (samples, frames, X, Y, C)."""
    layers = {layer.name: layer for layer in program.layers}
    found = {}
    for entry in program.inputs:
        shape, frames = hosted(layers[entry.layer]).shape, range(program.stream_length)
        codes = [feed(entry, frame_of(entry, samples[entry.name], frame), shape)[0] for frame in frames]
        found[entry.layer] = np.stack(codes, axis=1)
    return found


def assert_simulated_alike(program: AkidaProgram, samples: dict[str, Array], result: Result) -> None:
    """onnxruntime finds the same integers in every layer, every frame."""
    expected = run_onnx(program, fed(program, samples))
    for name, trace in result.trace.items():
        frames = trace if program.temporal else trace[:, None]
        np.testing.assert_array_equal(frames, expected[name], err_msg=name)


def settled(output: GraphOutput, values: Array) -> Array:
    """The elements of an output that are not at the clip's ends, where a stream may differ."""
    timing = output.timing
    if not timing.edges:
        return values
    kept = [i for i in range(timing.length) if i not in timing.edges]
    return np.take(values, kept, axis=timing.axis) if timing.axis > 0 else values[:0]


def snr(real: Array, found: Array) -> float:
    """In dB; infinite without noise."""
    noise = float(np.square(real - found).sum())
    return float(10 * np.log10(max(float(np.square(real).sum()), 1e-30) / noise)) if noise else float("inf")


def check_network(kind: type[Growing], seed: int, folder: Path) -> AkidaProgram:
    """Compile, run on the calibration samples, compare; the program."""
    grown = kind(seed)
    graph, samples = import_onnx(grown.net.save(folder)), grown.samples(SAMPLES)
    program = compile_verbose(graph, "akida", calibration=samples).program
    result = Session(program).run(samples, trace=True)
    assert result.counters["out_of_range"] == 0
    assert_simulated_alike(program, samples, result)
    for output in program.outputs:
        real = settled(output, evaluate(graph, samples)[output.name])
        found = settled(output, result.outputs[output.name])
        if real.size:
            assert snr(real, found) > LEAST_SNR, f"{kind.__name__} {seed}, output {output.name}"
    return program


@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize("seed", QUICK)
def test_random_networks(seed: int, kind: type[Growing], tmp_path: Path) -> None:
    assert check_network(kind, seed, tmp_path).outputs


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Image, Clip])
@pytest.mark.parametrize("tens", range(18))
def test_more_random_networks(tens: int, kind: type[Growing], tmp_path: Path) -> None:
    for seed in SLOW[10 * tens : 10 * tens + 10]:
        assert check_network(kind, seed, tmp_path).outputs


@pytest.mark.slow
def test_the_networks_have_all_there_is(tmp_path: Path) -> None:
    kinds, words, edges, late = set[str](), set[tuple[str, Any]](), 0, 0
    for seed in range(60):
        for kind in (Image, Clip):
            grown = kind(seed)
            found = compile_verbose(import_onnx(grown.net.save(tmp_path)), "akida", calibration=grown.samples(1))
            for layer in found.program.layers:
                kinds.add(layer.kind)
                words |= {(name, layer.parameters.get(name)) for name in ("activation", "padding", "pool_type")}
            edges += any(output.timing.edges for output in found.program.outputs)
            late += any(Session(found.program).latency.values())
    assert kinds >= {"InputConv2D", "InputData", "Conv2D", "DepthwiseConv2D", "BufferTempConv", "Dense1D", "Add"}
    assert kinds >= {"DepthwiseBufferTempConv", "Conv2DTranspose", "DepthwiseConv2DTranspose", "Concatenate"}
    assert words >= {("activation", "lut"), ("activation", "relu"), ("pool_type", "max"), ("pool_type", "avg")}
    assert words >= {("padding", "valid"), ("padding", "same"), ("padding", "sameupper")}
    assert min(edges, late) > 2

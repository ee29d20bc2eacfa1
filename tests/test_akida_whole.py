"""Random whole programs: the simulator against onnxruntime, every layer, every frame, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from akida_onnx import run_onnx
from akida_programs import random_frames, random_program

from nmc.runtime.akida_session import AkidaSession
from nmc.runtime.program import AkidaProgram
from nmc.runtime.program.akida_kinds import PARAMETERS, WORDS

pytestmark = pytest.mark.slow

SEEDS = range(64)
BATCH = 2  # of 3 streams: one batch is full, one is not


def simulated(program: AkidaProgram, frames: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every layer gives, (streams, frames, X, Y, F), by name."""
    clips = {name: array.astype(np.float32) for name, array in frames.items()}
    result = AkidaSession(program).run(clips, trace=True, batch=BATCH)
    floats = {layer.name for layer in program.layers if layer.kind == "Dequantizer"}
    return result.trace | {name: result.outputs[name] for name in floats}


def check_seed(seed: int) -> None:
    program = random_program(seed)
    frames = random_frames(program, seed)
    found, expected = simulated(program, frames), run_onnx(program, frames)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values, err_msg=f"seed {seed}, layer {name}")


@pytest.mark.parametrize("seed", SEEDS)
def test_every_layer_of_a_random_program(seed: int) -> None:
    check_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(1, 5))
def test_every_layer_of_a_hundred_random_programs(hundred: int) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        check_seed(seed)


def test_the_programs_have_all_there_is() -> None:
    layers = [layer for seed in SEEDS for layer in random_program(seed).layers]
    assert {layer.kind for layer in layers} == set(PARAMETERS)
    for parameter, words in WORDS.items():
        assert {layer.parameters.get(parameter) for layer in layers} == {None, *words}
    assert {layer.parameters.get("kernel_size") for layer in layers} >= {1, 2, 3, 4, 5, 7}
    assert {layer.parameters.get("output_bits") for layer in layers} >= {3, 4, 5, 8, 28, 32}
    assert {layer.parameters.get("weights_bits") for layer in layers} >= {4, 8}
    assert {layer.parameters.get("fifo_size") for layer in layers} >= {1, 2, 3, 4, 5}


def test_the_programs_branch() -> None:
    branched = 0
    for seed in SEEDS:
        inbounds = [name for layer in random_program(seed).layers for name in layer.inbounds]
        branched += len(set(inbounds)) < len(inbounds)
    assert branched > len(SEEDS) / 2


def test_results_are_alive() -> None:
    """Agreement of nothing but zeros would say little."""
    different: list[int] = []
    for seed in SEEDS:
        program = random_program(seed)
        results = run_onnx(program, random_frames(program, seed))
        different += [len(np.unique(values)) for values in results.values()]
    assert np.mean(np.array(different) > 1) > 0.85
    assert np.mean(np.array(different) > 4) > 0.6

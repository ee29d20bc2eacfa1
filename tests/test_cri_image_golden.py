"""Whole networks from their memory images: the vendor's vectors, the two comparisons, the shipped digits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cri_images import random_placement, random_table
from hypothesis import given
from hypothesis import strategies as st
from test_cri_digits import FOLDER as DIGITS
from test_cri_digits import load_split
from test_cri_golden import CASES, golden, inputs_of, listed

from nmc.backends.cri.image import encode_image, read_image, write_image
from nmc.backends.cri.placement import natural
from nmc.backends.cri.target import PROFILES
from nmc.compiler import compile_verbose
from nmc.runtime import Session
from nmc.runtime.program import read_synapses
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine

pytestmark = pytest.mark.slow

HW2024 = PROFILES["hw2024"]
KINDS = ("model", "threshold", "leak")


def holds(case: dict[str, Any]) -> bool:
    """Where the two agree by the documents: at most 16 models, no leak 63, no potential near the rails."""
    models = np.unique(np.stack([case[kind].astype(np.int64) for kind in KINDS]), axis=1)
    return models.shape[1] <= 16 and not (case["leak"] == 63).any() and int(np.abs(case["v"]).max()) < 2**33


HELD = [name for name in CASES if holds(golden(name))]


def program_of(case: dict[str, Any]) -> CriProgram:
    """A golden network for the hardware of 2024: thresholds one lower, noise off."""
    models, number = np.unique(np.stack([case[k].astype(np.int64) for k in KINDS]), axis=1, return_inverse=True)
    axons, neurons = (
        read_synapses(case[f"{kind}_indptr"], case[f"{kind}_post"], case[f"{kind}_weight"]).table
        for kind in ("axon", "neuron")
    )
    outputs = case["outputs"].astype(np.int64)
    return CriProgram(
        profile=HW2024,
        models=tuple(NeuronModel(int(c), int(t) - 1, int(leak), HW2024.noise_off) for c, t, leak in models.T),
        neuron_model=number.reshape(-1).astype(np.uint8),
        axons=axons,
        neurons=neurons,
        populations=(Population("n", "plain", 0, (neurons.sources,)),),
        inputs=(Input("x", (1, axons.sources), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(Readout("y", "count", outputs.shape, outputs, 0 * outputs, np.ones(len(outputs))),),
        steps=1,
    )


def test_the_cases_that_hardware_can_hold_are_many() -> None:
    assert len(HELD) == 21


@pytest.mark.golden
@pytest.mark.parametrize("name", HELD)
def test_the_vendor_s_vectors_from_memory(name: str) -> None:
    """Every spike, every reported spike and every potential of the simulator, from the words of an image."""
    case = golden(name)
    program = program_of(case)
    placement = random_placement(program, 1)
    core, slot = ImageMachine(encode_image(program, placement)), placement.slot
    core.v.reshape(-1)[slot] = case["v0"]
    for step, potentials in enumerate(case["v"]):
        fired, reported = core.step(inputs_of(case, step, program.axons.sources)[0])
        assert np.flatnonzero(fired[slot]).tolist() == listed(case, "spike", step)
        assert sorted(placement.neuron[reported].tolist()) == listed(case, "outspike", step)
        np.testing.assert_array_equal(core.v.reshape(-1)[slot], potentials)


@given(st.integers(0, 2**32 - 1))
def test_2024_hardware_equals_the_simulator_at_a_threshold_one_lower(seed: int) -> None:
    """Leaks other than 63, ANN neurons with leak 0, small weights, no repeated synapses: identical spikes."""
    rng, sim = np.random.default_rng(seed), PROFILES["sim"]
    axons, neurons = random_table(rng, 10, 40, 12), random_table(rng, 40, 40, 12)
    plain = [read_synapses(t.indptr, t.target, rng.integers(-90, 120, t.synapses)).table for t in (axons, neurons)]
    code = rng.choice([0, 2], 3)
    leak = np.where(code == 0, 0, rng.integers(0, 63, 3))
    threshold = rng.integers(-3, 200, 3)
    numbers = zip(code.tolist(), threshold.tolist(), leak.tolist(), strict=True)
    models = tuple(NeuronModel(*three, sim.noise_off) for three in numbers)
    neuron_model, populations = rng.integers(0, 3, 40).astype(np.uint8), (Population("n", "plain", 0, (40,)),)
    program = CriProgram(sim, models, neuron_model, *plain, populations, (), (), (), 1)
    lower = tuple(replace(m, threshold=m.threshold - 1, shift=HW2024.noise_off) for m in models)
    hardware = replace(program, profile=HW2024, models=lower)
    placement = natural(hardware)
    machine, core = CriMachine.of(program), ImageMachine(encode_image(hardware, placement))
    for _ in range(12):
        active = rng.random(10) < 0.4
        expected = machine.step(active[None])[0]
        assert np.array_equal(core.step(active)[0][placement.slot], expected)
        assert np.array_equal(core.v.reshape(-1)[placement.slot], machine.potentials[0])


def test_a_compiled_network_read_back_from_its_image_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three digits: what the host sent to the axons, played to the network that `nmc import` makes of the image."""
    x_train, _, x_test, _ = load_split()
    done = compile_verbose(DIGITS / "digits.onnx", "cri", calibration=x_train[:100], timesteps=7, profile="hw_l6")
    program, sent, step = done.program, [], CriMachine.step

    def recording(machine: CriMachine, axons: Any) -> Any:
        sent.append(axons.copy())
        return step(machine, axons)

    with monkeypatch.context() as patch:
        patch.setattr(CriMachine, "step", recording)
        expected = Session(program, "reference").run(x_test[:3], trace=True)
    write_image(program, tmp_path / "digits.hbm")
    read, notes = read_image(tmp_path / "digits.hbm", steps=program.steps)
    assert notes == [] and len(read.neuron_model) == len(program.neuron_model)
    result = Session(read).run(np.stack(sent, axis=1))
    (readout,) = program.readouts
    outputs = np.sort(readout.neuron)
    np.testing.assert_array_equal(read.readouts[0].neuron, outputs)
    order = np.argsort(readout.neuron)
    integers = expected.integers[readout.name].reshape(3, -1)[:, order]
    np.testing.assert_array_equal(result.integers["potentials"], integers - readout.offset[order])
    assert result.counters["spikes"] == expected.counters["spikes"] > 0

"""The reference machine against the vendor's simulator, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmc.backends.cri.target import PROFILES
from nmc.runtime.program import read_synapses
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.neuron import Parameters

pytestmark = pytest.mark.golden
FOLDER = Path(__file__).parent / "golden" / "cri"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))


def golden(name: str) -> dict[str, Any]:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def machine_of(case: dict[str, Any], batch: int = 1) -> CriMachine:
    axons, neurons = (
        read_synapses(case[f"{kind}_indptr"], case[f"{kind}_post"], case[f"{kind}_weight"]).table
        for kind in ("axon", "neuron")
    )
    columns = (case[name].astype(np.int64) for name in ("model", "threshold", "leak", "shift"))
    machine = CriMachine(PROFILES["sim"], Parameters(*columns), axons, neurons, batch)
    machine.potentials = case["v0"]
    return machine


def inputs_of(case: dict[str, Any], step: int, axons: int) -> np.ndarray[Any, Any]:
    active = np.zeros((1, axons), np.bool_)
    active[0, case["input_axon"][case["input_indptr"][step] : case["input_indptr"][step + 1]]] = True
    return active


def listed(case: dict[str, Any], kind: str, step: int) -> list[int]:
    indptr = case[f"{kind}_indptr"]
    return case[f"{kind}_neuron"][indptr[step] : indptr[step + 1]].tolist()


def test_all_cases_are_here() -> None:
    assert len(CASES) == 44


@pytest.mark.parametrize("name", CASES)
def test_every_spike_and_potential(name: str) -> None:
    case = golden(name)
    machine = machine_of(case)
    spikes = 0
    for step, potentials in enumerate(case["v"]):
        fired = np.flatnonzero(machine.step(inputs_of(case, step, machine.axons.sources))[0])
        assert fired.tolist() == listed(case, "spike", step)
        assert [n for n in fired.tolist() if n in case["outputs"]] == listed(case, "outspike", step)
        np.testing.assert_array_equal(machine.potentials[0], potentials)
        spikes += len(fired)
    assert machine.spikes == spikes == len(case["spike_neuron"])


@pytest.mark.parametrize("name", ["mixed_1", "large_2", "rails_1"])
def test_copies_in_a_batch_do_not_touch_each_other(name: str) -> None:
    """Copy 0 gets the golden input, copy 1 none, copy 2 the golden input again."""
    case = golden(name)
    machine, alone = machine_of(case, 3), machine_of(case)
    for step, potentials in enumerate(case["v"]):
        given = inputs_of(case, step, machine.axons.sources)
        silent = np.zeros_like(given)
        machine.step(np.concatenate([given, silent, given]))
        alone.step(silent)
        np.testing.assert_array_equal(machine.potentials, [potentials, alone.potentials[0], potentials])


@pytest.mark.parametrize("name", ["mixleak_no63_0", "mixleak_no63_1", "layers_0", "large_2", "lif_leak62_rec"])
def test_2024_hardware_agrees_with_the_simulator_at_threshold_minus_one(name: str) -> None:
    """Without leak 63, rails, repeated targets, noise and leaky ANN neurons the two differ in > and >= alone."""
    case = golden(name)
    case["threshold"] = case["threshold"] - 1
    case["shift"] = np.full_like(case["shift"], PROFILES["hw2024"].noise_off)
    keep = case["model"] == 2
    case["leak"] = np.where(keep, case["leak"], 0)
    simulated = machine_of(golden(name) | {"leak": case["leak"]})
    axons, neurons = simulated.axons, simulated.neurons
    columns = (case[key].astype(np.int64) for key in ("model", "threshold", "leak", "shift"))
    hardware = CriMachine(PROFILES["hw2024"], Parameters(*columns), axons, neurons)
    hardware.potentials = case["v0"]
    for step in range(len(case["v"])):
        given = inputs_of(case, step, axons.sources)
        np.testing.assert_array_equal(hardware.step(given), simulated.step(given))
        np.testing.assert_array_equal(hardware.potentials, simulated.potentials)
    assert hardware.spikes > 0
    assert hardware.out_of_range == 0


def test_clamped_and_replaced_synapses_are_counted() -> None:
    raw, merged = golden("satweights_0"), golden("dupsyn_0")
    wide = read_synapses(raw["axon_indptr"], raw["axon_post"], raw["axon_weight"])
    assert wide.clamped == int((np.abs(raw["axon_weight"] + 0.5) > 32768).sum()) > 0
    doubled = read_synapses(merged["axon_indptr"], merged["axon_post"], merged["axon_weight"])
    assert doubled.replaced == len(merged["axon_post"]) - doubled.table.synapses > 0

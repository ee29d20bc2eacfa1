"""What every placement promises, and rows counted by plain loops."""

import numpy as np
import pytest
from cri_images import random_program, sums
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_programs import EMPTY, convolutions, program, programs

from nmc.backends.cri.image import encode_image
from nmc.backends.cri.placement import Placement, natural, place
from nmc.backends.cri.placement.efficiency import SYNAPSE_ROWS, efficiency
from nmc.runtime.program.cri import CriProgram, Input, Phase, Table
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine


def check_placement(made: Placement, source: CriProgram) -> None:
    """Slots are all different, and each lies in the group of its neuron's model."""
    assert made.slot.dtype == np.int64 and len(np.unique(made.slot)) == len(made.slot) == len(source.neuron_model)
    stops = [group.stop for group in made.groups]
    assert all(stop % 32 == 0 for stop in stops) and stops == sorted(set(stops)) and made.padded == stops[-1]
    group = np.searchsorted(stops, made.slot, side="right")
    models = [made.groups[g].model for g in group.tolist()]
    assert models == [source.models[m] for m in source.neuron_model.tolist()]
    assert len({group.model for group in made.groups}) == len(made.groups)


def rows_of(source: CriProgram, made: Placement) -> tuple[list[int], list[int]]:
    """Rows of every source, axons first, in this placement and at least, one synapse after the other."""
    found: tuple[list[int], list[int]] = ([], [])
    outputs = {int(n) for readout in source.readouts for n in readout.neuron}
    for table, spiking in ((source.axons, set[int]()), (source.neurons, outputs)):
        columns: list[list[int]] = [[0] * 16 for _ in range(table.sources)]
        for s, target in sums(table):
            columns[s][int(made.slot[target]) % 16] += 1
        for s, load in enumerate(columns):
            entries = sum(load) + (s in spiking)
            found[1].append(2 * max(1, -(-entries // 16)))
            found[0].append(max(2 * max(load), found[1][-1]))
    return found


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(0, 3))
def test_placements_of_random_programs(source: CriProgram, effort: int) -> None:
    made = place(source, effort=effort)
    check_placement(made, source)
    np.testing.assert_array_equal(made.slot, place(source, effort=effort).slot)
    before, after = efficiency(source, natural(source)), efficiency(source, made)
    assert made.padded == natural(source).padded
    rows, least = rows_of(source, made)
    assert (after.rows, after.least, after.share) == (sum(rows), sum(least), sum(rows) / SYNAPSE_ROWS)
    assert after.least == before.least <= after.rows <= before.rows
    axons, size = source.axons.sources, source.populations[0].size
    bounds = {"x": (0, axons), "image": (axons, axons + size), "rest": (axons + size, len(rows))}
    for layer in after.layers:
        part = slice(*bounds.pop(layer.name))
        assert (layer.sources, layer.rows, layer.least) == (len(rows[part]), sum(rows[part]), sum(least[part]))
    assert all(stop == first for first, stop in bounds.values())  # inputs without axons are no layer


@pytest.mark.parametrize("seed", range(4))
def test_the_memory_image_has_the_rows_that_are_counted(seed: int) -> None:
    source = random_program(seed, axons=30, neurons=70)
    made = place(source)
    check_placement(made, source)
    found = efficiency(source, made)
    assert encode_image(source, made).synapses.size == 8 * found.stored
    assert sum(layer.entries for layer in found.layers) == np.count_nonzero(encode_image(source, made).synapses)


@pytest.mark.parametrize("avoid", [False, True])
def test_a_placed_network_does_what_it_did(avoid: bool) -> None:
    source = random_program(5, axons=20, neurons=60)
    made = place(source, avoid_defect_rows=avoid)
    machine, core = CriMachine.of(source), ImageMachine(encode_image(source, made))
    rng, fired = np.random.default_rng(0), 0
    for _ in range(20):
        axons = rng.random(20) < 0.4
        expected = machine.step(axons[None])[0]
        spikes, _ = core.step(axons)
        assert np.array_equal(spikes[made.slot], expected)
        fired += int(expected.sum())
    assert 0 < fired < 20 * 60


# --- defect rows ---


def test_defect_rows_stay_empty_on_request() -> None:
    count = 2 * 8192 + 40
    axons = Table(np.array([0, 3]), np.array([0, 8192, count - 1], np.int32), np.ones(3, np.int16))
    none = Table(np.zeros(count + 1, np.int64), *EMPTY)
    source = program(axons, none, models=(100, 101))
    made = place(source, avoid_defect_rows=True)
    check_placement(made, source)
    rows = set((made.slot // 16).tolist())
    assert 512 in set((place(source).slot // 16).tolist())
    assert 0 in rows and not {512, 1024} & rows
    assert place(source).padded <= made.padded <= place(source).padded + 64


@pytest.mark.parametrize("count", [1, 16, 32, 33, 8192, 8193])
def test_groups_are_no_longer_than_they_need_to_be(count: int) -> None:
    none = Table(np.zeros(count + 1, np.int64), *EMPTY)
    source = program(Table(np.zeros(1, np.int64), *EMPTY), none)
    assert place(source).padded == -(-count // 32) * 32
    assert place(source, avoid_defect_rows=True).padded == -(-(count + 16 * (count > 8192)) // 32) * 32


def test_a_program_without_neurons() -> None:
    none = Table(np.zeros(1, np.int64), *EMPTY)
    source = program(none, none)
    source = CriProgram(**{**vars(source), "readouts": (), "populations": ()})
    assert place(source).padded == 0 and len(place(source).slot) == 0
    assert efficiency(source, place(source)).rows == 0


def test_effort_below_zero() -> None:
    with pytest.raises(ValueError, match="effort"):
        place(convolutions(), effort=-1)


def test_axons_of_phases_and_of_none_are_layers() -> None:
    axons = Table(np.arange(6), np.arange(5, dtype=np.int32), np.ones(5, np.int16))
    none = Table(np.zeros(6, np.int64), *EMPTY)
    source = program(axons, none)
    parts = {"inputs": (Input("x", (2,), 0, 1, 1.0, 0),), "schedule": (Phase("a", 1, 2, 0, 0), Phase("b", 2, 1, 0, 0))}
    found = efficiency(CriProgram(**{**vars(source), **parts}), place(source))
    assert [(layer.name, layer.sources, layer.rows) for layer in found.layers] == [
        ("x", 2, 4), ("a", 1, 2), ("other axons", 2, 4), ("neurons", 5, 10),
    ]  # fmt: skip
    neurons = found.layers[-1]
    assert (neurons.empty, neurons.entries, neurons.efficiency, found.layers[0].efficiency) == (4, 1, 1 / 80, 1 / 16)

"""Memory accesses of a timestep, exact as the hardware counts them, and the estimates of cycles and energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cri_images import HARDWARE, random_placement, random_program, table_of
from hypothesis import given
from hypothesis import strategies as st

from nmc.backends.cri.image import encode_image, footprint_of
from nmc.backends.cri.target import PROFILES
from nmc.runtime.cost import CONSTANTS, Constants, Meter
from nmc.runtime.program.cri import NeuronModel
from nmc.runtime.program.cri_image import Footprint, pointer_words
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine

HW2024, HW_L6 = PROFILES["hw2024"], PROFILES["hw_l6"]
IDLE = NeuronModel(3, 100, 0, -17)


def footprint(axons: list[int], neurons: list[int], columns: list[int] | None = None, padding: int = 0) -> Footprint:
    column = np.arange(len(neurons)) % 16 if columns is None else np.array(columns)
    return Footprint(np.array(axons), np.array(neurons), column, ((IDLE, 0),) * padding, 1)


def bits(count: int, *active: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    result = np.zeros((1, count), np.bool_)
    result[0, list(active)] = True
    return result


def test_pointer_words_equal_what_the_microphases_read() -> None:
    """Blocks of 1,024 rows of 8 pointers; the last block has (R | 1) + 1 rows, R = floor(N / 8) mod 1024."""
    counts = np.arange(131_072)
    rest = counts // 8 % 1024
    rows = counts // 8192 * 1024 + (rest | 1) + 1
    assert np.array_equal(rows // 2, [pointer_words(int(n)) for n in counts])


def test_an_idle_step_of_the_tutorial_s_network() -> None:
    """7,938 axons, 109,615 neurons: the numbers of the specification at 125 and 225 MHz."""
    meter = Meter(footprint([1] * 7938, [1] * 109_615, padding=17), HW_L6)
    cost = meter.step(bits(7938), bits(109_615))
    assert cost.pointers.tolist() == [497 + 6853] and cost.synapses.tolist() == [0]
    assert cost.phase0.tolist() == [6852 + 2 + 4]
    assert cost.phase1.tolist() == [8167]  # 14,700 rows at 125 / 225
    assert cost.phase2.tolist() == [0]
    assert cost.waits.tolist() == [14 * (159 + 20) + 255]
    assert cost.cycles.tolist() == [6858 + 8167 + 2506 + 255]


def test_a_step_by_hand() -> None:
    """Axon 1 has 9 pairs (18 rows, two bursts), neuron 0 one pair: 20 rows and 3 · 2 memory cycles lost."""
    meter = Meter(footprint([1, 9], [1, 4]), HW_L6)
    cost = meter.step(bits(2, 1), bits(2, 0))
    assert (cost.pointers.tolist(), cost.synapses.tolist(), cost.accesses.tolist()) == ([2], [10], [12])
    assert cost.phase2.tolist() == [16]  # ceil(26 · 125 / 225) = 15 is less than one turn of the arbiter
    cost = meter.step(bits(2, 0, 1), bits(2, 0, 1))
    assert cost.synapses.tolist() == [15]
    assert cost.phase2.tolist() == [32]  # columns 0 and 1 have two sources each; ceil(40 · 125 / 225) = 23
    assert meter.by_layer(()) == {"axons": 19}
    assert meter.total()["hbm_access"] == 12 + 17


def test_bursts_or_the_arbiter_whichever_takes_longer() -> None:
    sources = footprint([], [100] * 8, columns=[0, 0, 0, 0, 4, 5, 6, 7])
    meter = Meter(sources, HW2024)
    # 4 · (200 rows + 2 · 13 bursts) memory cycles at 225 / 450 MHz, against 4 turns of 16.
    assert meter.step(bits(0), bits(8, 0, 1, 2, 3)).phase2.tolist() == [452]
    slow = Meter(replace(sources, neuron_pairs=np.ones(8, np.int64)), HW2024)
    assert slow.step(bits(0), bits(8, 0, 1, 2, 3)).phase2.tolist() == [64]
    assert slow.step(bits(0), bits(8, 4, 5, 6, 7)).phase2.tolist() == [16]


def test_the_constants_are_parameters() -> None:
    clocks = Constants(core_mhz=1, hbm_mhz=1, drain_hbm=1, drain=1, tail=0)
    constants = replace(clocks, start=0, model_switch=7, pointer_latency=5)
    two = replace(footprint([], [1] * 32), models=2)
    cost = Meter(two, HW2024, constants=constants).step(bits(0), bits(32))
    assert [part.tolist() for part in (cost.phase0, cost.phase1, cost.waits)] == [[2 + 7], [2 * 4 + 5], [2]]
    assert (CONSTANTS["hw2024"].core_mhz, CONSTANTS["hw2024"].hbm_mhz) == (225, 450)


def test_totals_in_units() -> None:
    meter = Meter(footprint([3], [2]), HW_L6, batch=2, constants=Constants(pj_per_bit=4.0))
    both = np.ones((2, 1), np.bool_)
    for _ in range(3):
        meter.step(both, both)
    total = meter.total()
    assert total["hbm_access"] == 2 * 3 * (1 + 1 + 3 + 2) == 42
    assert total["hbm_bytes"] == 64 * 42
    assert total["memory_microjoule"] == pytest.approx(64 * 42 * 8 * 4.0 * 1e-6)
    assert total["cycles"] == sum(total["cycles_by_part"].values()) == sum(step["cycles"] for step in meter.by_step())
    assert total["microseconds"] == pytest.approx(total["cycles"] / 125)
    assert total["calibrated"] is False


@pytest.mark.slow
@pytest.mark.parametrize("profile", HARDWARE)
@given(st.integers(0, 2**32 - 1))
def test_accesses_equal_those_of_the_machine_that_runs_from_memory(profile: str, seed: int) -> None:
    """Step by step, padding neurons that fire included: one with a threshold below 0 does, and so does a counter."""
    program = random_program(seed, profile)
    placement = random_placement(program, seed)
    core, machine = ImageMachine(encode_image(program, placement)), CriMachine.of(program)
    meter, rng = Meter(footprint_of(program, placement), program.profile), np.random.default_rng(seed)
    for _ in range(6):
        axons, before = rng.random((1, program.axons.sources)) < 0.4, core.accesses
        fired = machine.step(axons)
        core.step(axons[0])
        assert meter.step(axons, fired).accesses.tolist() == [core.accesses - before]
    assert sum(step["hbm_access"] for step in meter.by_step()) == meter.total()["hbm_access"] == core.accesses


def test_samples_of_a_batch_cost_what_they_cost_alone() -> None:
    program = random_program(2)
    rng, print_of = np.random.default_rng(0), footprint_of(program)
    axons, fired = rng.random((5, 20)) < 0.5, rng.random((5, 50)) < 0.3
    together = Meter(print_of, program.profile, batch=5).step(axons, fired)
    for k in range(5):
        alone = Meter(print_of, program.profile).step(axons[k : k + 1], fired[k : k + 1])
        assert (alone.accesses[0], alone.cycles[0]) == (together.accesses[k], together.cycles[k])


def test_batches_one_after_the_other_add_up() -> None:
    """Two samples at once, or one after the other: the same sums, padding neurons at rest again for the second."""
    padding = ((NeuronModel(1, 1, 0, -17), 0),) * 3
    parts = replace(footprint([2, 5], [3, 1, 1]), padding=padding)
    rng = np.random.default_rng(3)
    axons, fired = rng.random((4, 2, 2)) < 0.5, rng.random((4, 2, 3)) < 0.5
    both, single = Meter(parts, HW_L6, batch=2), Meter(parts, HW_L6)
    for t in range(4):
        both.step(axons[t], fired[t])
    for sample in range(2):
        single.restart(1)
        for t in range(4):
            single.step(axons[t, [sample]], fired[t, [sample]])
    assert single.total() == both.total() and single.by_step() == both.by_step()
    assert single.by_layer(()) == both.by_layer(())
    assert Meter(parts, HW_L6).total()["cycles"] == 0


def test_programs_that_do_not_fit_have_a_footprint_too() -> None:
    wide = random_program(0, axons=1, neurons=8192, most=0)
    wide = replace(wide, neuron_model=np.zeros(8192, np.uint8))
    targets = np.arange(0, 8192, 16)
    made = footprint_of(replace(wide, profile=PROFILES["sim"], axons=table_of([0, 512], targets, [1] * 512)))
    assert made.axon_pairs.tolist() == [512]
    assert made.slots == 8192


def test_padding_neurons_fire_too() -> None:
    """A threshold below 0 fires at rest in every step; a counter from 0 over threshold 1 in every third from step 2."""
    padding = ((NeuronModel(3, -1, 0, -17), 0),) * 3 + ((NeuronModel(1, 1, 0, -17), 1),) * 2 + ((IDLE, 2),) * 5
    meter = Meter(replace(footprint([], [1]), padding=padding), HW2024)
    synapses = [int(meter.step(bits(0), bits(1)).synapses[0]) for _ in range(6)]
    assert synapses == [3, 3, 5, 3, 3, 5]

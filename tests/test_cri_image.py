"""The memory image of a CRI core: words, round trips, limits, and the machine that runs from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cri_images import HARDWARE, entries_of, memory, random_placement, random_program, signed, sums, table_of
from hypothesis import given
from hypothesis import strategies as st

from nmc.backends.cri.image import decode_image, encode_image
from nmc.backends.cri.image.packets import as_text, axon_packets, count_packets, load_packets
from nmc.backends.cri.placement import Placement, natural, place
from nmc.backends.cri.target import PROFILES
from nmc.runtime.program import NmcError
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table
from nmc.runtime.program.cri_image import CriImage, Layout, ParameterSlot, parameter_slot, parameter_word
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_image import ImageMachine

pytestmark = pytest.mark.slow

SEEDS = st.integers(0, 2**32 - 1)


def small(profile: str = "hw2024") -> CriProgram:
    """Two axons, 33 neurons of two models; neurons 0 and 1 are outputs, and every weight is easy to find."""
    zero = np.zeros(2, np.int64)
    return CriProgram(
        profile=PROFILES[profile],
        models=(NeuronModel(3, 9, 0, -17), NeuronModel(2, -4, 3, -17)),
        neuron_model=np.array([0] * 31 + [1, 1], np.uint8),
        axons=table_of([0, 3, 3], [0, 9, 17], [5, -1, 7]),
        neurons=table_of([0, 1, *[1] * 32], [1], [-32768]),
        populations=(Population("neurons", "plain", 0, (33,)),),
        inputs=(Input("x", (1, 2), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(Readout("y", "count", (2,), np.arange(2), zero, np.ones(2)),),
        steps=1,
    )


def codes(error: pytest.ExceptionInfo[NmcError]) -> list[str]:
    return [problem.code for problem in error.value.diagnostics]


def test_every_word_of_a_small_image() -> None:
    """Models in order of their values: the two LIF neurons get slots 0 and 1, the others 32 to 62."""
    image = encode_image(small())
    rows, base = memory(image), 1 << 15
    assert (image.inputs, image.slots, image.synapses.shape) == (2, 64, (4, 16))
    # Length 2 rows − 1 = 1 in bits 31 to 23. Pair 0 is that of all sources without synapses, the axons come next.
    empty = 1 << 23 | base
    assert image.axon_pointers.tolist() == [1 << 23 | (base + 2), *[empty] * 15]
    pointers = image.neuron_pointers.tolist()
    assert len(pointers) == 80  # 64 slots, and the pointer rows that the core reads along
    assert {h: p for h, p in enumerate(pointers) if p != empty} == {32: 1 << 23 | (base + 4), 33: 1 << 23 | (base + 6)}
    assert rows[base] == rows[base + 1] == 0
    # Slots 32, 41 and 49 are columns 0, 9 and 1 of rows 2, 2 and 3; columns 8 to 15 stand in the even row.
    assert entries_of(rows, 0, 0) == [(0, 9, 0x0002FFFF), (1, 0, 0x00020005), (1, 1, 0x00030007)]
    assert rows[base + 2] == 0x0002FFFF << 192
    assert rows[base + 3] == 0x00020005 << 224 | 0x00030007 << 192
    assert entries_of(rows, 1 << 14, 32) == [(1, 0, 0x80000020), (1, 1, 0x00028000)]
    assert entries_of(rows, 1 << 14, 33) == [(1, 1, 0x80000021)]
    assert image.parameters == (
        3 << 78 | (64 - 17) << 72 | 2 << 70 | ((1 << 36) - 4) << 34 | 2 << 21,
        0 << 78 | (64 - 17) << 72 | 3 << 70 | 9 << 34 | 4 << 21,
    )


@given(SEEDS, st.sampled_from(HARDWARE))
def test_every_entry_stands_in_its_targets_column_and_says_what_the_table_says(seed: int, profile: str) -> None:
    """Read word by word, without any of the decoder."""
    program = random_program(seed, profile)
    placement = random_placement(program, seed)
    image = encode_image(program, placement)
    rows, neuron = memory(image), placement.neuron
    reports = set(program.readouts[0].neuron.tolist())
    for base, table, line in (
        (0, program.axons, np.arange(program.axons.sources)),
        (1 << 14, program.neurons, placement.slot),
    ):
        found: dict[tuple[int, int], int] = {}
        for source in range(table.sources):
            spikes = []
            for _, column, entry in entries_of(rows, base, int(line[source])):
                if entry >> 29:
                    spikes.append(entry)
                    continue
                pair = source, int(neuron[(entry >> 16) * 16 + column])
                found[pair] = found.get(pair, 0) + signed(entry & 0xFFFF, 16)
            here = base > 0 and source in reports
            assert spikes == ([1 << 31 | int(line[source])] if here else [])
        assert found == sums(table)
    pointers = np.concatenate([image.axon_pointers, image.neuron_pointers])
    used = (pointers & 0x7FFFFF)[(pointers & 0x7FFFFF) > 1 << 15].astype(np.int64)
    assert (np.diff(used) > 0).all()  # axons, then neurons by slot
    assert int((pointers >> 23).max()) <= 511


@given(SEEDS, st.sampled_from(HARDWARE))
def test_an_image_decodes_to_the_network_it_was_made_from(seed: int, profile: str) -> None:
    program = random_program(seed, profile)
    placement = random_placement(program, seed)
    network = decode_image(encode_image(program, placement), placement.slot)
    for given_table, decoded in ((program.axons, network.axons), (program.neurons, network.neurons)):
        table = Table(decoded.indptr, decoded.target, decoded.weight)
        assert sums(table) == sums(given_table)
        assert (table.weight != 0).all()
    models = [network.models[k] for k in network.neuron_model]
    assert models == [program.models[k] for k in program.neuron_model]
    assert network.outputs.tolist() == sorted(program.readouts[0].neuron.tolist())


def check_same_steps(program: CriProgram, placement: Placement, seed: int, steps: int = 8) -> int:
    """Both machines from the same potentials with the same input; the number of spikes."""
    rng = np.random.default_rng(seed)
    machine, image = CriMachine.of(program), encode_image(program, placement)
    core, idle = ImageMachine(image), placement.neuron < 0
    half = 1 << (program.profile.width - 1)
    start = rng.choice([0, 1, -1, half - 1, -half, *rng.integers(-5000, 5000, 8)], machine.neurons.sources)
    machine.potentials = start
    core.v.reshape(-1)[placement.slot] = start
    reports = set(program.readouts[0].neuron.tolist())
    for _ in range(steps):
        axons = rng.random(program.axons.sources) < 0.4
        expected = machine.step(axons[None])[0]
        fired, reported = core.step(axons)
        assert np.array_equal(fired[placement.slot], expected)
        assert np.array_equal(core.v.reshape(-1)[placement.slot], machine.potentials[0])
        wanted = [int(placement.slot[n]) for n in np.flatnonzero(expected) if n in reports]
        assert sorted(reported) == sorted(wanted)
        assert not core.v.reshape(-1)[idle & ~fired].any() or any(m.code == 1 or m.soft for m in program.models)
    return machine.spikes


@pytest.mark.slow
@pytest.mark.parametrize("profile", HARDWARE)
@given(SEEDS)
def test_the_machine_that_runs_from_an_image_equals_the_one_that_runs_from_tables(profile: str, seed: int) -> None:
    program = random_program(seed, profile)
    check_same_steps(program, natural(program), seed)
    check_same_steps(program, random_placement(program, seed), seed + 1)


@pytest.mark.parametrize("avoid", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_placements_that_spread_the_targets_compute_the_same(seed: int, avoid: bool) -> None:
    program = random_program(seed, neurons=200, most=60)
    placement = place(program, avoid_defect_rows=avoid)
    assert check_same_steps(program, placement, seed) > 0
    assert len(encode_image(program, placement).synapses) <= len(encode_image(program).synapses)


def test_neurons_do_spike_in_these_tests() -> None:
    spikes = [check_same_steps(p, natural(p), seed) for seed in range(10) for p in [random_program(seed)]]
    assert min(spikes) > 0


@given(SEEDS)
def test_accesses_are_counted_as_the_formula_of_the_hardware_has_them(seed: int) -> None:
    program = random_program(seed)
    image = encode_image(program)
    core, rng = ImageMachine(image), np.random.default_rng(seed)
    for _ in range(4):
        axons, before = rng.random(program.axons.sources) < 0.5, core.accesses
        fired, _ = core.step(axons)
        pointers = image.axon_pointers[: image.inputs][axons], image.neuron_pointers[: image.slots][fired]
        synapses = sum(int(((p >> 23) + 1).sum()) // 2 for p in pointers)
        assert core.accesses - before == image.inputs // 16 + 1 + image.slots // 16 + 1 + synapses


def fan_out(targets: list[int], weights: list[int], neurons: int, output: bool = False) -> CriProgram:
    """One axon without synapses, neuron 0 with these."""
    outputs = np.zeros(int(output), np.int64)
    return replace(
        small(),
        neuron_model=np.zeros(neurons, np.uint8),
        axons=table_of([0, 0], [], []),
        neurons=table_of([0, *[len(targets)] * neurons], targets, weights),
        populations=(Population("neurons", "plain", 0, (neurons,)),),
        inputs=(),
        readouts=(Readout("y", "count", (1,), outputs, outputs, np.ones(1)),) if output else (),
    )


@pytest.mark.parametrize(
    ("targets", "output", "pairs"),
    [
        ([], False, 0),
        ([], True, 1),
        (list(range(16)), False, 1),
        (list(range(16)), True, 2),  # no place is left for the spike entry
        (list(range(15)), True, 1),
        ([0, 16, 32], False, 3),
        ([0, 16, 32], True, 3),
        (list(range(4096)), False, 256),
        (list(range(4095)), True, 256),
    ],
)
def test_pairs_of_rows_of_a_source(targets: list[int], output: bool, pairs: int) -> None:
    program = fan_out(targets, [1] * len(targets), 4096, output)
    assert len(encode_image(program).synapses) == 1 + pairs
    check = decode_image(encode_image(program), natural(program).slot)
    assert check.neurons.target.tolist() == targets


@pytest.mark.parametrize(
    ("weights", "stored"),
    [
        ([32767, 1], [1, 32767]),
        ([32767, 32767, 32767], [32767] * 3),
        ([-32768, -1], [-1, -32768]),
        ([-32768, -32768], [-32768] * 2),
        ([-32768, 32767, 1], []),
        ([100, -30], [70]),
        ([0], []),
    ],
)
def test_repeated_synapses_become_one_entry_or_as_many_as_their_sum_takes(
    weights: list[int], stored: list[int]
) -> None:
    program = fan_out([3] * len(weights), weights, 4)
    image = encode_image(program)
    decoded = decode_image(image, natural(program).slot).neurons
    assert sorted(decoded.weight.tolist()) == sorted(stored)
    assert set(decoded.target.tolist()) <= {3}
    assert len(image.synapses) == 1 + len(stored)


def test_equal_models_share_a_slot_and_unused_ones_have_none() -> None:
    program = small()
    same = replace(program, models=(*program.models, program.models[0], NeuronModel(0, 1, 0, -17)))
    same = replace(same, neuron_model=np.array([0, 2] * 15 + [0, 1, 1], np.uint8))
    assert encode_image(same).parameters == encode_image(program).parameters


def test_the_legacy_bit_and_soft_reset_are_in_the_parameters() -> None:
    soft = replace(small("hw_l6_legacy"), models=(NeuronModel(3, 9, 0, -17, soft=True), NeuronModel(2, -4, 3, -17)))
    hard, kept = map(parameter_slot, encode_image(soft).parameters)
    assert (hard.legacy, hard.model.soft, kept.legacy, kept.model.soft) == (True, False, True, True)
    assert encode_image(soft).parameters[1] & 0xFFF == 0b11 << 7


@given(
    st.integers(0, 3),
    st.integers(-(2**35), 2**35 - 1),
    st.integers(0, 63),
    st.integers(-32, 31),
    st.booleans(),
    st.integers(0, 7),
    st.integers(0, 8191),
)
def test_parameter_words_round_trip(
    code: int, threshold: int, leak: int, shift: int, soft: bool, refractory: int, row: int
) -> None:
    slot = ParameterSlot(NeuronModel(code, threshold, leak, shift, soft, refractory), row, True, 15, 1, 15)
    assert parameter_slot(parameter_word(slot)) == slot
    assert parameter_word(slot) < 1 << 84
    with pytest.raises(ValueError, match="boundary 8192"):
        parameter_word(replace(slot, boundary=8192))


# --- limits ---


def test_the_software_simulator_has_no_image() -> None:
    with pytest.raises(NmcError) as error:
        encode_image(replace(small(), profile=PROFILES["sim"]))
    assert codes(error) == ["NMC-C020"]
    assert error.value.exit_code == 3


def test_everything_that_does_not_fit_is_told_at_once() -> None:
    """17 models, one with a wide shift and one with a wide threshold; 257 targets in a column; too many of all."""
    neurons, axons = 131_072, 131_072
    wide = NeuronModel(3, 1 << 40, 0, 40)
    targets = np.arange(0, 257 * 16, 16)
    program = CriProgram(
        profile=PROFILES["hw2024"],
        models=(*(NeuronModel(3, k, 0, -17) for k in range(16)), wide),
        neuron_model=(np.arange(neurons) % 17).astype(np.uint8),
        axons=table_of(np.minimum(np.arange(axons + 1) * 257, 2 * 257), np.tile(targets, 2), [1] * 514),
        neurons=table_of(np.zeros(neurons + 1), [], []),
        populations=(Population("n", "plain", 0, (neurons,)),),
        inputs=(),
        schedule=(),
        readouts=(),
        steps=1,
    )
    spread = Placement(np.arange(neurons), neurons, natural(program).groups)
    with pytest.raises(NmcError) as error:
        encode_image(program, spread)
    assert codes(error) == ["NMC-C005"] * 3 + ["NMC-C004"] + ["NMC-C021"] * 2
    told = [problem.what for problem in error.value.diagnostics]
    assert told[0] == "the network needs 131,072 axons, a core holds 131,071"
    assert told[1] == "the network needs 131,072 neurons with padding, a core holds 131,040"
    assert told[2] == "the network needs 17 neuron models, a core holds 16"
    assert told[3] == "2 axons have more than 512 rows of synapses"
    assert "fullest of 16 columns takes 514 rows" in error.value.diagnostics[3].why
    assert "shift 40" in told[5]
    assert error.value.exit_code == 5


def test_too_many_rows_are_refused_before_any_is_made() -> None:
    """Every one of 20,000 neurons has 256 targets, all in one column: 10,240,002 rows."""
    neurons = 20_000
    program = replace(
        fan_out([], [], neurons),
        neurons=Table(
            np.arange(neurons + 1) * 256,
            np.tile(np.arange(0, 4096, 16, dtype=np.int32), neurons),
            np.ones(256 * neurons, np.int16),
        ),
    )
    with pytest.raises(NmcError) as error:
        encode_image(program)
    assert codes(error) == ["NMC-C005"]
    what = "the network needs 10,240,002 HBM rows of synapses, a core holds 8,355,840"
    assert error.value.diagnostics[0].what == what


# --- packets ---


def loaded(text: bytes, image: CriImage) -> tuple[list[int], int, dict[int, int]]:
    """Parameter words, network parameters, HBM rows that these packets write."""
    parameters, network, rows = [], 0, {}
    for line in text.decode().splitlines():
        assert len(line) == 128
        packet = int(line, 16)
        match packet >> 504:
            case 8:
                parameters.append(packet & ((1 << 84) - 1))
            case 4:
                network = packet & ((1 << 504) - 1)
            case 2:
                assert packet >> 279 & 1
                rows[packet >> 256 & 0x7FFFFF] = packet & ((1 << 256) - 1)
            case other:
                raise AssertionError(other)
    return parameters, network, rows


@given(SEEDS)
def test_the_packets_load_the_image(seed: int) -> None:
    program = random_program(seed)
    image = encode_image(program)
    text = b"".join(map(as_text, load_packets(image)))
    parameters, network, rows = loaded(text, image)
    assert text.count(b"\n") == count_packets(image)
    assert parameters == list(image.parameters)
    assert network == image.slots << 17 | image.inputs
    assert rows == memory(image)


def test_axon_packets_hold_a_bit_per_axon() -> None:
    active = np.zeros(600, np.bool_)
    active[[0, 255, 256, 512, 599]] = True
    for size, expected in (
        (512, [1 | 1 << 255 | 1 << 256, 1 | 1 << 87]),
        (256, [1 | 1 << 255, 1, 1 | 1 << 87]),
    ):
        lines = as_text(axon_packets(active, Layout(axons_per_packet=size))).decode().split()
        assert [int(line, 16) for line in lines] == [1 << 504, *expected]

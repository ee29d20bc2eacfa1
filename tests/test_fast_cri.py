"""The event engine: equal to the reference machine in every spike, potential and counter, in every timestep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placement_programs import convolutions
from placement_programs import programs as placed_programs
from test_cri_golden import CASES, golden, inputs_of, machine_of
from test_cri_reference import table, unary_program

from nmc.backends.cri.target import PROFILES
from nmc.runtime.fast.cri import FastMachine, Network
from nmc.runtime.program import CriProgram, Table
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.neuron import Parameters

SIM = PROFILES["sim"]
Array = np.ndarray[Any, Any]
Shapes = list[tuple[int, ...]]


def fast(machine: CriMachine, shapes: Shapes | None = None, threads: int | None = None) -> FastMachine:
    """The engine for the network of a reference machine, in the same state."""
    shapes = [(machine.neurons.sources,)] if shapes is None else shapes
    network = Network.of(machine.profile, machine.parameters, machine.axons, machine.neurons, shapes)
    made = network.machine(machine.batch, threads)
    made.potentials = machine.potentials
    return made


def check_equal(engine: FastMachine, machine: CriMachine) -> None:
    np.testing.assert_array_equal(engine.potentials, machine.potentials)
    assert engine.synaptic_events == machine.synaptic_events
    assert engine.spikes == machine.spikes
    assert engine.out_of_range == machine.out_of_range


def check_steps(engine: FastMachine, machine: CriMachine, steps: list[Array]) -> None:
    for axons in steps:
        np.testing.assert_array_equal(engine.step(axons), machine.step(axons))
        check_equal(engine, machine)


def activity(machine: CriMachine, steps: int, share: float = 0.3, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.random((machine.batch, machine.axons.sources)) < share for _ in range(steps)]


# --- machines ---


@pytest.mark.golden
@pytest.mark.parametrize("name", CASES)
def test_golden_vectors(name: str) -> None:
    case = golden(name)
    machine = machine_of(case)
    engine = fast(machine)
    check_steps(engine, machine, [inputs_of(case, step, machine.axons.sources) for step in range(len(case["v"]))])
    np.testing.assert_array_equal(engine.potentials[0], case["v"][-1])


def random_table(rng: np.random.Generator, sources: int, neurons: int) -> Table:
    """Rows of three kinds: synapses anywhere, some repeated; runs of neighbours; moved copies of the row before."""
    entries: list[tuple[int, int, int]] = []
    row: list[tuple[int, int]] = []
    for source in range(sources):
        count, kind = int(rng.integers(0, 12)), rng.integers(3)
        weight = rng.choice([0, 1, -3, 7, 32767, -32768], count)
        if kind == 0:
            row = list(zip(rng.integers(0, neurons, count).tolist(), weight.tolist(), strict=True))
        elif kind == 1:
            row = [(n, w) for n, w in enumerate(weight.tolist(), int(rng.integers(neurons))) if n < neurons]
        else:
            row = [(n + 1, w) for n, w in row if n + 1 < neurons]
        entries += [(source, n, w) for n, w in row]
    return table(sources, entries)


@st.composite
def machines(draw: st.DrawFn) -> tuple[CriMachine, Shapes, int]:
    """A reference machine under any profile, the shapes of its populations, a seed."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng, profile = np.random.default_rng(seed), PROFILES[draw(st.sampled_from(sorted(PROFILES)))]
    shapes: Shapes = [(), (int(rng.integers(1, 9)),), tuple(rng.integers(0, 5, 3).tolist()), (2, 3)]
    neurons, axons = sum(int(np.prod(shape)) for shape in shapes), int(rng.integers(0, 9))
    vendor = profile.leak == "floor63"
    bits = profile.width if profile.overflow == "wrap" else 64
    ends = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    parameters = Parameters(
        code=rng.choice([0, 2] if vendor else [0, 1, 2, 3], neurons),
        threshold=rng.choice([0, 1, 5, -4, 40000, *ends], neurons),
        leak=rng.choice([0, 1, 3, 31, 40, 62, 63, 64 if vendor else 63], neurons),
        shift=np.full(neurons, profile.noise_off),
        soft=rng.random(neurons) < 0.5 if draw(st.booleans()) else None,
    )
    tables = random_table(rng, axons, neurons), random_table(rng, neurons, neurons)
    machine = CriMachine(profile, parameters, *tables, batch=draw(st.integers(1, 4)))
    rail = 2 ** (profile.width - 1)
    held = [0, 0, 5, -9, rail - 1, -rail, rail - 30000, 30000 - rail]
    machine.potentials = rng.choice(held, (machine.batch, neurons))
    return machine, shapes, seed


@given(machines(), st.sampled_from([None, 1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_random_networks_under_every_profile(drawn: tuple[CriMachine, Shapes, int], threads: int | None) -> None:
    machine, shapes, seed = drawn
    engine = fast(machine, shapes, threads)
    check_steps(engine, machine, activity(machine, 6, seed=seed))
    some = np.arange(machine.neurons.sources)[::2]
    np.testing.assert_array_equal(engine.read(some), machine.read(some))
    engine.reset()
    machine.reset()
    check_steps(engine, machine, activity(machine, 2, seed=seed + 1))


@given(placed_programs(), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_random_tables(program: CriProgram, batch: int) -> None:
    machine = CriMachine.of(program, batch)
    engine = Network.of_program(program).machine(batch)
    check_steps(engine, machine, activity(machine, 8))


def test_a_machine_refuses_potentials_out_of_range() -> None:
    engine = Network.of_program(unary_program()).machine(2)
    engine.potentials = 7
    assert engine.potentials.tolist() == [[7] * 3] * 2
    with pytest.raises(ValueError, match="35 bits"):
        engine.potentials = 2**34


# --- tables ---


@pytest.mark.parametrize("density", [1.0, 0.9, 0.3])
def test_convolutions_share_templates(density: float) -> None:
    """Equal fan-outs are stored once, in runs of 20 channels and more; gaps of a few neurons end no run."""
    program = convolutions(density)
    network = Network.of_program(program)
    assert 6 * len(network.axons.weight) < program.axons.synapses
    assert network.sums is np.int32 and not len(network.axons.target) and not len(network.synapses.target)
    assert network.axons.length.mean() > 15 and network.synapses.length.mean() > 15
    machine = CriMachine.of(replace(program, models=(replace(program.models[0], threshold=900),)), 2)
    check_steps(fast(machine, [p.shape for p in program.populations]), machine, activity(machine, 4))
    assert machine.spikes > 100


def dense(outputs: tuple[int, ...], order: Array) -> tuple[CriMachine, Shapes]:
    """A machine of 30 axons, each with a synapse of its own weight to every neuron, in that order."""
    rng, size = np.random.default_rng(1), int(np.prod(outputs))
    weight = rng.integers(-99, 99, 30 * size).astype(np.int16)
    axons = Table(np.arange(31) * size, np.tile(order, 30).astype(np.int32), weight)
    numbers = (np.full(size, value) for value in (2, 100, 64, SIM.noise_off))
    return CriMachine(SIM, Parameters(*numbers), axons, table(size, []), 2), [outputs]


@pytest.mark.parametrize("outputs", [(48,), (3, 4, 4)])
def test_dense_layers_are_runs(outputs: tuple[int, ...]) -> None:
    machine, shapes = dense(outputs, np.arange(48))
    engine = fast(machine, shapes)
    assert engine.network.axons.length.tolist() == [48] * 30
    check_steps(engine, machine, activity(machine, 5))


@pytest.mark.parametrize("changed", ["nothing", "offset", "length", "runs", "base"])
def test_neighbours_whose_runs_are_almost_the_same(changed: str) -> None:
    """Nine axons with two runs of 20 neurons each; one thing is different in every third."""
    rng, row = np.random.default_rng(3), [*range(20), *range(50, 70)]
    moved = {
        "nothing": row,
        "offset": [*range(20), *range(51, 71)],
        "length": [*range(19), *range(50, 71)],
        "runs": [*range(20), *range(50, 69), 80],
        "base": [n + 1 for n in row],
    }[changed]
    entries = [(a, n, int(rng.integers(1, 99))) for a in range(9) for n in (moved if a % 3 == 2 else row)]
    machine, shapes = dense((100,), np.arange(100))
    machine.axons = table(9, entries)
    engine = fast(machine, shapes)
    assert len(engine.network.axons.template)
    check_steps(engine, machine, [np.ones((2, 9), np.bool_), *activity(machine, 12, 0.7)])


def test_a_table_without_structure_is_read_where_it_lies() -> None:
    machine, shapes = dense((40, 5, 5), np.arange(0, 1000, 37))
    rng = np.random.default_rng(2)
    target = rng.permutation(1000)[:810].astype(np.int32)
    machine.axons = Table(np.arange(31) * 27, target, rng.integers(-99, 99, 810).astype(np.int16))
    engine = fast(machine, shapes)
    assert not len(engine.network.axons.template)
    assert np.shares_memory(engine.network.axons.weight, machine.axons.weight)
    check_steps(engine, machine, activity(machine, 5))


def test_rows_that_differ_in_one_weight_share_nothing() -> None:
    """400 rows of 64 equal synapses, each with another weight where no sample is taken."""
    rows = np.ones((400, 64), np.int16)
    rows[np.arange(400), 1 + np.arange(400) % 7] = np.arange(400) + 2
    axons = Table(np.arange(401) * 64, np.tile(np.arange(64, dtype=np.int32), 400), rows.reshape(-1))
    machine = CriMachine(SIM, dense((64,), np.arange(64))[0].parameters, axons, table(64, []))
    engine = fast(machine)
    assert len(engine.network.axons.weight_first) == 400
    check_steps(engine, machine, activity(machine, 3))


@pytest.mark.parametrize("last", [65535, 65536])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_up_to_2_to_the_31(last: int, sign: int) -> None:
    """One neuron with 65,536 synapses of weight ±32767: together with the last ones 2^31 − 1, or one more."""
    weight = np.array([sign * 32767] * 65536 + [sign * 32767, sign * 32767, sign * (last - 65534)], np.int16)
    axons = Table(np.array([0, len(weight)]), np.zeros(len(weight), np.int32), weight)
    machine = CriMachine(SIM, Parameters(*np.array([[2], [2**40], [64], [-16]])), axons, table(1, [(0, 0, 0)]))
    engine = fast(machine)
    assert engine.network.sums is (np.int32 if last == 65535 else np.int64)
    check_steps(engine, machine, [np.ones((1, 1), np.bool_)] * 9)
    assert machine.potentials[0, 0] == sign * (2**34 - 1) - (sign < 0) or machine.out_of_range == 0


def test_input_is_summed_before_it_is_clamped() -> None:
    """+32767 and −32767 in one timestep leave a potential at the rail there, in whatever order they are added."""
    rail = 2**34 - 1
    axons = table(2, [(0, 0, 32767), (1, 0, -32767), (0, 1, -32768), (1, 1, 32767)])
    machine = CriMachine(SIM, Parameters(*np.array([[2, 2], [2**40] * 2, [64] * 2, [-16] * 2])), axons, table(2, []))
    machine.potentials = [rail, -rail - 1]
    engine = fast(machine)
    check_steps(engine, machine, [np.ones((1, 2), np.bool_)])
    assert engine.potentials.tolist() == [[rail, -rail - 1]] and engine.out_of_range == 1

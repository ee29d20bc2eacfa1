"""One program over ranks gives what one process gives: outputs, traces, potentials, counters, in every bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cri_images import random_program
from partition_checks import layers, lowered
from ranks import ThreadComm, Threads
from spiking_integer import feeds_for
from spiking_random import random_net
from test_cri_reference import unary_program

from nmc.backends.cri.partition import messages, over_ranks
from nmc.backends.cri.target import PROFILES
from nmc.runtime import Session
from nmc.runtime.mpi import LostError, MpiSession
from nmc.runtime.mpi.exchange import FailedElsewhereError
from nmc.runtime.mpi.part import part_of
from nmc.runtime.program import CriProgram, NmcError
from nmc.runtime.program.cri import Input
from nmc.runtime.result import Result

pytestmark = pytest.mark.slow

ARRAYS = ("outputs", "integers", "trace", "potentials")


def check_results(made: Result, expected: Result) -> None:
    assert made.counters == expected.counters
    for kind in ARRAYS:
        mine, theirs = getattr(made, kind), getattr(expected, kind)
        assert mine.keys() == theirs.keys()
        for name in theirs:
            assert mine[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=f"{kind} {name}")


def check_ranks(
    program: CriProgram, feeds: Any, owner: Any, ranks: int, engine: str = "auto", seed: int | None = None, **run: Any
) -> int:
    """All ranks beside one process; the messages that they sent."""
    expected = Session(program, "reference", seed).run(feeds, trace=True)

    def work(comm: ThreadComm) -> tuple[Result | None, int, int]:
        session = MpiSession(program, owner, comm, engine, seed)
        result = session.run(feeds, trace=True, **run)
        assert sum(comm.sent.values()) == session.sent[0]
        return result, *session.sent

    results = Threads(ranks).run(work)
    assert [result is not None for result, _, _ in results] == [k == 0 for k in range(ranks)]
    check_results(results[0][0], expected)
    return sum(sent for _, sent, _ in results)


def spikes_of(program: CriProgram, feeds: Any) -> Any:
    """Spikes of each neuron in a whole run, all samples together."""
    watched = replace(program, readouts=())
    seen = Session(watched, "reference").run(feeds, trace=True).trace
    counts = [seen[p.name].sum(axis=tuple(range(seen[p.name].ndim - len(p.shape)))) for p in program.populations]
    return np.concatenate([count.ravel() for count in counts])


def random_owner(program: CriProgram, ranks: int, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, ranks, len(program.neuron_model))


def random_run(seed: int, profile: str, steps: int = 12) -> tuple[CriProgram, Any]:
    """A random table with loops and synapses of neurons to themselves, and trains for it."""
    made = random_program(seed, profile)
    models = made.models if profile != "sim" else tuple(replace(model, code=model.code & 2) for model in made.models)
    program = replace(made, models=models, inputs=(Input("x", (steps, 20), 0, 1, 1.0, 0, every=1),), steps=steps)
    return program, np.random.default_rng(seed).integers(0, 2, (3, steps, 20))


# --- equality ---


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_a_network_with_residual_sums(ranks: int, engine: str) -> None:
    graph = layers(3, 8).graph
    program = lowered(graph)
    owner = over_ranks(program, ranks).owner
    sent = check_ranks(program, feeds_for(graph, 3, 3, 0), owner, ranks, engine, batch=2)
    assert (sent > 0) == (ranks > 1)
    assert len(np.unique(owner)) == ranks


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_random_networks_on_every_profile(profile: str) -> None:
    for seed in range(4):
        graph = random_net(seed, PROFILES[profile].soft_reset, leaky=PROFILES[profile].leak == "floor63")
        program = lowered(graph, profile)
        feeds = feeds_for(graph, 5, 3, seed)
        check_ranks(program, feeds, random_owner(program, 3, seed), 3, ("fast", "reference")[seed % 2], batch=1 + seed)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_random_tables_with_loops(profile: str) -> None:
    for seed in range(6):
        program, x = random_run(seed, profile)
        ranks = 2 + seed % 3
        check_ranks(program, x, random_owner(program, ranks, seed), ranks, ("fast", "reference")[seed % 2])


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_unary_programs(profile: str) -> None:
    x = np.random.default_rng(0).normal(0, 2, (20, 3))
    check_ranks(unary_program(PROFILES[profile]), x, np.array([1, 0, 1]), 2, batch=7)


def test_a_train_of_another_length() -> None:
    graph = layers(5, 6).graph
    program = lowered(graph)
    check_ranks(program, feeds_for(graph, 7, 2, 1), random_owner(program, 2, 1), 2)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_noise_is_drawn_as_in_one_process(profile: str) -> None:
    program, x = random_run(3, profile)
    program = replace(program, models=tuple(replace(model, shift=-4) for model in program.models))
    check_ranks(program, x, random_owner(program, 3, 0), 3, seed=5, batch=2)


def test_neurons_that_rest() -> None:
    program, x = random_run(4, "hw_l6")
    program = replace(program, models=tuple(replace(model, refractory=2) for model in program.models))
    check_ranks(program, x, random_owner(program, 3, 0), 3)


def test_inputs_that_share_axons() -> None:
    """The first two bits of w are axons of x, too; and values that are clipped count once."""
    one = unary_program()
    program = replace(one, inputs=(*one.inputs, Input("w", (4,), 1, 2, 1.0, 0, 1, repeat=2)))
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(0, 9, (6, 3)), "w": rng.integers(0, 9, (6, 4))}
    check_ranks(program, feeds, np.array([0, 1, 2]), 3)
    assert Session(program).run(feeds).counters["input_clipped"] > 9


def test_ranks_without_neurons() -> None:
    x = np.random.default_rng(0).normal(0, 2, (4, 3))
    for engine in ("fast", "reference"):
        check_ranks(unary_program(), x, np.array([2, 2, 0]), 4, engine)
    check_ranks(unary_program(), x[:0], np.array([1, 1, 1]), 2)


# --- what is sent ---


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_plan_tells_the_volume_of_a_run(ranks: int) -> None:
    graph = layers(3, 8).graph
    program = lowered(graph)
    feeds = feeds_for(graph, 3, 3, 0)
    for owner in (over_ranks(program, ranks).owner, random_owner(program, ranks, 0)):
        sent = check_ranks(program, feeds, owner, ranks)
        assert sent == messages(program, owner, spikes_of(program, feeds)) > 0


def test_the_plan_has_fewer_messages_than_equal_runs_of_neurons_and_equal_work() -> None:
    program, ranks = lowered(layers().graph), 4
    plan, count = over_ranks(program, ranks), len(program.neuron_model)
    once = np.ones(count, np.int64)
    best = next(one for one in plan.tried if one.name == plan.chosen)
    assert messages(program, plan.owner, once) == best.refined == min(one.refined for one in plan.tried)
    assert best.refined < messages(program, np.arange(count) * ranks // count, once)
    parts = [part_of(program, plan.owner, k) for k in range(ranks)]
    work = [16 * len(part.own) + tables.axons.synapses + tables.neurons.synapses for part, tables in parts]
    assert max(work) < 1.3 * min(work)
    assert np.array_equal(over_ranks(program, ranks, once).owner, plan.owner)


def test_what_fires_often_is_cut_last() -> None:
    program, ranks = lowered(layers().graph), 3
    activity = np.where(np.arange(len(program.neuron_model)) < 300, 100, 1)
    plain, weighted = over_ranks(program, ranks).owner, over_ranks(program, ranks, activity).owner
    assert messages(program, weighted, activity) <= messages(program, plain, activity)


def test_loops_are_cut() -> None:
    program, _ = random_run(0, "sim")
    assert len(np.unique(over_ranks(program, 3).owner)) == 3


def test_a_rank_holds_the_synapses_to_its_neurons_and_knows_its_neighbours() -> None:
    program = lowered(layers().graph)
    owner = random_owner(program, 4, 2).astype(np.int32)
    parts, tables = zip(*(part_of(program, owner, k) for k in range(4)), strict=True)
    total = sum(table.axons.synapses + table.neurons.synapses for table in tables)
    assert total == program.axons.synapses + program.neurons.synapses
    for k, part in enumerate(parts):
        assert np.all(owner[part.own] == k) and np.all(owner[part.ghosts] != k)
        assert tables[k].axons.sources == len(part.heard) + len(part.ghosts)
        assert np.all(np.diff(tables[k].axons.indptr) > 0)
        for other, sent in part.sends.items():
            np.testing.assert_array_equal(part.own[sent], parts[other].ghosts[parts[other].hears[k]])


# --- refusals ---


def outcomes(ranks: int, work: Any) -> list[Exception]:
    """The error of each rank."""

    def caught(comm: ThreadComm) -> Exception:
        try:
            work(comm)
        except Exception as error:
            return error
        raise AssertionError("no error")

    return Threads(ranks).run(caught)


def test_one_rank_says_what_is_wrong() -> None:
    program = unary_program()

    def work(comm: ThreadComm) -> None:
        x = np.zeros((2, 3) if comm.rank == 0 else (2, 4))
        MpiSession(program, np.array([0, 1, 2]), comm).run(x)

    first, second, third = outcomes(3, work)
    assert isinstance(second, NmcError) and second.diagnostics[0].code == "NMC-R005"
    for other in (first, third):
        assert isinstance(other, FailedElsewhereError) and other.exit_code == 4


def test_a_rank_that_fails_between_others_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from nmc.runtime.mpi.machine import RankMachine

    def step(self: RankMachine, axons: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(RankMachine, "step", step)
    session = MpiSession(unary_program(), np.zeros(3, np.int64), ThreadComm(Threads(1), 0))
    with pytest.raises(LostError) as found:
        session.run(np.zeros((1, 3)))
    assert isinstance(found.value.__cause__, MemoryError)


def test_arguments_that_are_wrong() -> None:
    program, comm = unary_program(), ThreadComm(Threads(1), 0)
    for owner, text in (
        (np.zeros(2, np.int64), "shape"),
        (np.array([0, 1, 0]), "ranks"),
        (np.array([0, -1, 0]), "ranks"),
    ):
        with pytest.raises(ValueError, match=text):
            MpiSession(program, owner, comm)
    with pytest.raises(ValueError, match="at least 0"):
        MpiSession(program, np.zeros(3, np.int64), comm, seed=-1)
    with pytest.raises(ValueError, match="below 2\\^31"):
        MpiSession(program, np.zeros(3, np.int64), comm).run(np.zeros((1, 3)), batch=2**30)
    loud, _ = random_run(3, "sim")
    loud = replace(loud, models=tuple(replace(model, shift=-4) for model in loud.models))
    for engine, seed, code in (("auto", None, "NMC-R008"), ("fast", 1, "NMC-R009"), ("quick", None, "NMC-R009")):
        with pytest.raises(NmcError) as error:
            MpiSession(loud, np.zeros(50, np.int64), comm, engine, seed)
        assert error.value.diagnostics[0].code == code

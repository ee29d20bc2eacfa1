"""What a partition refuses, and what it keeps whole: recurrent parts, limits of cores, neurons that cannot wait."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from partition_checks import check_partition, check_parts, layers, lowered
from placement_programs import EMPTY, random_table
from placement_programs import program as bare
from spiking_integer import Net

from nmc.backends.cri.partition import Capacity, partition
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.runtime.program.cri import CriProgram, NeuronModel, Table

SMALL = Capacity(slots=128, axons=4000, rows=100_000)

# --- recurrence ---


def recurrent(groups: int = 1) -> Net:
    net = Net(5, 3)
    x = net.spike(net.conv(net.input(2, 6, 6), 4), 4, name="x")
    state = net.state(4, 6, 6)
    y = net.spike(net.add(net.conv(x, 4), net.conv(state, 4, groups=groups)), 12, name="loop")
    net.graph.close(state, y)
    net.output("y", net.spike(net.conv(y, 2), 9, name="z"))
    return net


def test_a_recurrent_layer_stays_on_one_core() -> None:
    graph = recurrent().graph
    program = lowered(graph)
    made = check_partition(graph, program, 2)
    loop = next(p for p in program.populations if p.name == "loop")
    assert len(set(made.cores.core[loop.first : loop.stop].tolist())) == 1
    assert len(set(made.cores.core.tolist())) == 2
    assert made.search.cost > 0 and made.cores.extra[loop.first] > 0


def test_recurrence_within_channels_is_cut_between_them() -> None:
    graph = recurrent(groups=4).graph
    program = lowered(graph)
    made = check_partition(graph, program, 4)
    assert len(set(made.cores.core.tolist())) > 1


def test_a_recurrent_layer_larger_than_a_core_is_refused_by_name() -> None:
    with pytest.raises(NmcError) as error:
        partition(lowered(recurrent().graph), 4, capacity=Capacity(slots=128))
    assert error.value.exit_code == Exit.LIMIT
    (problem,) = error.value.diagnostics
    assert (problem.code, problem.where) == ("NMC-C030", "net.loop")
    assert "%loop has 144 neurons, a core holds 128" in problem.what


def test_a_table_without_layers_stays_whole() -> None:
    rng = np.random.default_rng(0)
    source = bare(random_table(rng, 20, 90), random_table(rng, 90, 90))
    made = partition(source, 3)
    check_parts(source, made)
    assert made.cores.latency == 0 and len(set(made.cores.core.tolist())) == 1
    with pytest.raises(NmcError, match="compile the model instead") as error:
        partition(source, 3, capacity=Capacity(slots=64))
    assert error.value.diagnostics[0].code == "NMC-C030"


def test_tables_without_neurons_or_synapses() -> None:
    for neurons in (0, 40):
        none = Table(np.zeros(neurons + 1, np.int64), *EMPTY)
        whole = replace(bare(Table(np.zeros(1, np.int64), *EMPTY), none), readouts=(), inputs=())
        whole = whole if neurons else replace(whole, populations=())
        made = partition(whole, 3)
        check_parts(whole, made)
        assert made.search.cost == 0 and made.cores.outputs == {}


# --- limits ---


def test_as_many_cores_as_it_takes() -> None:
    program = lowered(layers().graph)
    made = partition(program, capacity=replace(SMALL, slots=512))
    assert len(made.cores.cores) > 1
    check_parts(program, made)
    assert all(need.count <= need.most for needs in made.needs for need in needs)


def test_what_does_not_fit_is_told_for_every_core() -> None:
    with pytest.raises(NmcError) as error:
        partition(lowered(layers().graph), 2, capacity=Capacity(slots=256, axons=100, rows=500))
    assert error.value.exit_code == Exit.LIMIT
    problems = error.value.diagnostics
    assert {problem.code for problem in problems} == {"NMC-C005"}
    for text in ("core 0 of 2 needs", "core 1 of 2 needs"):
        what = [problem.what for problem in problems if text in problem.what]
        assert [any(f"a core holds {most}" in one for one in what) for most in (256, 100, 500)] == [True] * 3
    assert all("too many" in problem.why and "more cores" in problem.hint for problem in problems)


def restless(threshold: int, code: int = 3) -> CriProgram:
    program = lowered(layers().graph)
    return replace(program, models=(NeuronModel(code, threshold, 0, -17),) * len(program.models))


@pytest.mark.parametrize(("threshold", "code"), [(-1, 3), (5, 1)])
def test_neurons_that_act_without_input_cannot_wait(threshold: int, code: int) -> None:
    with pytest.raises(NmcError) as error:
        partition(restless(threshold, code), 3)
    assert error.value.exit_code == Exit.UNSUPPORTED
    assert {problem.code for problem in error.value.diagnostics} == {"NMC-C031"}
    assert any("%b cannot run later" in problem.what for problem in error.value.diagnostics)


def test_wrong_arguments() -> None:
    program = lowered(layers().graph)
    with pytest.raises(ValueError, match="activity must have shape"):
        partition(program, 2, activity=np.ones(3))
    with pytest.raises(ValueError, match="must be 1 or more"):
        partition(program, 0)

"""Programs cut over cores: spike for spike the same, recurrence kept whole, and refusals by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from partition_checks import check_lockstep, check_outputs, check_partition, check_parts, layers, lowered
from spiking_integer import Net
from spiking_random import random_net
from test_cri_unary import images, networks

from nmc.backends.cri.lower import Lowering
from nmc.backends.cri.partition import partition
from nmc.backends.cri.partition.blocks import make_blocks
from nmc.backends.cri.partition.delays import extra_steps
from nmc.backends.cri.partition.reach import collect
from nmc.backends.cri.partition.refine import Cut
from nmc.backends.cri.partition.synapses import message_cost
from nmc.backends.cri.target import PROFILES
from nmc.compiler.ir import Graph
from nmc.runtime import Session
from nmc.runtime.cri_cores import run_cores

pytestmark = pytest.mark.slow

# --- equality ---


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed: int) -> None:
    graph = random_net(seed)
    check_partition(graph, lowered(graph, ("sim", "hw2024")[seed % 2]), 2 + seed % 4, seed, (16, 2)[seed % 3 == 0])


@pytest.mark.parametrize("seed", range(100, 140))
def test_many_random_networks(seed: int) -> None:
    graph = random_net(seed)
    for profile in ("sim", "hw2024"):
        check_partition(graph, lowered(graph, profile), 2 + seed % 4, seed)
    soft = random_net(seed, soft=True, leaky=False)
    check_partition(soft, lowered(soft, "hw_l6"), 2 + seed % 4, seed)


@pytest.mark.parametrize("seed", range(1000, 1004))
def test_neurons_with_soft_reset_reach_themselves_and_are_cut_all_the_same(seed: int) -> None:
    graph = random_net(seed, soft=True, leaky=False)
    check_partition(graph, lowered(graph, "hw_l6"), 3, seed)


@pytest.mark.parametrize("cores", [2, 3, 4, 5])
def test_residual_sums_and_concatenations(cores: int) -> None:
    graph = layers().graph
    program = lowered(graph)
    made = check_partition(graph, program, cores, per_fpga=2)
    late = made.cores.outputs
    assert 0 <= late["early"] <= late["spikes"] <= late["sums"] == made.cores.latency > 0
    assert check_lockstep(program, made) > 500


def test_depths_and_biases_move_with_their_population() -> None:
    program = lowered(layers().graph)
    made = partition(program, 3).cores
    first = {p.name: p.window for p in program.populations}
    for core in made.cores:
        for p in core.program.populations:
            if p.kind != "relay" or not p.name.endswith(tuple(f".wait{k}" for k in range(9))):
                late = int(made.extra[core.neuron[p.first]])
                assert len(core.program.models) <= len(program.models) + 1
                assert p.window == (first[p.name][0] + late, first[p.name][1] + late)
        for phase in program.schedule:  # a bias goes to one population, and comes as late as that runs
            for axon in range(phase.first, phase.first + phase.count):
                target = int(program.axons.target[program.axons.indptr[axon]])
                assert set(core.delay[core.axon == axon].tolist()) <= {int(made.extra[target])}


@settings(max_examples=15, deadline=None)
@given(networks())
def test_unary_programs_are_cut_like_others(graph: Graph) -> None:
    x = images(graph, 3)
    for profile in ("sim", "hw_l6"):
        program = Lowering(graph, PROFILES[profile]).run({})
        made = partition(program, 3)
        check_parts(program, made)
        expected = Session(program, "reference").run(x).integers
        found = run_cores(made.cores, x).integers
        assert all(np.array_equal(found[name], integers) for name, integers in expected.items())


def test_more_cores_than_blocks() -> None:
    net = Net(3)
    net.output("y", net.spike(net.dense(net.input(4), 3), 5))
    program = lowered(net.graph)
    made = partition(program, 20)
    check_parts(program, made)
    check_outputs(net.graph, program, made, 3)


def test_one_core_is_the_program_itself() -> None:
    graph = layers().graph
    made = check_partition(graph, lowered(graph), 1)
    assert (made.cores.latency, made.cores.relay_axons, made.cores.relay_neurons, made.search.cost) == (0, 0, 0, 0)


def test_the_same_partition_every_time() -> None:
    program = lowered(layers().graph)
    a, b = partition(program, 4), partition(program, 4)
    assert a.search.tried == b.search.tried and np.array_equal(a.cores.core, b.cores.core)


# --- the search ---


@pytest.mark.parametrize("seed", range(4))
def test_prices_of_moves_are_differences_of_the_cost(seed: int) -> None:
    program, rng = lowered(layers(side=8).graph), np.random.default_rng(seed)
    weight = rng.integers(0, 5, len(program.neuron_model))
    blocks = make_blocks(program, 5, 10**6)
    cut = Cut(collect(program, blocks, weight), rng.integers(0, 5, blocks.count), 5, 2)
    for block in rng.choice(blocks.count, 12).tolist():
        here, prices = int(cut.core[block]), cut.prices(block)
        before = message_cost(program, cut.core[blocks.of], 5, weight, 2)
        assert cut.cost() == before
        core = int(rng.integers(0, 5))
        cut.move(block, core)
        assert message_cost(program, cut.core[blocks.of], 5, weight, 2) - before == prices[core] - prices[here]


def test_what_fires_often_is_cut_last() -> None:
    program = lowered(layers().graph)
    busy = np.zeros(len(program.neuron_model), np.int64)
    last = next(p for p in program.populations if p.name == "c")
    busy[last.first : last.stop] = 1000
    plain, weighted = partition(program, 3), partition(program, 3, activity=busy)

    def price(core: np.ndarray) -> int:
        return message_cost(program, core, 3, busy, 16)

    assert price(weighted.cores.core) <= price(plain.cores.core)


def test_bands_of_a_feature_map_are_kept_where_no_move_helps() -> None:
    net = Net(2, 1)
    a = net.spike(net.conv(net.input(1, 64, 2), 1, kernel=3), 3, name="a")
    net.output("y", net.spike(net.conv(a, 1, kernel=3), 3, name="b"))
    made = partition(lowered(net.graph), 2)
    assert made.search.kept and made.search.cost == 4  # a row of two neurons on either side


# --- delays ---


def test_nothing_waits_longer_than_it_has_to() -> None:
    every, cut = np.zeros((4, 4), np.int64), np.zeros((4, 4), np.int64)
    for a, b in ((0, 1), (1, 2), (2, 3), (0, 3)):
        every[a, b] = 1
    cut[0, 1] = cut[1, 2] = 1
    found = extra_steps(every, cut, np.full(4, 10))
    assert found is not None and found.tolist() == [0, 1, 2, 2]
    cut[3, 3] = every[3, 3] = 1
    assert extra_steps(every, cut, np.full(4, 10)) is None


def test_chains_that_only_repeat_wait_on_the_way() -> None:
    """0 → 1 → 2 is cut twice; 0 → 3 → 2 repeats spikes of 0, and may take the extra timesteps one by one."""
    every, cut = np.zeros((4, 4), np.int64), np.zeros((4, 4), np.int64)
    for a, b in ((0, 1), (1, 2), (0, 3), (3, 2)):
        every[a, b] = 1
    cut[0, 1] = cut[1, 2] = 1
    found = extra_steps(every, cut, np.array([10, 10, 10, 10]))
    assert found is not None and found.tolist() == [0, 1, 2, 1]

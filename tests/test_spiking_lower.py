"""Spiking networks on the table: the simulated program is the integer graph, spike for spike, at every step."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from spiking_integer import NONE, Net, check_same
from spiking_random import random_net

from nmc.backends.cri.control import TARGETS
from nmc.backends.cri.spiking import SpikingLowering
from nmc.backends.cri.target import PROFILES, CriOptions, CriTarget
from nmc.backends.cri.unroll import Fan
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.ir import Graph, Value
from nmc.compiler.ir.ops import Conv, Dequantize, Unary
from nmc.compiler.passes.base import Context
from nmc.runtime import Session
from nmc.runtime.program.cri import CriProgram, NeuronModel
from nmc.runtime.program.cri_check import validate

pytestmark = pytest.mark.slow

HARD = ("sim", "hw2024")
SOFT = ("hw_l6", "hw_l6_legacy")


def lowered(graph: Graph, profile: str = "sim") -> CriProgram:
    program = SpikingLowering(graph, PROFILES[profile]).run({"nmc": "test"})
    validate(program)
    return program


def check_equal(graph: Graph, profiles: tuple[str, ...] = HARD, seed: int = 0) -> CriProgram:
    """Program and graph agree for the graph's own number of timesteps, for one, and for more."""
    program = None
    for profile in profiles:
        program = lowered(graph, profile)
        trains = any(entry.every for entry in program.inputs)
        for steps in sorted({program.timesteps, *((1, program.timesteps + 3) if trains else ())}):
            check_same(graph, program, steps, seed=seed)
    assert program is not None
    return program


def refused(graph: Graph, profile: str = "sim") -> list[tuple[str, str]]:
    with pytest.raises(NmcError) as error:
        lowered(graph, profile)
    assert error.value.exit_code in (Exit.UNSUPPORTED, Exit.LIMIT)
    return [(d.code[4:], f"{d.what}: {d.why}") for d in error.value.diagnostics]


def check_refused(graph: Graph, *texts: str, profile: str = "sim", code: str = "C001") -> None:
    """One problem for each text, in which it stands."""
    found = refused(graph, profile)
    assert [c for c, _ in found] == [code] * len(texts), found
    assert all(text in what for text, (_, what) in zip(texts, found, strict=True)), found


def kinds(program: CriProgram) -> list[tuple[str, str, int]]:
    return [(p.name, p.kind, p.window[0]) for p in program.populations]


# --- random networks ---


@pytest.mark.parametrize("seed", range(30))
def test_random_networks_step_by_step(seed: int) -> None:
    check_equal(random_net(seed), HARD, seed)


@pytest.mark.parametrize("seed", range(1000, 1020))
def test_random_networks_with_soft_reset(seed: int) -> None:
    check_equal(random_net(seed, soft=True, leaky=False), SOFT, seed)


@pytest.mark.parametrize("seed", range(2000, 2200))
def test_many_random_networks(seed: int) -> None:
    check_equal(random_net(seed), HARD, seed)
    check_equal(random_net(seed, soft=True, leaky=False), SOFT, seed)


# --- one thing at a time ---


def test_a_layer_takes_one_timestep() -> None:
    net = Net(5)
    a = net.spike(net.conv(net.input(2, 6, 6), 3, stride=2), 9, name="a")
    b = net.spike(net.dense(net.flat(a), 4), 9, name="b")
    net.output("y", b)
    net.output("count", b, NONE, last=True)
    program = check_equal(net.graph)
    assert kinds(program) == [("a", "spiking", 1), ("b", "spiking", 2)]
    assert (program.steps, program.timesteps) == (7, 5)
    assert [(r.kind, r.first, r.rows, r.shape) for r in program.readouts] == [
        ("spikes", 2, 5, (5, 4)),
        ("count", 2, 5, (4,)),
    ]
    (entry,) = program.inputs
    assert (entry.shape, entry.every, entry.axons) == ((5, 2, 6, 6), 1, 72)
    assert program.models == (NeuronModel(3, 8, 0, -17),)  # the last profile compares with >


def residual() -> Net:
    net = Net(4, 3)
    x = net.input(2, 4, 4)
    a = net.spike(net.conv(x, 2), 5, name="a")
    b = net.spike(net.conv(a, 2), 5, name="b")
    c = net.spike(net.add(net.conv(b, 2), net.add(a, x)), 5, name="c")
    net.output("y", net.spike(net.add(c, a), 2, 0, name="and"))
    return net


def test_what_comes_early_waits_in_relays_that_readers_share() -> None:
    program = check_equal(residual().graph)
    assert kinds(program) == [
        ("x0.relay1", "relay", 1),
        ("x0.relay2", "relay", 2),
        ("a", "spiking", 1),
        ("a.relay1", "relay", 2),
        ("a.relay2", "relay", 3),
        ("b", "spiking", 2),
        ("c", "spiking", 3),
        ("and", "spiking", 4),
    ]
    assert all(p.shape == (2, 4, 4) for p in program.populations)


def test_only_what_is_read_later_has_relays() -> None:
    net = Net(3, 1)
    x = net.input(2, 4, 4, bits=3)
    a = net.spike(net.conv(x, 2, stride=2), 5, name="a")
    net.output("y", net.spike(net.add(a, net.cut(x)), 4, name="b"))
    program = check_equal(net.graph)
    relay = next(p for p in program.populations if p.kind == "relay")
    assert relay.shape == (2 * 2 * 2 * 3,) and program.axons.sources == 2 * 4 * 4 * 3


def test_recurrence_needs_no_relay() -> None:
    net = Net(6, 2)
    state = net.state(5)
    y = net.spike(net.add(net.dense(net.input(7), 5), net.dense(state, 5)), 7, name="y")
    net.graph.close(state, y)
    net.output("y", y)
    assert kinds(check_equal(net.graph)) == [("y", "spiking", 1)]


def test_loops_through_more_layers_are_refused_each_by_name() -> None:
    net = Net(6)
    for number in range(2):
        state = net.state(5)
        a = net.spike(net.add(net.dense(net.input(5), 5), net.dense(state, 5)), 7, name=f"a{number}")
        b = net.spike(net.dense(a, 5), 7, name=f"b{number}")
        net.graph.close(state, b)
        net.output(f"y{number}", b)
    texts = [f"loop %a{n} → %b{n} → %a{n}: a loop through 2 spiking layers takes 2 timesteps" for n in range(2)]
    check_refused(net.graph, *texts)


def test_a_loop_with_a_delay_for_each_layer_is_held() -> None:
    net = Net(6, 4)
    first, second = net.state(5), net.state(5)
    a = net.spike(net.add(net.dense(net.input(5), 5), net.dense(second, 5)), 7, name="a")
    b = net.spike(net.dense(a, 5), 7, name="b")
    net.graph.close(first, b)
    net.graph.close(second, first)
    net.output("y", b)
    assert not [p for p in check_equal(net.graph).populations if p.kind == "relay"]


def test_a_delay_is_a_chain_of_relays() -> None:
    net = Net(6, 5)
    x = net.input(4)
    before = [net.state(4) for _ in range(3)]
    for state, held in zip(before, [x, *before], strict=False):
        net.graph.close(state, held)
    net.output("y", net.spike(net.dense(before[-1], 3), 4, name="y"))
    program = check_equal(net.graph)
    assert [p.kind for p in program.populations] == ["relay", "relay", "relay", "spiking"]
    assert program.readouts[0].first == 1


def test_biases_come_with_every_step_and_no_other() -> None:
    net = Net(4, 6)
    a = net.spike(net.add(net.conv(net.input(1, 3, 3), 2), np.array([3, -2]).reshape(1, 2, 1, 1)), 7, name="a")
    b = net.spike(net.dense(net.flat(a), 3, bias=True), 7, name="b")
    net.output("y", b)
    net.output("v", net.dense(b, 2, bias=True), NONE)
    program = check_equal(net.graph)
    assert [(p.name, p.start, p.stop) for p in program.schedule] == [
        ("a.bias", 0, 3),
        ("b.bias", 1, 4),
        ("v.bias", 2, 5),
    ]


def test_a_bias_of_many_neurons_and_of_more_than_16_bits() -> None:
    net = Net(3, 7)
    wide = net.add(net.conv(net.input(1, 70, 70), 1, 1, pad=0), 70_000)
    net.output("y", net.spike(wide, 140_000, name="y"))
    program = check_equal(net.graph)
    assert program.schedule[0].count == 3 * -(-70 * 70 // TARGETS)


def test_inputs_of_several_bits_zero_points_and_held_ones() -> None:
    net = Net(5, 8)
    x, held = net.input(2, 4, 4, bits=4, scale=0.5, zero=7), net.input(2, 4, 4, bits=8, scale=0.1, held=True)
    net.output("y", net.spike(net.add(net.conv(x, 3), net.conv(held, 3)), 400, name="y"))
    program = check_equal(net.graph)
    assert [(e.shape, e.every, e.repeat, e.first) for e in program.inputs] == [
        ((5, 2, 4, 4), 1, 1, 0),
        ((2, 4, 4), 0, 5, 128),
    ]
    only = Net(4)
    only.output("y", only.spike(only.dense(only.input(6, held=True), 3), 20, name="y"))
    check_equal(only.graph)


def test_scaled_trains_stay_a_rule_of_a_layer() -> None:
    net = Net(3, 9)
    x = net.input(3, 5, 5, bits=2)
    factor = np.array([2, 0, -3]).reshape(1, 3, 1, 1)
    for number, groups in enumerate((1, 3)):
        net.output(f"y{number}", net.spike(net.conv(net.scaled(x, factor), 3, groups=groups), 9, name=f"y{number}"))
    net.output("t", net.spike(net.conv_transpose(net.scaled(x, factor), 2), 9, name="t"))
    net.output("mask", net.spike(net.conv(net.scaled(x, net.rng.integers(-2, 3, (1, 3, 5, 5))), 2), 9, name="m"))
    check_equal(net.graph)


def summed_windows(net: Net, x: Value, kernel: tuple[int, int], stride: tuple[int, int]) -> Value:
    channels = x.type.shape[1]
    weight = net.graph.constant("window", net.rng.integers(1, 4, (channels, 1, *kernel)))
    return net.op(Conv(stride, ((0, 0), (0, 0)), (1, 1), channels), x, weight)


@pytest.mark.parametrize("window", [((2, 2), (2, 2)), ((1, 2), (3, 2)), ((3, 1), (3, 1))])
@pytest.mark.parametrize(
    "conv",
    [
        Conv((1, 1), ((1, 1), (0, 2)), (1, 1)),
        Conv((2, 1), ((0, 0), (1, 0)), (1, 2), 2),
        Conv((1, 2), ((0, 0), (0, 0)), (1, 1)),
    ],
)
def test_pools_that_add_up_merge_with_the_layer_behind(window: Any, conv: Conv, monkeypatch: Any) -> None:
    net = Net(3, 17)
    pooled = summed_windows(net, net.spike(net.conv(net.input(2, 9, 10), 4), 9), *window)
    weight = net.graph.constant("w", net.rng.integers(-5, 6, (6, 4 // conv.groups, 2, 2)))
    net.output("y", net.spike(net.op(conv, pooled, weight), 20))
    check_equal(net.graph, ("sim",))
    monkeypatch.setattr(Fan, "entries", None)  # what lists the synapses of a layer
    lowered(net.graph)


def test_flat_dense_layers_behind_pools_and_factors_are_dense() -> None:
    net = Net(3, 18)
    a = net.spike(net.conv(net.input(2, 7, 6), 3), 9)
    pooled = net.flat(summed_windows(net, a, (2, 2), (2, 2)))
    net.output("y", net.spike(net.dense(pooled, 4), 20))
    net.output("z", net.spike(net.dense(net.flat(net.scaled(a, net.rng.integers(-2, 3, (1, 3, 7, 6)))), 4), 20))
    net.output("overlap", net.spike(net.dense(net.flat(summed_windows(net, a, (3, 3), (2, 2))), 4), 20))
    check_equal(net.graph)


@pytest.mark.parametrize(("kernel", "stride", "pad", "ceil"), [(2, 2, 0, False), (3, 2, 1, False), (3, 2, 0, True)])
def test_pools_are_or(kernel: int, stride: int, pad: int, ceil: bool) -> None:
    net = Net(4, 10)
    a = net.spike(net.conv(net.input(2, 6, 6), 3), 12, name="a")
    net.output("y", net.pool(a, kernel, stride, pad, ceil))
    net.output("twice", net.pool(net.concat(a, a), kernel, stride, pad, ceil))
    net.output("events", net.pool(net.graph.nodes[0].result, kernel, stride, pad, ceil))
    program = check_equal(net.graph)
    assert [p.kind for p in program.populations if p.kind != "relay"] == ["spiking", "or", "or", "or"]


def test_gates() -> None:
    net = Net(8, 11)
    x, y = net.input(6), net.input(6)
    net.output("and", net.spike(net.add(x, y), 2, 0))
    net.output("iand", net.spike(net.add(x, net.scaled(y, -1)), 1, 0))
    net.output("not", net.spike(net.add(net.scaled(y, -1), 1), 1, 0))
    net.output("always", net.spike(x, 0, 0))
    net.output("nor", net.spike(net.add(net.scaled(x, -1), net.scaled(y, -1)), 0, 0))
    program = check_equal(net.graph)
    assert len(program.models) == 2


# --- neuron models ---


def test_models_are_merged_by_value_in_a_fixed_order() -> None:
    net = Net(4, 12)
    x = net.input(4, 3, 3)
    channels = (1, 4, 1, 1)
    for threshold, leak in ((5, NONE), (np.array([7, 5, 7, 6]).reshape(channels), NONE), (5, 3), (5, 0)):
        net.output(f"y{len(net.graph.outputs)}", net.spike(net.conv(x, 4), threshold, leak))
    leaks = np.array([1, 63, NONE, 0]).reshape(channels)
    net.output("y4", net.spike(net.conv(x, 4), 5, leaks))
    check_equal(net.graph)
    found = {profile: lowered(net.graph, profile).models for profile in HARD}
    assert found["sim"] == tuple(
        NeuronModel(code, theta, leak, -16)
        for code, theta, leak in ((0, 5, 0), (2, 5, 1), (2, 5, 3), (2, 5, 62), (2, 5, 64), (2, 6, 64), (2, 7, 64))
    )
    assert found["hw2024"] == tuple(
        NeuronModel(code, theta, leak, -17)
        for code, theta, leak in ((0, 4, 0), (2, 4, 1), (2, 4, 3), (2, 4, 62), (3, 4, 0), (3, 5, 0), (3, 6, 0))
    )


def test_more_models_than_a_program_holds() -> None:
    net = Net(2)
    net.output("y", net.spike(net.dense(net.input(4), 300), np.arange(1, 301).reshape(1, 300)))
    check_refused(net.graph, "300 neuron models", code="C005")


def soft_net(recurrent: bool) -> Net:
    net = Net(8, 13)
    drive = net.dense(net.input(6), 5, low=0)
    state = net.state(5)
    y = net.spike(net.add(drive, net.dense(state, 5)) if recurrent else drive, 11, soft=True, name="y")
    net.graph.close(state, y)
    net.output("y", y)
    return net


@pytest.mark.parametrize("recurrent", [False, True])
def test_soft_reset_is_exact_with_a_synapse_to_itself(recurrent: bool) -> None:
    graph = soft_net(recurrent).graph
    program = check_equal(graph, SOFT)
    assert program.models == (NeuronModel(3, 10, 0, -17, True),)
    table = program.neurons
    own = [
        int(table.weight[i])
        for n in range(5)
        for i in range(table.indptr[n], table.indptr[n + 1])
        if table.target[i] == n
    ]
    weights = next(n for n in graph.nodes if n.op.mnemonic == "dense" and n.x in graph.feedback) if recurrent else None
    diagonal = np.diag(weights.operands[1].data) if weights else np.zeros(5, np.int64)
    assert own == [w - 1 for w in diagonal.tolist() if w != 1]


def test_soft_reset_needs_a_profile_that_has_it() -> None:
    for profile in HARD:
        check_refused(soft_net(False).graph, "keep V − threshold", profile=profile)


def test_leaks_where_a_potential_gets_negative() -> None:
    net = Net(9, 14)
    for number, low in enumerate((0, -9, -9)):
        net.output(f"y{number}", net.spike(net.dense(net.input(8), 4, low=low), 7, NONE if number == 2 else 3))
    check_equal(net.graph)
    for profile in SOFT:
        check_refused(net.graph, "%spike.2 under profile", profile=profile)
    net = Net(9, 14)
    net.output("y", net.spike(net.dense(net.input(8), 4, low=0), 90, 3))
    net.output("v", net.dense(net.input(8), 4, low=0), 3)
    check_equal(net.graph, (*HARD, *SOFT))


def test_potentials_that_may_leave_their_width() -> None:
    net = Net(2000)
    big = net.scaled(net.input(2, 8, 8), 32_000)
    net.output("v", net.conv(big, 1, 8, 1, 0, large=1), NONE, last=True)
    assert lowered(net.graph).timesteps == 2000
    check_refused(net.graph, "%v may reach", profile="hw_l6", code="C003")


def test_weights_that_exceed_int16() -> None:
    net = Net(3)
    net.output("y", net.spike(net.scaled(net.input(4, bits=3), 9000), 7))
    check_refused(net.graph, "4 synapses into %spike exceed int16", code="C002")


# --- outputs ---


def test_every_kind_of_output() -> None:
    net = Net(5, 15)
    x = net.input(3, 4, 4, bits=2, zero=1)
    a = net.spike(net.conv(x, 3), 6, name="a")
    sums = net.dense(net.flat(a), 4, bias=True)
    net.output("spikes", a)
    net.output("spikes.last", a, last=True)
    net.output("spikes.count", a, NONE, last=True)
    net.output("spikes.so_far", a, NONE)
    net.output("spikes.mean", a, mean=True)
    net.output("sums", sums)
    net.output("sums.last", sums, last=True)
    net.output("sums.total", sums, NONE, last=True)
    net.output("sums.so_far", sums, NONE)
    net.output("sums.leaky", sums, 2)
    net.output("sums.leaky_last", sums, 2, last=True)
    net.output("sums.mean", sums, mean=True)
    net.output("sums.leaky_mean", sums, 2, mean=True)
    net.output("sums.mixed", sums, np.array([[0, 1, 3, NONE]]))
    net.output("input", x)
    net.output("residual", net.add(a, x))
    net.output("moved", net.swapped(a))
    program = check_equal(net.graph)
    assert {r.name: (r.kind, r.first, r.mean) for r in program.readouts} == {
        "spikes": ("spikes", 1, False),
        "spikes.last": ("potential", 1, False),
        "spikes.count": ("count", 1, False),
        "spikes.so_far": ("potentials", 1, False),
        "spikes.mean": ("count", 1, True),
        "sums": ("potentials", 1, False),
        "sums.last": ("potential", 1, False),
        "sums.total": ("potential", 1, False),
        "sums.so_far": ("potentials", 1, False),
        "sums.leaky": ("potentials", 1, False),
        "sums.leaky_last": ("potential", 1, False),
        "sums.mean": ("potential", 1, True),
        "sums.leaky_mean": ("potentials", 1, True),
        "sums.mixed": ("potentials", 1, False),
        "input": ("potentials", 0, False),
        "residual": ("potentials", 1, False),
        "moved": ("spikes", 1, False),
    }
    names = [p.name for p in program.populations if p.kind == "readout"]
    assert {"sums", "sums.total", "sums.leaky"} <= set(names)  # what shows the same potential is there once
    assert not {"sums.last", "sums.so_far", "sums.mean", "sums.leaky_last"} & set(names)


def test_outputs_of_different_depth_and_of_trains_that_end_apart() -> None:
    net = Net(4, 16)
    a = net.spike(net.conv(net.input(2, 4, 4), 2), 6, name="a")
    b = net.spike(net.conv(a, 2), 6, name="b")
    net.output("a", a)
    net.output("b", b)
    net.output("both", net.concat(a, b))
    program = check_equal(net.graph)
    assert [(r.kind, r.first) for r in program.readouts] == [("spikes", 1), ("spikes", 2), ("spikes", 2)]
    assert kinds(program) == [("a", "spiking", 1), ("a.relay1", "relay", 2), ("b", "spiking", 2)]


def test_an_output_that_is_a_constant() -> None:
    net = Net(3)
    net.output("y", net.scaled(net.input(4), 0))
    net.output("z", net.add(net.scaled(net.input(4), 0), np.arange(-1, 3).reshape(1, 4)))
    check_equal(net.graph)


# --- what is refused ---


def test_all_problems_are_told_at_once() -> None:
    net = Net(4)
    x = net.input(2, 4, 4, bits=2, zero=1)
    held = net.state(2, 4, 4)
    net.graph.close(held, x)
    endless = net.state(2, 4, 4)
    net.graph.close(endless, net.add(endless, net.input(2, 4, 4)))
    net.output("delayed", net.spike(held, 3, name="d"))
    net.output("endless", net.spike(endless, 3, name="e"))
    net.output("pool", net.pool(x))
    unary = net.op(Unary(3), x, net.graph.constant("r", np.int64(1)))
    net.output("unary", net.spike(unary, 3))
    net.graph.outputs["bare"] = net.graph.nodes[1].result
    net.graph.timing["bare"] = net.graph.timing["delayed"]
    found = refused(net.graph)
    assert [code for code, _ in found] == ["C001"] * 5, found
    for text in ("constant part", "a sum over time", "max_pool reads", "the result of unary", "output 'bare'"):
        assert any(text in what for _, what in found), (text, found)


def test_a_mean_for_each_step_is_refused() -> None:
    net = Net(4)
    a = net.spike(net.input(3), 1)
    net.output("y", a, mean=True)
    net.graph.timing["y"] = net.graph.timing["x0"]
    check_refused(net.graph, "output 'y'")


def test_thresholds_that_fire_before_any_input() -> None:
    net = Net(4)
    net.output("y", net.spike(net.input(3), np.array([[1, 0, -2]]), NONE, name="y"))
    check_refused(net.graph, "a threshold of -2")


def test_times_that_are_no_steps() -> None:
    net = Net(4)
    net.output("y", net.spike(net.input(3), 2))
    net.output("z", net.spike(net.input(3), 2), last=True)
    net.graph.timing["x0"] = type(net.graph.timing["x0"])(0, length=2, axis=1)
    found = refused(net.graph)
    assert [code for code, _ in found] == ["C001"] and "'x0'" in found[0][1]


def test_the_target_lowers_frame_graphs() -> None:
    graph = residual().graph
    program = CriTarget().lower(graph, CriOptions(profile="hw2024"), Context(), {"nmc": "test"})
    assert program.timesteps == 4 and program.provenance == {"nmc": "test"}
    assert Session(program).run(np.zeros((1, 4, 2, 4, 4))).outputs["y"].shape == (1, 4, 2, 4, 4)
    assert isinstance(graph.nodes[-1].op, Dequantize)


# --- size ---


@pytest.mark.parametrize(("kernel", "neurons", "synapses"), [(5, 109_615, 53_000_000), (3, 123_715, 26_000_000)])
def test_the_size_of_the_machine_s_demonstration(kernel: int, neurons: int, synapses: int) -> None:
    """Three convolutions of 100 channels, stride 2, and three dense layers; some random weights are 0. Lowering takes
    little more memory than the table, which has 6 bytes a synapse."""
    net = Net(10, 1)
    x = net.input(2, 63, 63)
    for _ in range(3):
        x = net.spike(net.conv(x, 100, kernel, 2, 0, large=20_000 // kernel**2), 32767)
    for out in (120, 84, 11):
        x = net.spike(net.dense(net.flat(x), out), 32767)
    net.output("y", x)
    tracemalloc.start()
    try:
        program = SpikingLowering(net.graph, PROFILES["hw2024"]).run({})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    made = program.axons.synapses + program.neurons.synapses
    assert (len(program.neuron_model), program.axons.sources, program.steps) == (neurons, 7938, 16)
    assert made > synapses
    assert peak < 1.5 * 6 * made

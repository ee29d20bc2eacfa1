"""What spiking neurons of the CRI machine cannot hold: refused by name, all of it at once, exit code 3."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from dyadic_nets import STEPS, Net

from ir_text import graph_of
from nmc.backends.cri.spiking_quantize import QuantizeSpiking
from nmc.backends.cri.target import CriOptions, CriTarget
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, Timing
from nmc.compiler.ir.ops import (
    Activation,
    Add,
    AvgPool,
    Concat,
    Conv,
    Li,
    Lif,
    MaxPool,
    Mul,
    Relu,
    RunningMean,
)
from nmc.compiler.ir.types import TensorType
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.pipeline import parse_pipeline

POOL = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))


def refusal(graph: Graph, **options: object) -> NmcError:
    """What the pipeline says to the graph."""
    with pytest.raises(NmcError) as caught:
        Manager().run(graph.copy(), CriTarget().pipeline(CriOptions(**options), "spiking"), Context())
    return caught.value


def out(net: Net, value: object) -> None:
    net.output("y", value)  # type: ignore[arg-type]


def neuron(net: Net, op: Lif, *parameters: float | None) -> None:
    values = [None if p is None else net.constant(p) for p in parameters]
    out(net, net.add(op, net.conv(net.x, 4), *values))


def recurrent(net: Net, carries_sum: bool) -> None:
    state = net.graph.add_state("before", TensorType((1, 4, 6, 6), "f32", "NCHW"))
    total = net.add(Add(), net.conv(net.x, 4), state)
    spikes = net.lif(total)
    net.graph.close(state, total if carries_sum else spikes)
    out(net, spikes)


def biased_loop(net: Net) -> None:
    state = net.graph.add_state("before", TensorType((1, 4, 6, 6), "f32", "NCHW"))
    spikes = net.lif(net.add(Add(), net.conv(net.x, 4), state))
    net.graph.close(state, net.conv(spikes, 4))
    out(net, spikes)


def mixed_state(net: Net) -> None:
    state = net.graph.add_state("before", TensorType((1, 4, 6, 6), "f32", "NCHW"))
    levels = net.graph.add_input("levels", TensorType((1, 2, 6, 6), "f32", "NCHW"))
    net.graph.timing["levels"] = Timing(0, length=STEPS, axis=1)
    net.graph.close(state, net.add(Concat(1), levels, net.lif(net.conv(net.x, 2))))
    out(net, net.lif(net.conv(state, 4)))


def spikes_of(net: Net) -> object:
    return net.lif(net.conv(net.x, 4))


CASES: dict[str, tuple[Callable[[Net], None], str]] = {
    "relu": (lambda net: out(net, net.lif(net.conv(net.add(Relu(), net.conv(net.x, 4)), 4))), "relu has no place"),
    "silu": (lambda net: out(net, net.lif(net.add(Activation("silu"), net.conv(net.x, 4)))), "silu has no place"),
    "max_pool of potentials": (
        lambda net: out(net, net.lif(net.add(MaxPool(*POOL), net.conv(net.x, 4)))),
        "put the neurons before the max pool",
    ),
    "max_pool of sums": (
        lambda net: out(net, net.dense(net.add(MaxPool(*POOL), net.add(Add(), spikes_of(net), spikes_of(net))), 4)),
        "not single spikes",
    ),
    "product of sums": (
        lambda net: out(net, net.add(Mul(), net.add(Add(), spikes_of(net), spikes_of(net)), spikes_of(net))),
        "multiplies values that are not single spikes",
    ),
    "layer behind layer": (lambda net: out(net, net.lif(net.conv(net.conv(net.x, 4), 4))), "does not travel"),
    "no reset": (lambda net: neuron(net, Lif("none"), 1, 1), "do not reset it"),
    "soft reset": (lambda net: neuron(net, Lif("subtract"), 1, 1), "profile hw_l6"),
    "late reset": (lambda net: neuron(net, Lif(delayed=True), 1, 1), "one step late"),
    "start": (lambda net: neuron(net, Lif(), 1, 1, None, None, None, 0.5), "start at another value"),
    "start at 0 beside v_reset": (lambda net: neuron(net, Lif(), 1, 1, None, None, 0.5), "start at another value"),
    "threshold": (lambda net: neuron(net, Lif(), 1, 0.25, None, None, 0.25, 0.25), "fire at rest"),
    "gain": (lambda net: neuron(net, Lif(), 1, 1, 0.0), "gain of 0"),
    "decay": (lambda net: neuron(net, Lif(), 1.5, 1), "no leak"),
    "second state": (
        lambda net: out(net, net.lif(net.add(Li(), net.conv(net.x, 4), net.constant(0.5)))),
        "a second state",
    ),
    "integrator that starts": (
        lambda net: out(net, net.add(Li(), net.conv(net.x, 4), *map(net.constant, (0.5, 1.0, 0.0, 1.0)))),
        "start at another value",
    ),
    "mean inside": (
        lambda net: out(net, net.lif(net.add(RunningMean(), net.conv(net.x, 4)))),
        "before time is over",
    ),
    "mean that leaves out steps": (
        lambda net: out(net, net.add(RunningMean(start=2), net.conv(net.x, 4))),
        "leaves out timesteps",
    ),
    "mean of an integrator": (
        lambda net: out(net, net.add(RunningMean(), net.add(Li(), net.conv(net.x, 4), net.constant(0.5)))),
        "second",
    ),
    "loop without neurons": (lambda net: recurrent(net, True), "no train of spikes"),
    "bias in a loop": (biased_loop, "no train of spikes"),
    "state of mixed units": (mixed_state, "several units"),
    "border of an average": (
        lambda net: out(net, net.lif(net.add(AvgPool((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), net.x))),
        "fewer elements",
    ),
    "constant output": (lambda net: out(net, net.constant([[1.0]])), "does not depend on the input"),
    "constant neuron": (
        lambda net: out(net, net.add(Lif(), net.graph.constant("k", np.ones((1, 3), np.float32), "NC"), *ones(net))),
        "does not depend on the input",
    ),
}


def ones(net: Net) -> list[object]:
    return [net.constant(1.0), net.constant(1.0)]


@pytest.mark.parametrize("case", CASES)
def test_refused_by_name(case: str) -> None:
    build, why = CASES[case]
    net = Net(0)
    build(net)
    if case == "state of mixed units":
        samples = {"x": np.ones((1, STEPS, 2, 6, 6)), "levels": np.full((1, STEPS, 2, 6, 6), 0.5)}
        with pytest.raises(NmcError) as caught:
            context = Context(samples)
            Manager().run(net.graph, CriTarget().pipeline(CriOptions(), "spiking"), context)
        error = caught.value
    else:
        error = refusal(net.graph)
    assert error.exit_code == 3 and why in str(error)
    assert [d.code for d in error.diagnostics] == ["NMC-C001"]
    assert error.diagnostics[0].what.startswith("target 'cri' cannot hold %")


def test_outputs_must_be_spikes_where_the_board_returns_nothing_else() -> None:
    net = Net(1)
    spikes = net.lif(net.conv(net.x, 4))
    net.output("spikes", spikes)
    Manager().run(net.graph.copy(), CriTarget().pipeline(CriOptions(readout="count"), "spiking"), Context())
    net.output("sums", net.dense(spikes, 3))
    assert "no train of spikes" in str(refusal(net.graph, readout="count"))


def test_all_refusals_come_at_once() -> None:
    net = Net(2)
    a = net.add(Lif("none"), net.conv(net.x, 4), *ones(net))
    b = net.add(Relu(), net.conv(a, 4))
    c = net.add(Mul(), net.conv(a, 4), net.conv(net.x, 4))
    d = net.add(Lif(delayed=True), net.add(Add(), b, c), *ones(net))
    out(net, net.lif(net.conv(d, 4)))
    error = refusal(net.graph)
    assert [d.where for d in error.diagnostics] == [f"net.{v.name[1:]}" for v in (a, b, c, d)]
    assert error.exit_code == 3


OPTIONS = {
    "weight_bits must be 2 to 16": {"weight_bits": 17},
    "input_bits must be 1": {"input_bits": 0},
    "input_bits must be 1 to 8": {"input_bits": 9},
    "leak must be nearest or exact": {"leak": "round"},
}


@pytest.mark.parametrize("message", OPTIONS)
def test_options_out_of_range(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CriOptions(**OPTIONS[message])


@pytest.mark.parametrize("text", ["timesteps=-1", "leak=round", "readout=guess", "weight_bits=1", "input_bits=9"])
def test_options_of_the_pass_out_of_range(text: str) -> None:
    with pytest.raises(NmcError, match="NMC-P001") as caught:
        parse_pipeline(f"quantize-spiking{{{text}}}", CriTarget.passes)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("spiking", {"ranges": "minmax"}),
        ("image", {"input_bits": 4}),
        ("image", {"leak": "exact"}),
        ("image", {"weight_bits": 16}),
    ],
)
def test_options_of_the_other_kind_of_network(kind: str, options: dict[str, object]) -> None:
    with pytest.raises(NmcError, match="NMC-T002") as caught:
        CriTarget().pipeline(CriOptions(**options), kind)
    assert caught.value.exit_code == 2


def test_other_timesteps_need_trains_that_can_be_stretched() -> None:
    body = f"""
    input %x: f32[1,2]NC at {{offset=0, length={STEPS}, axis=1}}
    %y = lif(%x, @one, @one)
    output "y" = %y at {{offset=0, stride=2, length=3, axis=1}}
    """
    graph = graph_of(body, {"one": np.array(1, np.float32)}, "terms")
    with pytest.raises(NmcError, match="NMC-T002") as caught:
        QuantizeSpiking(timesteps=3).run(graph, Context())
    assert caught.value.exit_code == 2


def test_windows_larger_than_int16_are_not_made() -> None:
    net = Net(3)
    wide = net.add(AvgPool((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)), net.lif(net.conv(net.x, 4)))
    out(net, net.lif(net.add(Conv.plain(2), wide, net.constant(net.numbers(4, 4, 3, 3) + 0.3))))
    Manager().run(net.graph, CriTarget().pipeline(CriOptions(), "spiking"), Context())
    weights = [n.operands[1].data for n in net.graph.nodes if isinstance(n.op, Conv) and n.op.groups == 1]
    assert np.abs(weights[-1].astype(int)).max() * 9 <= 32767

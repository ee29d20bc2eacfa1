"""Metamorphic relations of spiking networks: what must stay, or change in a known way, with the network or its input.

Networks are those of dyadic_nets, whose numbers are multiples of 1/16, so that quantization loses nothing and the
relations are exact. A relation changes the float network, both are compiled, and spikes and sums are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from dyadic_nets import STEPS, Net, random_net

from nmc.backends.cri.target import PROFILES
from nmc.compiler import compile_model
from nmc.compiler.ir import Graph, Node, Value, print_graph
from nmc.compiler.ir.ops import Add, Concat, Conv, Dense, Lif, Mul, Slice
from nmc.runtime import Session
from nmc.runtime.encode import codes, step_axons
from nmc.runtime.program.cri import CriProgram
from nmc.runtime.result import Result

from .agreement import assert_same
from .drawn import Array, Drawn
from .extremes import events

SAMPLES = 3
FACTORS = (2.0, 0.5, 3.0, 0.375, 1024.0)
DELAYS = (1, 2, 5)


class Quiet(Net):
    """Networks that do nothing without input: no biases, no offsets, no rest but 0."""

    def conv(self, x: Value, channels: int, bias: bool = True) -> Value:
        return super().conv(x, channels, bias=False)

    def rest(self, op: Lif) -> float:
        return 0.0

    def scaled(self, x: Value) -> Value:
        return self.add(Mul(), x, self.constant(self.rng.choice([0.5, -0.5, 1.0], (1, x.type.shape[1], 1, 1))))


class CriRelation:
    """A random network, one relation, and what is fed."""

    def __init__(self, rng: Drawn, name: str = ""):
        self.name = name or rng.pick(list(RELATIONS))
        self.graph = random_net(rng, Quiet if self.name == "delay" else Net)
        self.feeds = {"x": events(rng, SAMPLES, STEPS, *self.graph.inputs[0].type.shape[1:])}
        self.rng = rng

    def text(self) -> str:
        return f"# relation {self.name}\n{print_graph(self.graph)}"

    def check(self) -> list[str]:
        program = compile_model(self.graph, "cri")
        RELATIONS[self.name](self, program, Session(program, "reference").run(self.feeds, trace=True))
        return []


def ran(graph: Graph, feeds: Mapping[str, Array], profile: str = "sim") -> Result:
    return Session(compile_model(graph, "cri", profile=profile), "reference").run(feeds, trace=True)


def neurons(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if isinstance(node.op, Lif)]


def assert_equal(wanted: Result, found: Result, but: str = "") -> None:
    """All outputs, and the spikes of all layers but one and its relays."""
    for name, values in wanted.integers.items():
        np.testing.assert_array_equal(found.integers[name], values, err_msg=name)
        np.testing.assert_array_equal(found.outputs[name], wanted.outputs[name], err_msg=name)
    for name, values in wanted.trace.items():
        if not but or name.split(".")[0] != but:
            np.testing.assert_array_equal(found.trace[name], values, err_msg=name)


# --- the relations ---


def scale(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """Inputs, offsets, rests and thresholds of some layers times k: the same spikes."""
    graph = case.graph.copy()
    for node in neurons(graph):
        if case.rng.random() < 0.7:
            k = case.rng.pick(FACTORS)
            x, decay, threshold, gain, *others = node.operands
            scaled = graph.add(Mul(), x, graph.constant("k", np.float32(k)), name=f"{node.result.name}.k", before=node)
            numbers = [v and graph.constant("k", (k * v.data).astype(np.float32)) for v in (threshold, *others)]
            graph.rewrite(node, node.op, scaled, decay, numbers[0], gain, *numbers[1:])
    assert_equal(wanted, ran(graph, case.feeds))


def permute(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """The neurons of a layer in another order, put back behind it: its spikes in that order, all others the same."""
    graph = case.graph.copy()
    node = case.rng.pick(neurons(graph))
    order = np.random.Generator.permutation(case.rng, node.result.type.shape[1])
    x = _permuted(graph, node.x, order, node)
    name = node.result.name
    mixed = graph.add(node.op, x, *node.operands[1:], name=f"{name}.mixed", before=node)
    rows = []
    for channel in np.argsort(order):
        cut = [(0, n, 1) for n in mixed.type.shape]
        cut[1] = (int(channel), int(channel) + 1, 1)
        rows.append(graph.add(Slice(tuple(cut)), mixed, name=f"{name}.row", before=node))
    graph.replace(node, graph.add(Concat(1), *rows, name=f"{name}.back", before=node))
    found = ran(graph, case.feeds)
    assert_equal(wanted, found, but=name)
    np.testing.assert_array_equal(found.trace[f"{name}.mixed"], wanted.trace[name][:, :, order])


def _permuted(graph: Graph, value: Value, order: Array, before: Node) -> Value:
    """The sums that a layer reads with its channels in that order: weights, biases and factors are."""

    def constant(data: Array, axis: int) -> Value:
        return graph.constant("mixed", np.take(data, order, axis) if data.shape[axis] == len(order) else data)

    node = value.producer
    assert node is not None
    if isinstance(node.op, Conv | Dense):
        parts = [v and constant(v.data, 0) for v in node.operands[1:]]
        return graph.add(node.op, node.x, *parts, name=f"{value.name}.mixed", before=before)
    assert isinstance(node.op, Add | Mul)
    operands = [
        constant(v.data, 1) if v.is_constant else _permuted(graph, v, order, before) for v in node.operands if v
    ]
    return graph.add(node.op, *operands, name=f"{value.name}.mixed", before=before)


def split(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """The timesteps in two runs, potentials carried from one machine to another: the same spikes and potentials."""
    given = {entry.name: codes(entry, case.feeds[entry.name])[0] for entry in program.inputs}

    def steps(session: Any, first: int, stop: int) -> list[Array]:
        fired = []
        for step in range(first, stop):
            axons = np.zeros((SAMPLES, program.axons.sources), np.bool_)
            step_axons(program, step, given, axons)
            fired.append(session.step(axons))
        return fired

    cut = case.rng.integers(1, program.steps)
    for engine in ("reference", "fast"):
        whole, before, after = (Session(program, engine) for _ in range(3))
        expected = steps(whole, 0, program.steps)
        found = steps(before, 0, cut)
        after.step(np.zeros((SAMPLES, program.axons.sources), np.bool_))
        after.machine.potentials = before.machine.potentials
        found += steps(after, cut, program.steps)
        np.testing.assert_array_equal(np.stack(found), np.stack(expected))
        np.testing.assert_array_equal(after.machine.potentials, whole.machine.potentials)


def batch(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """Samples in another order, one by one or together: their results in that order, the same counters."""
    turned = {name: values[::-1] for name, values in case.feeds.items()}
    session = Session(program, "reference")
    assert_same(wanted, session.run(case.feeds, trace=True, batch=1), "samples one by one")
    found = session.run(turned, trace=True, batch=2)
    assert found.counters == wanted.counters
    for ours, theirs in ((wanted.integers, found.integers), (wanted.trace, found.trace)):
        for name in ours:
            np.testing.assert_array_equal(theirs[name][::-1], ours[name], err_msg=name)


def delay(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """Silence for d steps in front of the input: silence for d steps, then the same."""
    d = case.rng.pick(DELAYS)
    x = case.feeds["x"]
    late = np.concatenate([np.zeros((SAMPLES, d, *x.shape[2:])), x], axis=1)
    found = Session(program, "reference").run({"x": late}, trace=True)
    for ours, theirs in ((wanted.integers, found.integers), (wanted.trace, found.trace)):
        for name, values in ours.items():
            timed = theirs[name].shape != values.shape
            assert not timed or not theirs[name][:, :d].any(), f"{name} is not silent"
            np.testing.assert_array_equal(theirs[name][:, d:] if timed else theirs[name], values, err_msg=name)


def bystander(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """One more layer that nothing but an output of its own reads: all that was there stays."""
    graph = case.graph.copy()
    node = case.rng.pick(neurons(graph))
    weight = graph.constant("own", np.ones((2, node.result.type.shape[1], *(3,) * (node.result.type.rank - 2))))
    op = Dense() if node.result.type.rank == 2 else Conv((1, 1), ((1, 1), (1, 1)), (1, 1))
    number = [graph.constant("own", np.float32(n)) for n in (1.0, 2.0)]
    own = graph.add(op, node.result, graph.constant("own", weight.data.astype(np.float32)), name="own.sum")
    graph.outputs["own"] = graph.add(Lif(), own, *number, name="own")
    graph.timing["own"] = graph.timing["x"]
    assert_equal(wanted, ran(graph, case.feeds))


def profile(case: CriRelation, program: CriProgram, wanted: Result) -> None:
    """Without leaks the builds of the machine do the same."""
    graph = case.graph.copy()
    for node in neurons(graph):
        operands = list(node.operands)
        operands[1] = graph.constant("one", np.float32(1))
        graph.rewrite(node, node.op, *operands)
    results = [ran(graph, case.feeds, name) for name in PROFILES]
    for found in results[1:]:
        assert_equal(results[0], found)


RELATIONS: dict[str, Callable[[CriRelation, CriProgram, Result], None]] = {
    made.__name__: made for made in (scale, permute, split, batch, delay, bystander, profile)
}

"""The unary code is exact: random integer networks run as spikes under every profile.

The networks have what the code has to get right: bit-plane inputs with a zero point, windows that end together, max
pooling as OR one timestep later, branches that arrive in an earlier window of the same hold, steps r of every size.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.backends.cri.lower import Lowering
from nmc.backends.cri.target import PROFILES
from nmc.compiler.ir import Graph, TensorType, Value, evaluate, trace
from nmc.compiler.ir.ops import Add, Concat, Conv, Dense, Dequantize, MaxPool, Mul, Quantize, Reshape, Unary
from nmc.compiler.ir.stages import verify
from nmc.runtime import Session
from nmc.runtime.reference.cri import CriMachine


class Net:
    """Builds a random graph in stage `quantized`."""

    def __init__(self, seed: int, levels: int):
        self.rng, self.levels = np.random.default_rng(seed), levels
        self.graph = Graph("random", "quantized")
        self.blocks = 0

    def image(self, channels: int, size: int, zero_point: int) -> Value:
        x = self.graph.add_input("x", TensorType((1, channels, size, size), "f32", "NCHW"))
        return self.graph.add(Quantize(0.5, zero_point, 8), x, name="x.code")

    def conv(self, x: Value, out: int, largest: int = 127) -> Value:
        weight = self.rng.integers(-largest, largest + 1, (out, x.type.shape[1], 3, 3)).astype(np.int16)
        bias = self.rng.integers(-5000, 5001, out)
        name = self._name("conv")
        w, b = self.graph.constant(f"{name}.w", weight), self.graph.constant(f"{name}.b", bias)
        return self.graph.add(Conv((1, 1), ((1, 1), (1, 1)), (1, 1)), x, w, b, name=name)

    def unary(self, v: Value, largest_r: int) -> Value:
        r = np.maximum(1, self.rng.integers(1, largest_r + 1, (1, v.type.shape[1], 1, 1)))
        name = self._name("unary")
        return self.graph.add(Unary(self.levels), v, self.graph.constant(f"{name}.r", r), name=name)

    def pool(self, n: Value) -> Value:
        op = MaxPool((2, 2), (2, 2), ((0, 1), (1, 0)), (1, 1))
        return self.graph.add(op, n, name=self._name("pool"))

    def residual(self, v: Value, n: Value) -> Value:
        unit = self.graph.constant(self._name("unit"), self.rng.integers(1, 300, (1, n.type.shape[1], 1, 1)))
        scaled = self.graph.add(Mul(), n, unit, name=self._name("scaled"))
        return self.graph.add(Add(), v, scaled, name=self._name("sum"))

    def output(self, x: Value, outputs: int) -> Graph:
        flat = self.graph.add(Reshape((1, x.type.elements), "NC"), x, name="flat")
        weight = self.graph.constant("fc.w", self.rng.integers(-127, 128, (outputs, x.type.elements)).astype(np.int8))
        logits = self.graph.add(Dense(), flat, weight, name="fc")
        scale = self.graph.constant("scale", self.rng.uniform(0.1, 2.0, (1, outputs)))
        self.graph.outputs["y"] = self.graph.add(Dequantize(), logits, scale, name="y.float")
        verify(self.graph)
        return self.graph

    def _name(self, kind: str) -> str:
        self.blocks += 1
        return f"{kind}{self.blocks}"


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    net = Net(draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 9)))
    largest_r = draw(st.sampled_from([1, 3, 200, 3000, 40_000, 200_000]))
    x = net.image(draw(st.integers(1, 2)), draw(st.integers(3, 5)), draw(st.integers(0, 255)))
    n = net.unary(net.conv(x, 3), largest_r)
    for kind in draw(st.lists(st.sampled_from(["conv", "pool", "residual", "concat"]), min_size=1, max_size=4)):
        if kind == "pool":
            n = net.pool(n)
        elif kind == "conv":
            n = net.unary(net.conv(n, 3), largest_r)
        elif kind == "concat":
            n = net.graph.add(Concat(1), n, net.unary(net.conv(n, 2), largest_r), name=net._name("concat"))
        else:
            inner = net.unary(net.conv(n, 3), largest_r)
            n = net.unary(net.residual(net.conv(inner, n.type.shape[1]), n), largest_r)
    return net.output(n, draw(st.integers(1, 4)))


def images(graph: Graph, samples: int) -> np.ndarray:
    """Random codes, with all-lowest and all-highest ones among them."""
    op = graph.nodes[0].op
    assert isinstance(op, Quantize)
    codes = np.random.default_rng(0).integers(0, 256, (samples, *graph.inputs[0].type.shape[1:]))
    codes[0], codes[1] = 0, 255
    return (codes - op.zero_point) * op.scale


@pytest.mark.slow
@settings(max_examples=60)
@given(networks())
def test_spike_counts_and_outputs_equal_the_integer_network(graph: Graph) -> None:
    x = images(graph, 4)
    expected = trace(graph, {"x": x})
    reference = None
    for profile in PROFILES.values():
        program = Lowering(graph, profile).run({})
        result = Session(program).run(x, trace=True)
        for population in program.populations:
            if population.kind != "readout":
                np.testing.assert_array_equal(result.trace[population.name], expected[population.name])
        np.testing.assert_array_equal(result.integers["y"], expected["fc"])
        np.testing.assert_array_equal(result.outputs["y"], evaluate(graph, {"x": x})["y"].astype(np.float32))
        assert result.counters["out_of_range"] == 0
        reference = reference or program
        assert program.steps == reference.steps
        assert np.array_equal(program.neurons.weight, reference.neurons.weight)


@settings(max_examples=15)
@given(networks())
def test_trains_end_together_and_potentials_are_positive_only_before_a_spike(graph: Graph) -> None:
    program = Lowering(graph, PROFILES["sim"]).run({})
    machine = CriMachine.of(program, 1)
    x = images(graph, 2)[1:]
    counts = Session(program).run(x, trace=True).trace
    entry = program.inputs[0]
    code = np.rint(x / entry.scale).astype(int) + entry.zero_point
    raster = []
    for step in range(program.steps):
        axons = np.zeros((1, program.axons.sources), bool)
        for phase in program.schedule:
            axons[:, phase.first : phase.first + phase.count] |= phase.start <= step <= phase.stop
        if step == 0:
            axons[:, : entry.axons] = ((code.reshape(1, -1, 1) >> np.arange(8)) & 1).reshape(1, -1)
        before = machine.potentials > 0
        raster.append(machine.step(axons)[0])
        np.testing.assert_array_equal(before[0], raster[-1])
    for population in program.populations:
        if population.kind == "unary":
            fired = np.array(raster)[
                population.window[0] : population.window[1] + 1, population.first : population.stop
            ]
            count = counts[population.name].reshape(-1)
            late = np.arange(population.levels)[:, None] >= population.levels - count
            np.testing.assert_array_equal(fired, late)


@pytest.mark.parametrize("largest_r", [32_767, 32_768, 70_000])
def test_large_steps_use_several_ramp_axons(largest_r: int) -> None:
    net = Net(0, 3)
    graph = net.output(net.unary(net.conv(net.image(1, 3, 0), 2), 1), 2)
    ramp = next(value for value in graph.constants() if value.name.endswith(".r"))
    ramp._data = np.full(ramp.type.shape, largest_r)
    program = Lowering(graph, PROFILES["sim"]).run({})
    phase = next(phase for phase in program.schedule if phase.name.endswith(".ramp"))
    assert phase.count == -(-largest_r // 32_767)
    x = images(graph, 8)
    np.testing.assert_array_equal(Session(program).run(x).integers["y"], trace(graph, {"x": x})["fc"])


def test_a_dead_layer_with_constant_activity_is_still_exact() -> None:
    net = Net(0, 5)
    conv = net.conv(net.image(1, 3, 7), 2)
    conv.producer.operands[1]._data = np.zeros(conv.producer.operands[1].type.shape, np.int16)
    conv.producer.operands[2]._data = np.array([-3, 40])
    graph = net.output(net.unary(conv, 20), 2)
    program = Lowering(graph, PROFILES["hw2024"]).run({})
    x = images(graph, 3)
    result = Session(program).run(x, trace=True)
    np.testing.assert_array_equal(result.integers["y"], trace(graph, {"x": x})["fc"])
    assert program.axons.synapses > 0 and result.trace["unary2"].max() > 0


@pytest.mark.parametrize("late", ["unary", "pool"])
def test_a_layer_that_reaches_no_output_has_its_time(late: str) -> None:
    """Weights that are quantized to 0 cut a layer off; its train is later than all that is read."""
    net = Net(0, 3)
    first = net.unary(net.conv(net.image(1, 3, 0), 2), 20)
    dead = net.unary(net.conv(first, 2), 20) if late == "unary" else net.pool(first)
    graph = net.output(first, 2)
    program = Lowering(graph, PROFILES["sim"]).run({})
    x = images(graph, 3)
    result = Session(program).run(x, trace=True)
    expected = trace(graph, {"x": x})
    np.testing.assert_array_equal(result.integers["y"], expected["fc"])
    np.testing.assert_array_equal(result.trace[dead.name], expected[dead.name])

"""quantize-spiking: the integer network fires where the float network with its weights fires, in every step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dyadic_nets import STEPS, Net, floored, random_net

from ir_text import graph_of
from nmc.backends.cri.spiking_quantize import NAME
from nmc.backends.cri.target import CriOptions, CriTarget
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.ir.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Li,
    Lif,
    MaxPool,
    Mul,
    Potential,
    Quantize,
    Reshape,
    Spike,
    Threshold,
)
from nmc.compiler.ir.types import TensorType
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context

POOL = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))


def quantized(graph: Graph, samples: Any = None, **options: Any) -> tuple[Graph, Context]:
    """The graph after target cri's pipeline for spiking networks."""
    made, context = graph.copy(), Context(samples)
    Manager().run(made, CriTarget().pipeline(CriOptions(**options), "spiking"), context)
    return made, context


def events(graph: Graph, samples: int = 4, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {v.name: (rng.random((samples, STEPS, *v.type.shape[1:])) < 0.4).astype(np.float64) for v in graph.inputs}


def check_equal(
    graph: Graph, feed: dict[str, np.ndarray[Any, Any]], samples: Any = None, **options: Any
) -> tuple[Graph, Context]:
    """Every output of the integer network is the float network's, with the leaks rounded as the machine rounds them."""
    made, context = quantized(graph, samples, **options)
    expected, found = evaluate(floored(graph, context.reports[NAME]), feed), evaluate(made, feed)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    return made, context


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_fire_alike(seed: int) -> None:
    graph = random_net(seed)
    _, context = check_equal(graph, events(graph, seed=seed))
    assert all(layer.errors.rms == layer.errors.constant == 0 for layer in context.reports[NAME])
    assert [warning.split(":")[0] for warning in context.warnings] == ["no calibration data"]


def chain(seed: int) -> Graph:
    """conv, norm, IF, pool, conv, IF, dense, IF with real numbers."""
    rng = np.random.default_rng(seed)

    def real(*shape: int) -> np.ndarray[Any, Any]:
        return (rng.normal(0.3, 1, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    parameters = {name: rng.uniform(0.5, 1.5, 5).astype(np.float32) for name in ("g", "b", "m", "v")}
    constants = {"w1": real(5, 2, 3, 3), "w2": real(4, 5, 3, 3), "b2": real(4), "w3": real(6, 36), **parameters}
    constants |= {"one": np.array(1, np.float32), "theta": np.array(0.7, np.float32)}
    conv = "{stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}"
    body = f"""
    input %x: f32[1,2,6,6]NCHW at {{offset=0, length={STEPS}, axis=1}}
    %c1 = conv(%x, @w1) {conv}
    %n1 = batch_norm(%c1, @g, @b, @m, @v)
    %s1 = lif(%n1, @one, @theta)
    %p1 = max_pool(%s1) {{kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}}
    %c2 = conv(%p1, @w2, @b2) {conv}
    %s2 = lif(%c2, @one, @theta)
    %f = reshape(%s2) {{shape=(1, 36), axes='NC'}}
    %d = dense(%f, @w3)
    %s3 = lif(%d, @one, @theta) {{strict=True}}
    output "y" = %s3 at {{offset=0, length={STEPS}, axis=1}}
    """
    return graph_of(body, constants)


def rounded(graph: Graph, context: Context) -> Graph:
    """A float graph in form `terms` with each layer's numbers as the report says: in units of its scale."""
    layers = {layer.name: layer for layer in context.reports[NAME]}
    for node in [node for node in graph.nodes if isinstance(node.op, Lif)]:
        unit, n = layers[node.result.name].scale, layers[node.result.name].threshold
        layer = node.x.producer
        assert layer is not None
        numbers = [None if v is None else np.rint(v.data.astype(np.float64) / unit) for v in layer.operands[1:]]
        made = [None if v is None else graph.constant("w", v) for v in numbers]
        graph.rewrite(layer, layer.op, layer.x, *made)
        theta = graph.constant("n", np.array(float(n)))
        graph.rewrite(node, Lif(), node.x, node.operands[1], theta)
    return graph


@pytest.mark.parametrize(("bits", "error"), [(16, 1e-4), (8, 0.03), (4, 0.4)])
def test_real_weights_are_rounded_and_thresholds_with_them(bits: int, error: float) -> None:
    graph = chain(bits)
    made, context = quantized(graph, weight_bits=bits)
    terms, feed = graph.copy(), events(graph, seed=bits)
    Manager().run(terms, CriTarget().pipeline(CriOptions(), "spiking")[:-1], Context())
    expected = evaluate(rounded(terms, context), feed)["y"]
    np.testing.assert_array_equal(evaluate(made, feed)["y"], expected)
    assert 0.05 < expected.mean() < 0.95
    for node in made.nodes:
        if isinstance(node.op, Conv | Dense):
            weight = node.operands[1]
            assert weight is not None and np.abs(weight.data.astype(int)).max() <= 2 ** (bits - 1) - 1
    assert all(0 < layer.errors.rms < error for layer in context.reports[NAME])


def test_many_bits_keep_the_spikes_of_the_float_network() -> None:
    graph = chain(1)
    feed = events(graph, 20)
    exact = evaluate(graph, feed)["y"]
    assert np.mean(evaluate(quantized(graph)[0], feed)["y"] != exact) < 1e-3


def test_scales_follow_thresholds_that_differ_by_channel() -> None:
    net = Net(3)
    theta = net.constant(np.array([0.5, 0.75, 1.0, 2.0]).reshape(1, 4, 1, 1))
    spikes = net.add(Lif(), net.conv(net.x, 4), net.constant(1.0), theta)
    net.output("y", spikes)
    made, _ = check_equal(net.graph, events(net.graph))
    (node,) = [node for node in made.nodes if isinstance(node.op, Spike)]
    threshold = node.operand("threshold")
    assert threshold is not None and threshold.type.shape == ()


def test_thresholds_that_differ_within_a_channel_stay_apart() -> None:
    net = Net(4)
    theta = net.constant(1 + net.numbers(1, 4, 6, 6))
    net.output("y", net.add(Lif(), net.conv(net.x, 4), net.constant(1.0), theta))
    made, _ = check_equal(net.graph, events(net.graph))
    (node,) = [node for node in made.nodes if isinstance(node.op, Spike)]
    threshold = node.operand("threshold")
    assert threshold is not None and threshold.type.shape == (1, 4, 6, 6)


def test_gains_of_both_signs() -> None:
    net = Net(5)
    gain = net.constant(np.array([0.5, -1.0, 2.0, 1.0]).reshape(1, 4, 1, 1))
    net.output("y", net.add(Lif(), net.conv(net.x, 4), net.constant(1.0), net.constant(0.75), gain))
    check_equal(net.graph, events(net.graph))


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("strict", [False, True])
def test_soft_reset_where_the_profile_has_it(strict: bool, delayed: bool) -> None:
    net = Net(6)
    op = Lif("subtract", strict, delayed)
    spikes = net.lif(net.conv(net.x, 4), op)
    net.output("y", net.lif(net.dense(spikes, 8), op))
    made, context = quantized(net.graph, profile="hw_l6")
    feed = events(net.graph)
    np.testing.assert_array_equal(evaluate(made, feed)["y"], evaluate(net.graph, feed)["y"])
    assert all(node.op.soft for node in made.nodes if isinstance(node.op, Spike))
    assert len(context.warnings) == 1


def test_soft_reset_with_a_leak_is_announced() -> None:
    net = Net(7)
    net.output("y", net.lif(net.conv(net.x, 4), Lif("subtract", delayed=True), leak=2))
    _, context = quantized(net.graph, profile="hw_l6")
    assert "does not leak, and the late reset takes off the threshold" in context.warnings[1]
    with pytest.raises(NmcError, match="leaks and resets by subtraction"):
        quantized(net.graph, profile="hw_l6", leak="exact")


@pytest.mark.parametrize("op", [Lif(), Lif("subtract"), Lif("none")])
def test_without_memory_the_reset_does_not_matter(op: Lif) -> None:
    net = Net(8)
    spikes = net.add(op, net.conv(net.x, 4), net.constant(0.0), net.constant(0.75))
    net.output("y", spikes)
    made, _ = quantized(net.graph)
    feed = events(net.graph)
    np.testing.assert_array_equal(evaluate(made, feed)["y"], evaluate(net.graph, feed)["y"])
    leaks = [node.operand("leak") for node in made.nodes if isinstance(node.op, Spike)]
    assert [leak.data.item() for leak in leaks if leak is not None] == [0]


def test_other_decays_get_the_nearest_leak_and_a_warning() -> None:
    net = Net(9)
    decay = net.constant(np.array([0.5, 0.9, 1.0, 0.0]).reshape(1, 4, 1, 1))
    net.output("y", net.add(Lif(), net.conv(net.x, 4), decay, net.constant(0.75)))
    made, context = quantized(net.graph)
    (node,) = [node for node in made.nodes if isinstance(node.op, Spike)]
    leak = node.operand("leak")
    assert leak is not None and leak.data.reshape(-1).tolist() == [1, 3, 64, 0]
    assert context.warnings[1] == (
        "%v6 (net.6): a decay of 0.9 is held as 0.875: a time constant of 7.49 steps instead of a time constant of "
        "9.49 steps"
    )
    (layer,) = context.reports[NAME]
    assert (layer.decay, layer.held) == (np.float32(0.9), 0.875)
    with pytest.raises(NmcError, match="NMC-C001") as caught:
        quantized(net.graph, leak="exact")
    assert caught.value.exit_code == 3 and "0.875" in str(caught.value)


def test_integrators_are_potentials_of_the_last_neurons() -> None:
    net = Net(10)
    spikes = net.lif(net.conv(net.x, 4))
    sums = net.add(Li(), spikes, net.constant(1.0), net.constant(0.5))
    net.output("sum", net.dense(sums, 3))
    net.output("offset", net.add(Li(), spikes, net.constant(1.0), None, net.constant(0.25)))
    made, _ = check_equal(net.graph, events(net.graph))
    leaks = [node.operand("leak") for node in made.nodes if isinstance(node.op, Potential)]
    assert [leak.data.item() for leak in leaks if leak is not None] == [64, 64]


@pytest.mark.parametrize("bias", [False, True])
def test_layers_behind_a_sum_over_time(bias: bool) -> None:
    net = Net(18)
    spikes = net.add(Reshape((1, 144), "NC"), net.lif(net.conv(net.x, 4)))
    mean = net.add(Mul(), net.add(Li(), spikes, net.constant(1.0)), net.constant(1 / 8))
    constants = [net.constant(net.numbers(3, 144)), *([net.constant(net.numbers(3) * STEPS)] if bias else [])]
    y = net.add(Dense(), mean, *constants)
    net.output("y", net.add(Add(), y, net.constant(0.5 * STEPS)), mean=True)
    net.graph.outputs["y"] = net.graph.outputs["y"].producer.x  # type: ignore[union-attr]
    check_equal(net.graph, events(net.graph))


def test_dense_layers_behind_one_another_are_one() -> None:
    """As in SpikingJelly's LinearRecurrentContainer behind a Linear: W concat(W₁ x + b₁, s[t − 1]) + b."""
    net = Net(19, (9,), "NC")
    state = net.graph.add_state("back", TensorType((1, 4), "f32", "NC"))
    inner = net.add(Dense(), net.x, net.constant(net.numbers(5, 9)), net.constant(net.numbers(5)))
    joined = net.add(Concat(1), inner, state, net.x)
    layer = net.add(Dense(), joined, net.constant(net.numbers(4, 18)), net.constant(net.numbers(4)))
    spikes = net.lif(net.add(Dense(), layer, net.constant(net.numbers(4, 4))))
    net.graph.close(state, spikes)
    net.output("y", spikes)
    made, _ = check_equal(net.graph, events(net.graph))
    assert sum(isinstance(node.op, Dense) for node in made.nodes) == 3


@pytest.mark.parametrize("strict", [False, True])
def test_thresholds_below_0_without_memory(strict: bool) -> None:
    """As in spikes that a surrogate function makes of x − θ."""
    net = Net(20)
    theta = net.constant(np.array([-0.5, 0.0, 0.5, 0.0]).reshape(1, 4, 1, 1))
    spikes = net.add(Threshold(strict), net.add(Add(), net.conv(net.x, 4), net.constant(-0.75)), theta)
    net.output("y", spikes)
    made, _ = quantized(net.graph)
    feed = events(net.graph)
    np.testing.assert_array_equal(evaluate(made, feed)["y"], evaluate(net.graph, feed)["y"])
    (node,) = [node for node in made.nodes if isinstance(node.op, Spike)]
    threshold = node.operand("threshold")
    assert threshold is not None and threshold.data.min() == 1


def test_means_over_time_end_behind_what_is_linear() -> None:
    net = Net(11)
    spikes = net.lif(net.conv(net.x, 4))
    net.output("y", spikes, mean=True)
    pooled = net.add(AvgPool(*POOL), net.graph.outputs["y"])
    joined = net.add(Concat(1), pooled, pooled)
    net.graph.outputs["y"] = net.add(Add(), net.dense(joined, 3), net.constant([[0.5, 0.25, -0.5]]))
    made, _ = quantized(net.graph)
    feed = events(net.graph)
    np.testing.assert_allclose(evaluate(made, feed)["y"], evaluate(net.graph, feed)["y"], rtol=1e-12)
    assert [node.op.mnemonic for node in made.nodes][-3:] == ["potential", "dequantize", "running_mean"]


def test_sums_of_spikes_as_outputs_are_exact() -> None:
    net = Net(12)
    a, b = net.lif(net.conv(net.x, 4)), net.lif(net.conv(net.x, 4))
    net.output("y", net.add(Add(), net.add(Add(), a, b), a))
    made, _ = check_equal(net.graph, events(net.graph))
    assert made.outputs["y"].op is not None and evaluate(made, events(net.graph))["y"].max() == 3


def test_states_of_states_delay_and_inputs_may_be_held_in_them() -> None:
    net = Net(13)
    one = net.graph.add_state("one", net.x.type)
    two = net.graph.add_state("two", net.x.type)
    net.graph.close(one, net.x)
    net.graph.close(two, one)
    net.output("y", net.lif(net.add(Add(), net.conv(net.x, 4), net.conv(two, 4))))
    check_equal(net.graph, events(net.graph))
    counts = {"x": np.floor(4 * np.random.default_rng(0).random((3, STEPS, 2, 6, 6)))}
    made, _ = check_equal(net.graph, counts, counts)
    weights = [n.operands[1] for n in made.nodes if isinstance(n.op, Conv)]
    assert all(w is not None and np.abs(w.data.astype(int)).max() << 1 <= 32767 for w in weights)


def test_a_layer_in_a_loop_is_put_behind_the_state() -> None:
    """As in NIR, where the edge that closes a loop may start at a layer: v[t] reads W s[t − 1] / 2 + s[t − 1]."""
    net = Net(17)
    state = net.graph.add_state("back", TensorType((1, 4, 6, 6), "f32", "NCHW"))
    spikes = net.lif(net.add(Add(), net.conv(net.x, 4), state))
    inner = net.add(Mul(), net.conv(spikes, 4, bias=False), net.constant(0.5))
    net.graph.close(state, net.add(Add(), inner, spikes))
    net.output("y", spikes)
    net.output("state", state)
    made, _ = check_equal(net.graph, events(net.graph))
    assert [held.op for held in made.feedback.values()] == [Spike()]


def test_max_pools_of_spikes_stay() -> None:
    net = Net(14)
    padded = MaxPool((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1))
    net.output("y", net.lif(net.dense(net.add(padded, net.add(MaxPool(*POOL), net.lif(net.conv(net.x, 4)))), 8)))
    made, _ = check_equal(net.graph, events(net.graph))
    assert sum(isinstance(node.op, MaxPool) for node in made.nodes) == 2


INPUTS = {
    "events": ({}, lambda rng, shape: rng.random(shape) < 0.4, (1.0, 0, 1)),
    "counts": ({}, lambda rng, shape: rng.integers(0, 6, shape), (1.0, 0, 3)),
    "few bits for counts": ({"input_bits": 2}, lambda rng, shape: rng.integers(0, 6, shape), (1.0, 0, 2)),
    "one number": ({"input_bits": 4}, lambda rng, shape: np.zeros(shape), (1.0, 0, 4)),
    "levels": ({}, lambda rng, shape: rng.integers(0, 256, shape) / 256, (255 / 256 / 255, 0, 8)),
    "both signs": ({"input_bits": 4}, lambda rng, shape: rng.integers(-5, 11, shape) / 8, (0.125, 5, 4)),
}


@pytest.mark.parametrize("case", INPUTS)
def test_inputs_of_several_bits(case: str) -> None:
    options, draw, code = INPUTS[case]
    net = Net(15)
    net.output("y", net.lif(net.conv(net.lif(net.conv(net.x, 4)), 4)))
    shape = (4, STEPS, 2, 6, 6)
    feed = {"x": draw(np.random.default_rng(1), shape).astype(np.float64)}
    made, context = quantized(net.graph, feed, **options)
    (op,) = [node.op for node in made.nodes if isinstance(node.op, Quantize)]
    assert (op.scale, op.zero_point, op.bits) == (pytest.approx(code[0], rel=1e-6), *code[1:])
    lost = case == "few bits for counts"
    assert context.warnings == (["input 'x': counts above 3 are taken as that"] if lost else [])
    seen = {"x": np.minimum(feed["x"], 3) if lost else feed["x"]}
    np.testing.assert_array_equal(evaluate(made, feed)["y"], evaluate(net.graph, seen)["y"])
    first = next(node for node in made.nodes if isinstance(node.op, Conv)).operands[1]
    assert first is not None and np.abs(first.data.astype(int)).max() << (op.bits - 1) <= 32767


def test_a_held_image_and_another_number_of_timesteps() -> None:
    body = """
    input %x: f32[1,3]NC at {offset=0}
    %s = lif(%x, @one, @theta)
    %y = running_mean(%s)
    output "y" = %s at {offset=0, length=4, axis=1}
    output "mean" = %y at {offset=3}
    """
    graph = graph_of(body, {"one": np.array(1, np.float32), "theta": np.array(1, np.float32)})
    image = np.array([[0.25, 0.5, 1.0], [0.0, 0.75, 0.125]])
    for steps in (None, 8):
        made, _ = quantized(graph, {"x": image * 255 / 256}, timesteps=steps, input_bits=8)
        assert (made.timing["y"].length, made.timing["mean"].offset) == ((steps or 4), (steps or 4) - 1)
        found = evaluate(made, {"x": image})
        assert found["y"].shape == (2, steps or 4, 3)
        np.testing.assert_allclose(found["mean"], found["y"].mean(axis=1))


def test_a_number_of_timesteps_for_trains() -> None:
    net = Net(16)
    net.output("y", net.lif(net.conv(net.x, 4)))
    made, _ = quantized(net.graph, timesteps=3)
    assert made.timing["x"].length == made.timing["y"].length == 3

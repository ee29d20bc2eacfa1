"""Sizes: of a program on one core, of a network from its layers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from partition_checks import layers, lowered
from spiking_integer import Net
from spiking_random import random_net

from nmc.backends.cri.image import encode_image
from nmc.backends.cri.partition import (
    Capacity,
    fit,
    fit_from_layers,
    needs,
)
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.ir import Graph, TensorType, Timing, Value
from nmc.compiler.ir.ops import AvgPool, Conv, Dense, Lif, Mean, Pad, Relu

# --- one core ---


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_needs_are_those_of_the_memory_image(seed: int) -> None:
    program = lowered(random_net(seed))
    image = encode_image(program)
    found = {need.name: need.count for need in needs(program, Capacity())[0]}
    rows = 2 * len(image.synapses)
    assert (found["slots"], found["axons"], found["models"]) == (image.slots, image.inputs, len(image.parameters))
    assert found["rows"] == rows


def test_entries_for_other_cores_take_places_in_rows() -> None:
    program = lowered(layers().graph)
    sent = np.zeros(len(program.neuron_model), np.int64)
    last = next(p for p in program.populations if p.name == "sums")
    sent[last.first] = 40  # a neuron without synapses, that no output reads as spikes, and an entry for that it does
    plain, more = ({n.name: n.count for n in needs(program, Capacity(), given)[0]} for given in (None, sent))
    assert more["rows"] - plain["rows"] == 2 * -(-41 // 16) - 2 * -(-1 // 16)


def test_a_program_that_fits() -> None:
    found = fit(lowered(layers().graph))
    assert found.fits and found.problems == [] and found.cores == 1 and not found.placed
    counts = {need.name: need.count for need in found.needs}
    assert sum(found.parts["axons"].values()) == counts["axons"]
    assert max(found.parts["source_rows"].values()) == counts["source_rows"]
    assert sum(found.parts["rows"].values()) + 2 >= counts["rows"]  # empty sources share a pair of rows


def test_a_program_that_does_not_fit_says_where_by_how_much_and_what_would_help() -> None:
    program = lowered(layers().graph)
    found = fit(program, Capacity(slots=1000, axons=131, models=2, rows=1200, source_rows=4))
    text = "\n".join(found.problems)
    assert not found.fits and not found.placed and found.cores >= 2
    for need in found.needs:
        assert f"{need.count:,} {need.what}, a core holds {need.most:,}: {need.over:,} too many" in text
    assert "; a has 576" in text and "; x0 has 288" in text and text.count("What would help: ") == 5
    assert all(f"{found.cores} cores or more, or" in problem for problem in found.problems)


def test_rows_that_are_missing_in_natural_order_are_looked_for_by_placement() -> None:
    program = lowered(layers().graph)
    natural_rows = next(need.count for need in fit(program).needs if need.name == "rows")
    found = fit(program, Capacity(rows=natural_rows - 1))
    assert found.fits and found.placed and found.cores == 1


# --- from layers ---


@pytest.mark.parametrize("seed", range(25))
def test_neurons_and_axons_of_random_networks(seed: int) -> None:
    graph = random_net(seed)
    program, plan = lowered(graph, "sim"), fit_from_layers(graph)
    assert plan.total("neurons") + plan.total("relays") == len(program.neuron_model)
    assert plan.total("axons") == sum(entry.axons for entry in program.inputs)
    depth = {p.name: p.window[0] for p in program.populations if p.kind in ("spiking", "or")}
    assert {layer.name: layer.depth for layer in plan.layers if layer.name in depth} == depth


class Solid(Net):
    """No weight is 0."""

    def _constant(self, data: Any) -> Value:
        array = np.asarray(data)
        return super()._constant(np.where(array == 0, 1, array))


def grouped(net: Net, x: Value) -> Value:
    return net.conv(net.spike(net.conv(x, 4), 9), 8, kernel=3, stride=2, groups=2)


def transposed(net: Net, x: Value) -> Value:
    return net.conv_transpose(x, 3)


def joined(net: Net, x: Value) -> Value:
    other = net.spike(net.conv(x, 3, kernel=1, pad=0), 4)
    return net.conv(net.concat(other, net.swapped(net.spike(net.conv(x, 1), 4))), 2, kernel=5, pad=2)


def cut(net: Net, x: Value) -> Value:
    return net.dense(net.flat(net.cut(net.spike(net.conv(x, 2), 3))), 6)


def pooled(net: Net, x: Value) -> Value:
    return net.conv(net.pool(net.spike(net.conv(x, 2), 3), 3, 2, 1, ceil=True), 2, stride=2)


def padded(net: Net, x: Value) -> Value:
    return net.conv(net.op(Pad(((0, 0), (0, 0), (1, 2), (0, 1))), x), 3, pad=0)


def channels(net: Net, x: Value) -> Value:
    some = net.spike(net.conv(x, 3), 2)
    return net.conv(net.conv(some, 3, groups=3, kernel=1, pad=0), 2, kernel=1, pad=0)


@pytest.mark.parametrize("make", [grouped, transposed, joined, cut, pooled, padded, channels], ids=lambda f: f.__name__)
def test_synapses_and_rows_are_exact(make: Callable[[Net, Value], Value]) -> None:
    net = Solid(3, 1)
    x = net.input(2, 8, 8, bits=2)
    net.output("y", net.spike(make(net, x), 20))
    program, plan = lowered(net.graph), fit_from_layers(net.graph)
    assert not any(p.kind == "relay" for p in program.populations)
    assert plan.total("synapses") == program.axons.synapses + program.neurons.synapses
    degrees = np.concatenate([np.diff(program.axons.indptr), np.diff(program.neurons.indptr)])
    assert plan.total("rows") == 2 * int((-(-degrees // 16)).sum())


def imported(side: int, channels: tuple[int, ...], steps: int = 4) -> Graph:
    """Convolutions 3×3 with LIF neurons, each at half the size but the first, then a mean and a dense layer."""
    graph, inputs = Graph("net"), 2
    x = graph.add_input("events", TensorType((1, inputs, side, side), "f32", "NCHW"))
    graph.timing["events"] = graph.timing["y"] = Timing(0, length=steps, axis=1)
    one = graph.constant("one", np.float32(1))
    for k, count in enumerate(channels):
        weight = graph.constant(f"w{k}", np.ones((count, x.type.shape[1], 3, 3), np.float32))
        x = graph.add(Conv((1 + (k > 0),) * 2, ((1, 1), (1, 1)), (1, 1)), x, weight, name=f"conv{k}")
        x = graph.add(Lif(), x, one, one, name=f"lif{k}")
    x = graph.add(Mean((2, 3), keepdims=False), x, name="mean")
    weight = graph.constant("w", np.ones((10, (inputs, *channels)[-1]), np.float32))
    graph.outputs["y"] = graph.add(Dense(), x, weight, name="scores")
    return graph


def test_a_network_of_the_size_of_the_published_system() -> None:
    plan = fit_from_layers(imported(2048, (32, 24)))
    sizes = [layer.neurons for layer in plan.layers]
    assert sizes == [0, 32 * 2048**2, 24 * 1024**2, 10] and plan.total("axons") == 2 * 2048**2
    assert plan.total("synapses") == 2 * 32 * (3 * 2048 - 2) ** 2 + 32 * 24 * (3 * 1024 - 1) ** 2 + 10 * sizes[2]
    assert sum(sizes) > 159_000_000
    assert plan.cores >= -(-sum(sizes) // 131_040) and plan.fpgas == -(-plan.cores // 16) > 40
    assert not plan.within_system and all(count <= most for count, most in plan.limits.values())
    assert plan.limits["neurons"][0] >= sum(sizes)


def test_a_small_network_takes_one_core() -> None:
    plan = fit_from_layers(imported(16, (4, 4)))
    assert (plan.cores, plan.fpgas, plan.within_system) == (1, 1, True)
    assert plan.limits["axons"] == (512, Capacity().axons)
    assert fit_from_layers(imported(16, (4, 4)), Capacity(slots=500)).cores == 3


def test_averages_count_windows() -> None:
    graph = imported(8, ())
    (x,), weight = graph.inputs, graph.constant("w0", np.ones((3, 2, 1, 1), np.float32))
    pool = graph.add(AvgPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), x, name="pool")
    conv = graph.add(Conv.plain(2), pool, weight, name="conv")
    one = graph.constant("one", np.float32(1))
    graph.outputs["y"] = graph.add(Lif(), conv, one, one, name="lif")
    plan = fit_from_layers(graph)
    assert plan.total("synapses") == 2 * 64 * 3 and plan.total("neurons") == 3 * 16


def test_layers_of_unknown_size_are_all_named() -> None:
    net = Net(3)
    x, state = net.input(2, 4, 4), net.state(2, 4, 4)
    total = net.add(state, x)
    net.graph.close(state, total)
    net.output("y", net.spike(total, 3))
    net.output("z", net.op(Relu(), net.conv(x, 2), name="relu"))
    with pytest.raises(NmcError) as error:
        fit_from_layers(net.graph)
    assert error.value.exit_code == Exit.UNSUPPORTED
    found = [(problem.code, problem.what, problem.why) for problem in error.value.diagnostics]
    assert [code for code, _, _ in found] == ["NMC-C033"] * len(found)
    assert any("%relu" in what for _, what, _ in found) and any("a sum over time" in why for _, _, why in found)

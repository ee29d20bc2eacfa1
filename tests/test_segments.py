"""Graphs cut into segments of two machines: order, number, what crosses, and that nothing changes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from nmc.compiler.analysis.products import products
from nmc.compiler.ir import Graph, Node, TensorType, evaluate
from nmc.compiler.ir.ops import Add, Concat, Conv, Dense, MatMul, Mul, Relu, Slice
from nmc.compiler.ir.stages import verify
from nmc.compiler.segments import Segment, computed, cut, islands, segment_of, subgraph


def random_graph(seed: int, nodes: int = 12) -> tuple[Graph, set[Node]]:
    """Vectors that are joined, sliced, added and rectified; and which nodes are the host's."""
    rng = np.random.default_rng(seed)
    graph = Graph("net", "canonical")
    values = [graph.add_input(f"x{i}", TensorType((1, int(rng.integers(1, 9))), "f32", "NC")) for i in range(2)]
    for i in range(nodes):
        x, y = (values[-1 - int(rng.integers(min(5, len(values))))] for _ in range(2))
        kind, size = rng.integers(4), x.type.shape[1]
        if kind == 0:
            made = graph.add(Concat(1), x, y, name=f"v{i}")
        elif kind == 1 and size > 1:
            made = graph.add(Slice(((0, 1, 1), (0, int(rng.integers(1, size)), 1))), x, name=f"v{i}")
        elif kind == 2 and x.type == y.type:
            made = graph.add(Add(), x, y, name=f"v{i}")
        else:
            made = graph.add(Relu(), x, name=f"v{i}")
        values.append(made)
    unread = [node.result for node in graph.nodes if not node.result.uses]
    graph.outputs = {f"y{i}": value for i, value in enumerate(unread)}
    return graph, {node for node in graph.nodes if rng.random() < 0.35}


def crossing(segments: list[Segment]) -> int:
    return sum(segment.crossing for segment in segments if not segment.on_host)


def longest(graph: Graph, host: set[Node]) -> dict[Node, int]:
    """The number of changes of the machine on the longest way to each node, that begins on the device; odd numbers are
    the host's."""
    levels: dict[Node, int] = {}
    for node in graph.nodes:
        sources = [value.producer for value in computed(node) if value.producer is not None]
        ways = [levels[source] + ((source in host) != (node in host)) for source in sources]
        levels[node] = max(ways, default=int(node in host))
    return levels


def grouped(graph: Graph, levels: dict[Node, int]) -> list[Segment]:
    order = sorted(set(levels.values()))
    return [segment_of(graph, [n for n in graph.nodes if levels[n] == k], k % 2 == 1) for k in order]


@pytest.mark.parametrize("seed", range(60))
def test_segments_run_in_order_and_are_as_few_as_can_be(seed: int) -> None:
    graph, host = random_graph(seed, 20)
    segments = cut(graph, host)
    assert sorted(map(id, graph.nodes)) == sorted(id(node) for segment in segments for node in segment.nodes)
    there = {id(value) for value in graph.inputs}
    for segment in segments:
        assert all((node in host) == segment.on_host for node in segment.nodes)
        assert all(id(value) in there for value in segment.reads)
        there |= {id(node.result) for node in segment.nodes}
    levels = longest(graph, host)
    assert len(segments) == _fewest(graph, host)
    if len(segments) == len(set(levels.values())):
        assert crossing(segments) <= crossing(grouped(graph, levels))
    again, host = random_graph(seed, 20)
    names = [[node.result.name for node in segment.nodes] for segment in cut(again, host)]
    assert names == [[node.result.name for node in segment.nodes] for segment in segments]


def _fewest(graph: Graph, host: set[Node]) -> int:
    """Segments that any order in turns needs: all ways of a node are walked, the machine that begins is either."""
    runs: dict[tuple[Node, bool], int] = {}
    for node in graph.nodes:
        mine = node in host
        for first in (False, True):
            ways = [
                runs[v.producer, first] + ((v.producer in host) != mine)
                for v in computed(node)
                if v.producer is not None
            ]
            runs[node, first] = max([*ways, 1 if mine == first else 2])
    return min(max(runs[node, first] for node in graph.nodes) for first in (False, True))


@pytest.mark.parametrize("seed", range(40))
def test_two_device_segments_are_cut_where_fewest_values_cross(seed: int) -> None:
    graph, host, levels = _two_levels(seed)
    devices = [node for node in graph.nodes if node not in host]
    best = min(crossing(grouped(graph, levels | chosen)) for chosen in _choices(graph, levels, devices))
    assert crossing(cut(graph, host)) == best


def _two_levels(seed: int) -> tuple[Graph, set[Node], dict[Node, int]]:
    """A random graph whose device nodes have two levels, and at most ten of them."""
    for number in range(1000):
        graph, host = random_graph(1000 * seed + number, 13)
        levels = longest(graph, host)
        devices = [node for node in graph.nodes if node not in host]
        both = {levels[node] for node in devices} == {0, 2} and len(set(levels.values())) == _fewest(graph, host)
        if both and len(devices) <= 10:
            return graph, host, levels
    raise AssertionError("no such graph")


def _choices(graph: Graph, levels: dict[Node, int], devices: list[Node]) -> list[dict[Node, int]]:
    """Every way to share the device's nodes between levels 0 and 2 so that nobody waits for a later one."""
    found = []
    for numbers in product((0, 2), repeat=len(devices)):
        chosen = dict(zip(devices, numbers, strict=True))
        now = levels | chosen
        ways = ((v.producer, node) for node in graph.nodes for v in computed(node) if v.producer is not None)
        if all(now[source] <= now[node] for source, node in ways):
            found.append(chosen)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_segments_one_after_the_other_compute_the_graph(seed: int) -> None:
    graph, host = random_graph(seed, 20)
    rng = np.random.default_rng(seed)
    values = {value.name: rng.normal(size=(3, *value.type.shape[1:])) for value in graph.inputs}
    wanted = evaluate(graph, values)
    for segment in cut(graph, host):
        part = subgraph(graph, segment)
        verify(part)
        assert list(part.outputs) == [value.name for value in segment.gives]
        values |= evaluate(part, {value.name: values[value.name] for value in segment.reads})
    assert all(np.array_equal(values[value.name], wanted[name]) for name, value in graph.outputs.items())


def test_islands_have_no_value_in_common() -> None:
    graph = Graph("net", "canonical")
    x = graph.add_input("x", TensorType((1, 4), "f32", "NC"))
    a = graph.add(Relu(), x, name="a")
    b = graph.add(Relu(), x, name="b")
    c = graph.add(Relu(), a, name="c")
    graph.outputs = {"c": c, "b": b}
    (segment,) = cut(graph, set())
    found = [[node.result.name for node in island.nodes] for island in islands(graph, segment)]
    assert found == [["a", "c"], ["b"]] and [i.crossing for i in islands(graph, segment)] == [8, 8]


def test_products_of_single_nodes() -> None:
    graph = Graph("net", "canonical")
    x = graph.add_input("x", TensorType((1, 4, 6, 5), "f32", "NCHW"))
    weight = graph.constant("w", np.ones((8, 2, 3, 3), np.float32))
    y = graph.add(Conv((2, 1), ((1, 1), (1, 1)), (1, 1), 2), x, weight, name="conv")
    gate = graph.add(Relu(), y, name="gate")
    z = graph.add(Mul(), y, gate, name="product")
    scaled = graph.add(Mul(), z, graph.constant("k", np.ones((1, 8, 1, 1), np.float32)), name="scaled")
    rows = graph.add(Dense(), scaled, graph.constant("d", np.ones((7, 5), np.float32)), name="dense")
    graph.add(MatMul(), rows, graph.constant("m", np.ones((7, 2), np.float32)), name="matmul")
    counts = {node.result.name: products(node) for node in graph.nodes}
    assert counts == {
        "conv": 8 * 2 * 9 * 3 * 5,
        "gate": 0,
        "product": 8 * 3 * 5,
        "scaled": 0,
        "dense": 8 * 3 * 5 * 7,
        "matmul": 8 * 3 * 7 * 2,
    }

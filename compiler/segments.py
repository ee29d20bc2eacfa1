"""A graph whose nodes run on two machines, cut into segments that run one after the other.

A segment is a set of nodes of one machine. Segments alternate: device, host, device, … Each node is in the first
segment that what it reads allows, so there are as few segments as the longest chain of changes of the machine asks, and
no two segments wait for each other. Among the cuts with that many segments, minimum cuts then move device nodes
between neighbouring device segments where fewer values cross.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from .ir import Graph, Node, Value

SWEEPS = 8
SOURCE, SINK = 0, 1


@dataclass(frozen=True)
class Segment:
    """Nodes that run together, in execution order, and the values that they read and give.

    reads  values of other segments and inputs of the network, in the order of their first use
    gives  values that other segments or outputs of the network read
    """

    on_host: bool
    nodes: tuple[Node, ...]
    reads: tuple[Value, ...]
    gives: tuple[Value, ...]

    @property
    def crossing(self) -> int:
        """Elements of all values that it reads and gives, of one frame."""
        return sum(value.type.elements for value in (*self.reads, *self.gives))


def cut(graph: Graph, host: Collection[Node]) -> list[Segment]:
    """The segments of a graph in which the nodes in `host` run on the host, in an order in which they can run."""
    # The device first, or the host: what gives fewer segments.
    levels = min((_earliest(graph, host, first) for first in (1, -1)), key=lambda levels: len(set(levels.values())))
    _fewest_values(graph, levels, host)
    return [
        segment_of(graph, [node for node in graph.nodes if levels[node] == level], level % 2 == 1)
        for level in sorted(set(levels.values()))
    ]


def segment_of(graph: Graph, nodes: Sequence[Node], on_host: bool) -> Segment:
    """A segment of these nodes, which are given in execution order."""
    inside = {id(node.result) for node in nodes}
    reads = {id(v): v for node in nodes for v in computed(node) if id(v) not in inside}
    chosen = set(nodes)
    gives = [
        n.result for n in nodes if _leaves(graph, n.result) or any(user not in chosen for user, _ in n.result.uses)
    ]
    return Segment(on_host, tuple(nodes), tuple(reads.values()), tuple(gives))


def islands(graph: Graph, segment: Segment) -> list[Segment]:
    """The parts of a segment that have no value in common but what they read."""
    linked: nx.Graph[Any] = nx.Graph()
    numbers = {id(node.result): i for i, node in enumerate(segment.nodes)}
    linked.add_nodes_from(range(len(segment.nodes)))
    for i, node in enumerate(segment.nodes):
        linked.add_edges_from((numbers[id(v)], i) for v in computed(node) if id(v) in numbers)
    groups = sorted(sorted(group) for group in nx.connected_components(linked))
    return [segment_of(graph, [segment.nodes[i] for i in group], segment.on_host) for group in groups]


def subgraph(graph: Graph, segment: Segment) -> Graph:
    """The segment as a graph of its own: it reads and gives the same values, under their names. It has no timing."""
    made = Graph(graph.name, graph.stage)
    twin = {id(value): made.add_input(value.name, value.type) for value in segment.reads}
    for value in segment.reads:
        twin[id(value)].origin = value.origin
    for node in segment.nodes:
        operands = [_operand(made, twin, value) for value in node.operands]
        twin[id(node.result)] = made.add(node.op, *operands, name=node.result.name, origin=node.result.origin)
    made.outputs = {value.name: twin[id(value)] for value in segment.gives}
    return made


def computed(node: Node) -> list[Value]:
    """The operands that are no constants."""
    return [value for value in node.operands if value is not None and not value.is_constant]


def _operand(made: Graph, twin: dict[int, Value], value: Value | None) -> Value | None:
    if value is not None and id(value) not in twin:
        twin[id(value)] = made.constant(value.name, value.data, value.type.axes, value.origin)
    return None if value is None else twin[id(value)]


def _leaves(graph: Graph, value: Value) -> bool:
    """Is the value an output of the network?"""
    return any(value is other for other in graph.outputs.values())


def _earliest(graph: Graph, host: Collection[Node], first: int) -> dict[Node, int]:
    """The earliest segment of each node: even numbers, from 0 on, are the device's, odd ones, from `first` on, the
    host's."""
    levels: dict[Node, int] = {}
    for node in graph.nodes:
        sources = [v.producer for v in computed(node) if v.producer is not None]
        after = [levels[source] + ((source in host) != (node in host)) for source in sources]
        levels[node] = max(after, default=first if node in host else 0)
    return levels


def _fewest_values(graph: Graph, levels: dict[Node, int], host: Collection[Node]) -> None:
    """Move device nodes between neighbouring device segments until no minimum cut moves any more."""
    devices = sorted({level for node, level in levels.items() if node not in host})
    for _ in range(SWEEPS):
        moved = [_swap(graph, levels, low) for low in devices if low + 2 in devices]
        if not any(moved):
            return


def _swap(graph: Graph, levels: dict[Node, int], low: int) -> bool:
    """Share the nodes of two device segments anew, so that fewest values cross; did any move?

    A node is on the source's side if it is in the first one. What the host gives in between keeps its readers in the
    second, what the host reads in between its makers in the first.
    """
    pair = [node for node in graph.nodes if levels[node] in (low, low + 2)]
    number = {node: i + 2 for i, node in enumerate(pair)}
    flow: nx.DiGraph[Any] = nx.DiGraph()
    flow.add_nodes_from((SOURCE, SINK))
    free = False
    for node, i in number.items():
        first = any(levels[user] == low + 1 for user, _ in node.result.uses)
        second = any(v.producer is not None and levels[v.producer] == low + 1 for v in computed(node))
        flow.add_edges_from([(SOURCE, i)] * first + [(i, SINK)] * second)
        free |= not first and not second
    if not free:
        return False
    fresh = len(pair) + 2
    for value, readers in _values(pair):
        size = value.type.elements
        inside = number.get(value.producer) if value.producer is not None else None
        if inside is not None:
            outside = _leaves(graph, value) or any(user not in number for user, _ in value.uses)
            flow.add_edge(inside, fresh, capacity=size if outside else 2 * size)
            flow.add_edges_from((fresh, number[reader]) for reader in readers)
            flow.add_edges_from((number[reader], inside) for reader in readers)
        else:
            flow.add_edge(SOURCE, fresh, capacity=size)
            flow.add_edges_from((fresh, number[reader]) for reader in readers)
            flow.add_edge(fresh + 1, SINK, capacity=size)
            flow.add_edges_from((number[reader], fresh + 1) for reader in readers)
        fresh += 2
    _, (_, late) = nx.minimum_cut(flow, SOURCE, SINK)
    placed = {node: low + 2 if i in late else low for node, i in number.items()}
    moved = any(levels[node] != level for node, level in placed.items())
    levels.update(placed)
    return moved


def _values(nodes: Iterable[Node]) -> list[tuple[Value, list[Node]]]:
    """Every value that the nodes read, with its readers among them."""
    found: dict[int, tuple[Value, list[Node]]] = {}
    for node in nodes:
        for value in {id(v): v for v in computed(node)}.values():
            found.setdefault(id(value), (value, []))[1].append(node)
    return list(found.values())

"""Which nodes the outputs need, in an order in which every value is made before it is used."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

from onnx import GraphProto, NodeProto


def graphs_in(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node holds in its attributes (branches, loop bodies)."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def initializer_names(graph: GraphProto) -> Iterator[str]:
    """Names of the graph's constants, sparse ones included."""
    yield from (tensor.name for tensor in graph.initializer)
    yield from (tensor.values.name for tensor in graph.sparse_initializer)


def reads(node: NodeProto) -> list[str]:
    """Names of the values a node reads, those its inner graphs capture included."""
    return [name for name in node.input if name] + [name for graph in graphs_in(node) for name in _captured(graph)]


def _captured(graph: GraphProto) -> list[str]:
    own = {value.name for value in graph.input} | set(initializer_names(graph))
    own.update(name for node in graph.node for name in node.output)
    used = [name for node in graph.node for name in reads(node)] + [value.name for value in graph.output]
    return [name for name in used if name not in own]


def names_read(nodes: Iterable[NodeProto]) -> set[str]:
    """All names that the nodes read, the nodes and outputs of their inner graphs included."""
    used: set[str] = set()
    for node in nodes:
        used.update(node.input)
        for graph in graphs_in(node):
            used |= names_read(graph.node) | {value.name for value in graph.output}
    return used


def index_readers(nodes: Iterable[NodeProto]) -> dict[str, list[NodeProto]]:
    """The nodes that name a value as an operand."""
    readers: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    return readers


class BrokenWiring(Exception):
    """The graph is not a graph: all faults, one sentence each."""

    def __init__(self, faults: list[str]):
        super().__init__("; ".join(faults))
        self.faults = faults


def _title(node: NodeProto) -> str:
    return f"{node.op_type} {node.name or next(iter(node.output), '')!r}"


def _producers(nodes: Sequence[NodeProto], defined: Collection[str], faults: list[str]) -> dict[str, int]:
    """The index of the node that makes each value."""
    made: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.output):
            if name in made or name in defined:
                faults.append(f"the value {name!r} is made twice, the second time by {_title(node)}")
            made.setdefault(name, index)
    return made


def _needed(nodes: Sequence[NodeProto], made: dict[str, int], wanted: Iterable[str]) -> set[int]:
    """Indices of the nodes that the wanted values depend on."""
    found: set[int] = set()
    open_names = list(wanted)
    while open_names:
        index = made.get(open_names.pop())
        if index is not None and index not in found:
            found.add(index)
            open_names += reads(nodes[index])
    return found


def _sort(nodes: Sequence[NodeProto], made: dict[str, int], live: set[int], faults: list[str]) -> list[NodeProto]:
    """Nodes before their readers, in file order where there is a choice."""
    sources = {index: {made[name] for name in reads(nodes[index]) if name in made} for index in live}
    readers: dict[int, list[int]] = {index: [] for index in live}
    for index, before in sources.items():
        for source in before:
            readers[source].append(index)
    missing = {index: len(before) for index, before in sources.items()}
    ready = [index for index, count in missing.items() if not count]
    heapify(ready)
    order: list[int] = []
    while ready:
        order.append(heappop(ready))
        for reader in readers[order[-1]]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, reader)
    if left := sorted(live - set(order)):
        shown = ", ".join(_title(nodes[index]) for index in left[:5]) + (", …" if len(left) > 5 else "")
        faults.append(f"{len(left)} nodes form a cycle or wait for one: {shown}")
    return [nodes[index] for index in order]


def execution_order(nodes: Sequence[NodeProto], defined: Collection[str], outputs: Sequence[str]) -> list[NodeProto]:
    """The nodes that `outputs` depend on, sorted. BrokenWiring if a value is made twice, never, or from itself.

    `defined` are the names that exist before the first node: inputs, initializers, and for a branch the outer values.
    """
    faults: list[str] = []
    made = _producers(nodes, defined, faults)
    live = _needed(nodes, made, outputs)
    for index in sorted(live):
        lost = [name for name in dict.fromkeys(reads(nodes[index])) if name not in made and name not in defined]
        faults += [f"{_title(nodes[index])} reads {name!r}, which nothing makes" for name in lost]
    faults += [f"nothing makes the output {name!r}" for name in outputs if name not in made and name not in defined]
    order = _sort(nodes, made, live, faults)
    if faults:
        raise BrokenWiring(faults)
    return order

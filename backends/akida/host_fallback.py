"""Which nodes of a graph the host takes, because the machine cannot or because it is not worth the way.

1. What the backend refuses is the host's. Each refused value counts as given by the host to what reads it.
2. Reshapes, transposes, slices, concatenations and paddings that read only what the host gives, or that only the host
   reads, are the host's: there they cost nothing. A memory of past frames is the host's if the host reads it.
3. Device nodes that hang together, but multiply less than WORTH times for each value that they read from the host or
   give to it, are the host's.
4. The graph is cut into segments (`compiler.segments`), each segment of the device is tried, and what is refused there,
   at its borders, becomes the host's; from 2 on again until nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...compiler.analysis.products import products
from ...compiler.diagnostics import Diagnostic, Exit, NmcError
from ...compiler.ir import Graph, Node, steps_of
from ...compiler.ir.ops import Fifo, Reshape
from ...compiler.passes.base import Context
from ...compiler.segments import Segment, computed, cut, islands, subgraph
from ...runtime.program.timing import Timing
from .build import HOST_MOVES, refusals
from .embedding import NAME as WINDOWS
from .windows import AkidaWindows

WORTH = 4
SHOWN = 3

Reasons = dict[Node, str]


def split(graph: Graph, context: Context) -> tuple[list[Segment], Reasons]:
    """The segments of a graph in stage `canonical` or `streaming`, after `akida-windows`; and why each node on the host
    is there. NmcError NMC-A003 if nothing is left for the device."""
    reasons = {d.where: d.why for d in context.declined if d.pass_name == WINDOWS}
    host = _in_graph(graph, graph, refusals(graph, reasons))
    while True:
        _follow(graph, host)
        segments = cut(graph, host)
        more: Reasons = {}
        for segment in segments:
            if not segment.on_host:
                more |= (host and _not_worth(graph, segment)) or _refused(graph, segment)
        if not more:
            break
        host |= more
    if graph.nodes and len(host) == len(graph.nodes):
        raise _nothing_left(host)
    return segments, host


def segment_names(segments: list[Segment]) -> list[str]:
    """device1, host1, device2, …"""
    numbers = {False: 0, True: 0}
    names: list[str] = []
    for segment in segments:
        numbers[segment.on_host] += 1
        names.append(f"{'host' if segment.on_host else 'device'}{numbers[segment.on_host]}")
    return names


def device_graph(graph: Graph, segment: Segment) -> Graph:
    """A device segment as a graph that the backend lowers: of a frame graph with clips of all frames of a stream."""
    made = subgraph(graph, segment)
    for name, value in made.outputs.items():
        if "T" in value.type.axes:  # a window of one frame: here time is the stream's
            frame = Reshape(value.type.shape, value.type.axes.replace("T", "_"))
            made.outputs[name] = made.add(frame, value, name=f"{name}.frame")
    if graph.timing:
        every = Timing(0, length=stream_length(graph), axis=1)
        made.timing = dict.fromkeys((*(value.name for value in made.inputs), *made.outputs), every)
    AkidaWindows().run(made, Context())  # a layer's window depends on whether it reads an input
    return made


def stream_length(graph: Graph) -> int:
    """Frames of a stream until the last element of every output has come."""
    return max((graph.timing[name].last + 1 for name in graph.outputs), default=steps_of(graph))


def _in_graph(graph: Graph, tried: Graph, refused: Mapping[str, str]) -> Reasons:
    """The refusals in a graph made of a part of `graph`, by the nodes of `graph` that stand behind them."""
    nodes = {node.result.name: node for node in graph.nodes}
    values = {node.result.name: node.result for node in tried.nodes}
    found: Reasons = {}
    for name, why in refused.items():
        value = values.get(name)
        while value is not None and value.name not in nodes and value.uses:
            value = value.uses[0][0].result
        while value is not None and value.name not in nodes:
            value = value.producer.x if value.producer else None
        if value is not None:
            found.setdefault(nodes[value.name], why)
    return found


def _refused(graph: Graph, segment: Segment) -> Reasons:
    made = device_graph(graph, segment)
    found = _in_graph(graph, made, refusals(made))
    return {node: why for node, why in found.items() if node in segment.nodes}


def _follow(graph: Graph, host: Reasons) -> None:
    """Let moves and memories go to the host where that is free (rule 2)."""
    outputs = {id(value) for value in graph.outputs.values()}
    changed = True
    while changed:
        changed = False
        for node in graph.nodes:
            if node in host:
                continue
            readers = [user in host for user, _ in node.result.uses]
            sources = [value.producer in host for value in computed(node)]
            if isinstance(node.op, Fifo) and any(readers):
                host[node] = "past frames that the host reads"
            elif _is_move(node) and readers and all(readers) and id(node.result) not in outputs:
                host[node] = "only the host reads it"
            elif _is_move(node) and sources and all(sources):
                host[node] = "it reads only what the host gives"
            changed |= node in host


def _is_move(node: Node) -> bool:
    return isinstance(node.op, HOST_MOVES)


def _not_worth(graph: Graph, segment: Segment) -> Reasons:
    """The nodes that do too little for what would cross (rule 3)."""
    found: Reasons = {}
    for island in islands(graph, segment):
        work = sum(products(node) for node in island.nodes)
        if work < WORTH * island.crossing:
            why = f"{work:,} products are few for {island.crossing:,} values that would cross"
            found |= dict.fromkeys(island.nodes, why)
    return found


def _nothing_left(host: Reasons) -> NmcError:
    first = [f"%{node.result.name}: {why}" for node, why in host.items()][:SHOWN]
    what = "with --host-fallback nothing of the network is left for target 'akida'"
    why = f"{len(host)} operations are the host's, the first: {'; '.join(first)}"
    hint = "run the model with onnxruntime, or change what the device cannot do"
    return NmcError(Diagnostic("NMC-A003", what, why=why, hint=hint), Exit.UNSUPPORTED)

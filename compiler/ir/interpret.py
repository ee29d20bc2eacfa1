"""The reference interpreter: what a graph means, at every stage, in plain numpy.

Floats are computed in float64, so that results agree with other runtimes to float32 rounding and the last bit of a
BLAS stays far below anything that is decided from them. Integers are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np

from .graph import Graph
from .ops.base import Array, working
from .session import FrameSession

BATCH_ELEMENTS = 1 << 22


def _run(graph: Graph, feeds: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Name and array of every input and node result, in order; an array is dropped after its last use."""
    live: dict[int, Array] = {id(v): working(v.data) for v in graph.constants()}
    left = {id(v): graph.readers(v) for v in (*graph.inputs, *(node.result for node in graph.nodes))}
    for value in graph.inputs:
        live[id(value)] = working(np.asarray(feeds[value.name]))
        yield value.name, live[id(value)]
    for node in graph.nodes:
        arrays = [None if value is None else live[id(value)] for value in node.operands]
        result = live[id(node.result)] = node.op.evaluate(*arrays)
        yield node.result.name, result
        for value in node.operands:
            if value is not None and not value.is_constant:
                left[id(value)] -= 1
                if not left[id(value)]:
                    del live[id(value)]
        del result


def _batches(graph: Graph, feeds: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    widest = max((value.type.elements for value in (*graph.inputs, *(n.result for n in graph.nodes))), default=1)
    size = max(1, BATCH_ELEMENTS // max(1, widest))
    samples = max((len(feeds[value.name]) for value in graph.inputs), default=1)
    for start in range(0, max(samples, 1), size):
        yield {name: array[start : start + size] for name, array in feeds.items()}


def observe(graph: Graph, feeds: Mapping[str, Array], visit: Callable[[str, Array], None]) -> None:
    """Call `visit(name, array)` for every input and node result, batch after batch of samples.

    `feeds` holds one array per input, shape (samples, *shape[1:]); KeyError if one is missing. A frame graph is fed
    with whole clips (samples, frames, …), and `visit` sees its values frame after frame.
    """
    for batch in _batches(graph, feeds):
        if graph.stepped:
            FrameSession(graph).run(batch, visit)
            continue
        for name, array in _run(graph, batch):
            visit(name, array)


def trace(graph: Graph, feeds: Mapping[str, Array], names: Collection[str] | None = None) -> dict[str, Array]:
    """All values (or those in `names`) by name, with a leading samples axis; of a frame graph (samples, frames, …)."""
    if graph.stepped:
        return _trace_frames(graph, feeds, names)
    parts: dict[str, list[Array]] = {}

    def keep(name: str, array: Array) -> None:
        if names is None or name in names:
            parts.setdefault(name, []).append(array)

    observe(graph, feeds, keep)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _trace_frames(graph: Graph, feeds: Mapping[str, Array], names: Collection[str] | None) -> dict[str, Array]:
    batches: list[dict[str, Array]] = []
    for batch in _batches(graph, feeds):
        parts: dict[str, list[Array]] = {}

        def keep(name: str, array: Array, parts: dict[str, list[Array]] = parts) -> None:
            if names is None or name in names:
                parts.setdefault(name, []).append(array)

        FrameSession(graph).run(batch, keep)
        batches.append({name: np.stack(arrays, axis=1) for name, arrays in parts.items()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def evaluate(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs under their public names, for inputs with a leading samples axis."""
    if graph.stepped:
        batches = [FrameSession(graph).run(batch) for batch in _batches(graph, feeds)]
        return {name: np.concatenate([batch[name] for batch in batches]) for name in graph.outputs}
    values = trace(graph, feeds, {value.name for value in graph.outputs.values()})
    return {
        name: working(value.data) if value.is_constant else values[value.name] for name, value in graph.outputs.items()
    }

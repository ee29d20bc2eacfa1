"""What calibration samples say about replacing layers: how large their inputs are, and what the replacements change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np

from ...runtime import arith
from ..ir import Graph, Node, observe
from ..ir.ops.base import Array

# Few bits, so that the order of a BLAS's additions cannot reach what is decided from them.
MANTISSA = 16


def channel_rms(graph: Graph, samples: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
    """Root mean square of each channel (axis 1) of the named values, shape (C), over all samples."""
    squares: dict[str, Array] = {}
    counts: dict[str, int] = {}

    def visit(name: str, array: Array) -> None:
        if name in names:
            axes = tuple(i for i in range(array.ndim) if i != 1)
            squares[name] = squares.get(name, np.zeros(array.shape[1])) + np.square(array).sum(axis=axes)
            counts[name] = counts.get(name, 0) + array.size // array.shape[1]

    observe(graph, samples, visit)
    return {n: arith.round_mantissa(np.sqrt(total / max(1, counts[n])), MANTISSA) for n, total in squares.items()}


def output_errors(
    graph: Graph, samples: Mapping[str, Array], replacements: Mapping[Node, Callable[[Array], Array]]
) -> dict[Node, float]:
    """For each node and the function that shall replace it: ‖f(x) − y‖ / ‖y‖ over all samples, x and y being what the
    node reads and makes in this graph. A node that reads a constant is left out."""
    readers: dict[str, list[Node]] = {}
    for node in replacements:
        readers.setdefault(node.x.name, []).append(node)
    makers = {node.result.name: node for node in replacements}
    waiting: dict[Node, Array] = {}
    sums: dict[Node, Array] = {}

    def visit(name: str, array: Array) -> None:
        node = makers.get(name)
        if node is not None and node in waiting:
            squares = np.array([np.square(a).sum() for a in (waiting.pop(node) - array, array)])
            sums[node] = sums.get(node, np.zeros(2)) + squares
        for reader in readers.get(name, []):
            waiting[reader] = replacements[reader](array)

    observe(graph, samples, visit)
    return {node: float(np.sqrt(error / (total or 1.0))) for node, (error, total) in sums.items()}

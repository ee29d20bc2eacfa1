"""Quantizers behind quantizers: those that change nothing go.

A value that comes from a quantizer through ops that only move or compare elements is on its grid already.
"""

from __future__ import annotations

from ..ir import Graph, Node, Value
from ..ir.ops import Concat, FakeQuantize, MaxPool, Pad, Relu, Reshape, Slice, Transpose
from .base import Context

_KEEPS_GRID = (Concat, MaxPool, Relu, Reshape, Slice, Transpose)
DEPTH = 16


def _same_steps(a: Node, b: Node) -> bool:
    """Have two quantizers of whole tensors the same scale and zero point?"""
    pairs = zip(a.operands[1:], b.operands[1:], strict=True)
    return all(
        v is not None and w is not None and v.type.rank == w.type.rank == 0 and v.data == w.data for v, w in pairs
    )


def _within(inner: Node, outer: Node) -> bool:
    """Are all codes of one quantizer codes of the other?"""
    assert isinstance(inner.op, FakeQuantize) and isinstance(outer.op, FakeQuantize)
    (low, high), (least, most) = inner.op.limits, outer.op.limits
    return least <= low and high <= most


def _is_on_grid(value: Value, quantizer: Node, depth: int = DEPTH) -> bool:
    node = value.producer
    if node is None or not depth:
        return False
    if isinstance(node.op, FakeQuantize):
        return _same_steps(node, quantizer) and _within(node, quantizer)
    if isinstance(node.op, Pad) and node.op.value != 0:
        return False
    if not isinstance(node.op, (*_KEEPS_GRID, Pad)):
        return False
    return all(operand is not None and _is_on_grid(operand, quantizer, depth - 1) for operand in node.operands)


def drop_quantizer(graph: Graph, node: Node, context: Context) -> bool:
    """A quantizer of what has its codes already goes; of two with the same steps the narrower one is left."""
    if not isinstance(node.op, FakeQuantize):
        return False
    if _is_on_grid(node.x, node):
        graph.replace(node, node.x)
        return True
    inner = node.x.producer
    if (
        inner is None
        or not isinstance(inner.op, FakeQuantize)
        or not _same_steps(inner, node)
        or not _within(node, inner)
    ):
        return False
    graph.rewrite(node, node.op, inner.x, *node.operands[1:])
    return True

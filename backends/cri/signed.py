"""Sums that layers read without an activation between, in networks of activations: two trains, one for each sign."""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Concat, Mul, Relu
from ...compiler.passes.base import Context
from .trains import MOVES, POOLED, WEIGHTED


def has_weighted_term(value: Value) -> bool:
    """Is a weighted layer's result part of it?"""
    node = value.producer
    if node is None:
        return False
    if isinstance(node.op, (Add, Mul, Concat, *MOVES, *POOLED)):
        return any(operand is not None and has_weighted_term(operand) for operand in node.operands)
    return isinstance(node.op, WEIGHTED)


def split_signed(graph: Graph, node: Node, context: Context) -> bool:
    """A weighted layer on another one's result v reads relu(v) − relu(−v) instead: two populations of neurons."""
    if not isinstance(node.op, WEIGHTED):
        return False
    reader, index = node, 0
    while (inner := _next_reader(reader, index)) is not None:
        reader, index = inner
    value = reader.operands[index]
    if value is None or value.producer is None or not has_weighted_term(value):
        return False
    name, origin = value.name, value.origin
    plus = graph.add(Relu(), value, name=f"{name}.plus", origin=origin, before=reader)
    minus_one = graph.constant(f"{name}.minus_one", np.full((1,) * value.type.rank, -1.0, np.float32))
    negated = graph.add(Mul(), value, minus_one, name=f"{name}.negated", origin=origin, before=reader)
    minus = graph.add(Relu(), negated, name=f"{name}.minus", origin=origin, before=reader)
    back = graph.add(Mul(), minus, minus_one, name=f"{name}.minus.negated", origin=origin, before=reader)
    signed = graph.add(Add(), plus, back, name=f"{name}.signed", origin=origin, before=reader)
    graph.set_operands(reader, tuple(signed if i == index else v for i, v in enumerate(reader.operands)))
    context.warnings.append(
        f"%{name} has no activation and feeds another layer: it travels as two trains of levels, one for each sign"
    )
    return True


def _next_reader(reader: Node, index: int) -> tuple[Node, int] | None:
    """One step from a layer towards the linear value it reads, through moves, pools and concats."""
    value = reader.operands[index]
    node = None if value is None else value.producer
    if node is None or not isinstance(node.op, (*MOVES, *POOLED, Concat)):
        return None
    weighted = [i for i, v in enumerate(node.operands) if v is not None and has_weighted_term(v)]
    return (node, weighted[0]) if weighted else None

"""Products of single spikes are gates: neurons without a memory that see which of their inputs fire together.

    x · y        → threshold(x + y, 2)       AND
    x · (1 − y)  → threshold(x − y, 1)       IAND, x and not y

where x and y are 0 or 1 in every step. Products of anything else stay, and are refused later.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Concat, MaxPool, Mul, Pad, Threshold
from ...compiler.passes.base import Context, apply_rules
from .trains import MOVES, NEURON


def is_binary(graph: Graph, value: Value, events: Collection[Value], seen: frozenset[Value] = frozenset()) -> bool:
    """Is every element 0 or 1 in every step? `events` are the inputs that are."""
    if value in seen:
        return True
    if value in graph.feedback:
        return is_binary(graph, graph.feedback[value], events, seen | {value})
    node = value.producer
    if node is None:
        return value in events
    if isinstance(node.op, NEURON):
        return True
    if isinstance(node.op, Pad) and node.op.value not in (0, 1):
        return False
    operands = [operand for operand in node.operands if operand is not None]
    return isinstance(node.op, (*MOVES, Concat, MaxPool)) and all(is_binary(graph, v, events, seen) for v in operands)


def products_as_gates(graph: Graph, events: Collection[Value]) -> None:
    """Rewrite the products of single spikes."""

    def gate(graph: Graph, node: Node, context: Context) -> bool:
        return _gate(graph, node, events)

    apply_rules(graph, Context(), (gate,))


def _gate(graph: Graph, node: Node, events: Collection[Value]) -> bool:
    if not isinstance(node.op, Mul) or any(v is None or v.is_constant for v in node.operands):
        return False
    literals = [_literal(value) for value in node.operands if value is not None]
    same = all(value.type.shape == node.result.type.shape for value, _ in literals)
    if not same or not any(plain for _, plain in literals):
        return False
    if not all(is_binary(graph, value, events) for value, _ in literals):
        return False
    (x, _), (y, plain) = sorted(literals, key=lambda literal: not literal[1])
    name, origin = node.result.name, node.result.origin
    if not plain:
        minus = graph.constant(f"{name}.minus_one", np.array(-1.0, np.float32))
        y = graph.add(Mul(), y, minus, name=f"{name}.not", origin=origin, before=node)
    total = graph.add(Add(), x, y, name=f"{name}.sum", origin=origin, before=node)
    theta = graph.constant(f"{name}.threshold", np.array(2.0 if plain else 1.0, np.float32))
    graph.rewrite(node, Threshold(), total, theta)
    return True


def _literal(value: Value) -> tuple[Value, bool]:
    """(y, False) for a value that is 1 − y, else (value, True)."""
    inner, factor, offset = value, 1.0, 0.0
    while (node := inner.producer) is not None and isinstance(node.op, Add | Mul):
        number = node.operands[1]
        if number is None or not number.is_constant or np.any(number.data != number.data.flat[0]):
            break
        constant = float(number.data.flat[0])
        offset += factor * constant if isinstance(node.op, Add) else 0.0
        factor *= constant if isinstance(node.op, Mul) else 1.0
        inner = node.x
    return (inner, False) if (factor, offset) == (-1.0, 1.0) else (value, True)

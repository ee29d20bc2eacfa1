"""Activations as exporters spell them, recognised as one op.

    x · sigmoid(x)                                    silu
    x · clip(x + 3, 0, 6) / 6, x · hard_sigmoid(x)    hard_swish
    clip(x/6 + 1/2, 0, 1)                             hard_sigmoid
    x · (1 + erf(x / √2)) / 2                         gelu

Products are compared as sets of factors, so the order of multiplications does not matter.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Graph, Node, Value
from ..ir.ops import Activation, Add, Clip, Mul
from .base import Context

# Exporters write constants such as 1/√2 in float32, sometimes rounded twice.
TOLERANCE = 1e-6


def scalar(value: Value | None) -> float | None:
    """The number that every element of a constant has, None for anything else."""
    if value is None or not value.is_constant or value.data.size == 0:
        return None
    first = value.data.flat[0]
    return float(first) if np.all(value.data == first) else None


def factors(value: Value) -> tuple[float, list[Value]]:
    """A product of scalars and other values: (product of the scalars, the others)."""
    node = value.producer
    if node is None or not isinstance(node.op, Mul):
        return 1.0, [value]
    total, others = 1.0, list[Value]()
    for operand in node.operands:
        number = scalar(operand)
        if number is not None:
            total *= number
        elif operand is not None:
            more, inner = factors(operand) if not operand.is_constant else (1.0, [operand])
            total, others = total * more, others + inner
    return total, others


def shifted(value: Value) -> tuple[float, Value] | None:
    """(c, x) of x + c with a scalar c."""
    node = value.producer
    if node is None or not isinstance(node.op, Add):
        return None
    for constant, other in (node.operands, node.operands[::-1]):
        number = scalar(constant)
        if number is not None and other is not None:
            return number, other
    return None


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE * abs(b)


def _is_scaled(value: Value, x: Value, scale: float) -> bool:
    number, others = factors(value)
    return others == [x] and _close(number, scale)


def _gate(gate: Value, x: Value) -> tuple[str, float] | None:
    """(kind, scale) if x · gate · scale is an activation."""
    op = gate.op
    if isinstance(op, Activation) and gate.producer is not None and gate.producer.x is x:
        return {"sigmoid": ("silu", 1.0), "hard_sigmoid": ("hard_swish", 1.0)}.get(op.kind)
    if op == Clip(0.0, 6.0) and gate.producer is not None:
        moved = shifted(gate.producer.x)
        return ("hard_swish", 1 / 6) if moved == (3.0, x) else None
    moved = shifted(gate)
    if moved is None or moved[0] != 1.0 or moved[1].producer is None:
        return None
    inner = moved[1].producer
    if inner.op == Activation("erf") and _is_scaled(inner.x, x, 1 / math.sqrt(2)):
        return "gelu", 0.5
    return None


def recognise_activation(graph: Graph, node: Node, context: Context) -> bool:
    """One op in the place of a spelled-out activation."""
    if isinstance(node.op, Mul):
        scale, others = factors(node.result)
        if len(others) != 2 or others[0].type != others[1].type:
            return False
        for x, gate in (others, others[::-1]):
            found = _gate(gate, x)
            if found is not None and _close(scale, found[1]) and x.type == node.result.type:
                graph.rewrite(node, Activation(found[0]), x)
                return True
    if node.op == Clip(0.0, 1.0):
        moved = shifted(node.x)
        if moved is not None and _close(moved[0], 0.5):
            number, others = factors(moved[1])
            if len(others) == 1 and _close(number, 1 / 6) and others[0].type == node.result.type:
                graph.rewrite(node, Activation("hard_sigmoid"), others[0])
                return True
    return False

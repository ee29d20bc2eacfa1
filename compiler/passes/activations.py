"""Activations as exporters spell them, recognised as one op.

    x · sigmoid(x), x · sigmoid(a·x)                  silu, swish
    x · clip(x + 3, 0, 6) / 6, x · hard_sigmoid(x)    hard_swish
    clip(x/6 + 1/2, 0, 1)                             hard_sigmoid
    x · (1 + erf(x / √2)) / 2                         gelu
    x · (1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2      gelu_tanh
    x · tanh(softplus(x))                             mish

Products are compared as sets of factors, and what stands inside an erf, tanh, sigmoid or clip as a polynomial in x, so
neither the order nor the grouping of sums and products matters.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Graph, Node, Value
from ..ir.ops import Activation, Add, Clip, Mul
from .base import Context

# Exporters write constants such as 1/√2 in float32, sometimes rounded twice.
TOLERANCE = 1e-6
# How many sums and products are looked through: a value may be used twice in each, so the work doubles with each.
DEPTH = 8

Polynomial = dict[int, float]
# What stands inside the erf and the tanh of a GELU.
GELU_ERF: Polynomial = {1: 1 / math.sqrt(2)}
GELU_TANH: Polynomial = {1: math.sqrt(2 / math.pi), 3: math.sqrt(2 / math.pi) * 0.044715}


def scalar(value: Value | None) -> float | None:
    """The number that every element of a constant has, None for anything else."""
    if value is None or not value.is_constant or value.data.size == 0:
        return None
    first = value.data.flat[0]
    return float(first) if np.all(value.data == first) else None


def factors(value: Value, depth: int = DEPTH) -> tuple[float, list[Value]]:
    """A product of scalars and other values: (product of the scalars, the others)."""
    node = value.producer
    if node is None or not isinstance(node.op, Mul) or not depth:
        return 1.0, [value]
    total, others = 1.0, list[Value]()
    for operand in node.operands:
        number = scalar(operand)
        if number is not None:
            total *= number
        elif operand is not None:
            more, inner = factors(operand, depth - 1) if not operand.is_constant else (1.0, [operand])
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


def polynomial(value: Value | None, x: Value, depth: int = DEPTH) -> Polynomial | None:
    """Coefficients by power of a value that is a polynomial in x of degree 3 at most; None for anything else."""
    if value is x:
        return {1: 1.0}
    number = scalar(value)
    if number is not None:
        return {0: number}
    node = value.producer if value is not None else None
    if node is None or not isinstance(node.op, Add | Mul) or not depth:
        return None
    a, b = (polynomial(operand, x, depth - 1) for operand in node.operands)
    if a is None or b is None or (isinstance(node.op, Mul) and max(a) + max(b) > 3):
        return None
    made: Polynomial = {}
    terms = [(i + j, p * q) for i, p in a.items() for j, q in b.items()]
    for power, coefficient in terms if isinstance(node.op, Mul) else [*a.items(), *b.items()]:
        made[power] = made.get(power, 0.0) + coefficient
    return made


def _is(value: Value | None, x: Value, wanted: Polynomial) -> bool:
    """Is the value this polynomial in x?"""
    found = polynomial(value, x)
    return found is not None and found.keys() == wanted.keys() and all(_close(found[i], wanted[i]) for i in wanted)


def _sigmoid_gate(inside: Value, x: Value) -> Activation | None:
    """x · sigmoid(inside), if inside is a multiple of x."""
    found = polynomial(inside, x)
    if found is None or found.keys() != {1}:
        return None
    return Activation("silu") if found[1] == 1 else Activation("swish", found[1])


def _gate(gate: Value, x: Value) -> tuple[Activation, float] | None:
    """(activation, scale) if x · gate · scale is an activation."""
    node = gate.producer
    if node is None:
        return None
    inside = node.x
    if node.op == Activation("sigmoid"):
        found = _sigmoid_gate(inside, x)
        return None if found is None else (found, 1.0)
    if node.op == Activation("hard_sigmoid") and inside is x:
        return Activation("hard_swish"), 1.0
    if node.op == Clip(0.0, 6.0) and _is(inside, x, {0: 3.0, 1: 1.0}):
        return Activation("hard_swish"), 1 / 6
    softplus = inside.producer
    if node.op == Activation("tanh") and softplus is not None and softplus.op == Activation("softplus"):
        return (Activation("mish"), 1.0) if softplus.x is x else None
    moved = shifted(gate)
    curve = None if moved is None or moved[0] != 1.0 else moved[1].producer
    if curve is not None and curve.op == Activation("erf") and _is(curve.x, x, GELU_ERF):
        return Activation("gelu"), 0.5
    if curve is not None and curve.op == Activation("tanh") and _is(curve.x, x, GELU_TANH):
        return Activation("gelu_tanh"), 0.5
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
                graph.rewrite(node, found[0], x)
                return True
    if node.op == Clip(0.0, 1.0):
        moved = shifted(node.x)
        if moved is not None and _close(moved[0], 0.5):
            number, others = factors(moved[1])
            if len(others) == 1 and _close(number, 1 / 6) and others[0].type == node.result.type:
                graph.rewrite(node, Activation("hard_sigmoid"), others[0])
                return True
    return False

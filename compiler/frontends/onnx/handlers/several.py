"""Sums, means, maxima and minima of any number of operands."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Clip, Mul
from ...common.emit import Array, as_float32
from ...common.problems import DependsOnRefused
from ..call import Call, Unknown
from .elementwise import aligned, factor


def _known(call: Call) -> list[Value | Array]:
    """All operands; DependsOnRefused if one of them is unknown."""
    operands = [call.operand(i) for i in range(len(call.operands))]
    if any(isinstance(operand, Unknown) for operand in operands):
        raise DependsOnRefused
    return [operand for operand in operands if isinstance(operand, Value | np.ndarray)]


def _total(call: Call, role: str) -> tuple[Value, int]:
    """The sum of all operands, and how many they are."""
    operands = _known(call)
    x = next((operand for operand in operands if isinstance(operand, Value)), None) or call.value()
    values = [o if isinstance(o, Value) else call.weight(f"addend{i + 1}", o) for i, o in enumerate(operands)]
    for operand in operands:
        aligned(call, x, operand)
    result = values[0]
    for i, value in enumerate(values[1:], 2):
        result = call.emit(Add(), result, value, part="" if role == "sum" and i == len(values) else f"sum{i}")
    return result, len(values)


def sum_(call: Call) -> Value:
    return _total(call, "sum")[0]


def mean(call: Call) -> Value:
    """The sum of n operands times 1/n, rounded to float32."""
    total, count = _total(call, "mean")
    return total if count == 1 else call.emit(Mul(), total, factor(call, np.array(1 / count, np.float32)))


def _bounded(call: Call, low: bool) -> Value:
    """The larger or smaller one of a computed value and single constant numbers: a clip."""
    operands = _known(call)
    values = [operand for operand in operands if isinstance(operand, Value)]
    why = "it chooses between computed values"
    call.require(
        len(values) == 1, "NMC-I011", why, "Max and Min with one constant, Relu, Clip and MaxPool are imported"
    )
    bounds = [as_float32(operand) for operand in operands if not isinstance(operand, Value)]
    for bound in bounds:
        aligned(call, values[0], bound)
        same = bound.size > 0 and bool(np.all(bound == bound.reshape(-1)[0]))
        grows = bound.size > 1 and np.broadcast_shapes(values[0].type.shape, bound.shape) != values[0].type.shape
        call.require(same and not grows, "NMC-I011", f"its constant of shape {list(bound.shape)} is not one number")
    numbers = [float(bound.reshape(-1)[0]) for bound in bounds]
    if not numbers:
        return values[0]
    return call.emit(Clip(max(numbers), None) if low else Clip(None, min(numbers)), values[0])


def max_(call: Call) -> Value:
    return _bounded(call, low=True)


def min_(call: Call) -> Value:
    return _bounded(call, low=False)

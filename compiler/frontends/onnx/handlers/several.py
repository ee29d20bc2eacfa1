"""Sums, means, maxima and minima of any number of operands, and choices by a constant condition."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Clip, Mask, Maximum, Minimum, Mul
from ...common.emit import Array, as_float32, is_float
from ..call import Call
from .elementwise import aligned, factor


def _known(call: Call) -> list[Value | Array]:
    """All operands that are there."""
    return [operand for operand in call.given() if operand is not None]


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


def _is_number(x: Value, constant: Array) -> bool:
    """Is the constant one number, which leaves x its shape?"""
    same = constant.size > 0 and bool(np.all(constant == constant.reshape(-1)[0]))
    return same and (constant.size == 1 or np.broadcast_shapes(x.type.shape, constant.shape) == x.type.shape)


def _extreme(call: Call, low: bool) -> Value:
    """The larger or smaller one of all operands: a clip where the others are numbers."""
    operands = _known(call)
    values = [operand for operand in operands if isinstance(operand, Value)]
    x = values[0] if values else call.value()
    for operand in operands:
        aligned(call, x, operand)
    constants = [as_float32(operand) for operand in operands if not isinstance(operand, Value)]
    numbers = [float(constant.reshape(-1)[0]) for constant in constants if _is_number(x, constant)]
    others = [call.weight(f"bound{i}", c) for i, c in enumerate(constants, 1) if not _is_number(x, c)]
    others = [*values[1:], *others]
    for i, other in enumerate(others, 1):
        x = call.emit(
            Maximum() if low else Minimum(), x, other, part="" if i == len(others) and not numbers else f"of{i + 1}"
        )
    if not numbers:
        return x
    return call.emit(Clip(max(numbers), None) if low else Clip(None, min(numbers)), x)


def max_(call: Call) -> Value:
    return _extreme(call, low=True)


def min_(call: Call) -> Value:
    return _extreme(call, low=False)


def where(call: Call) -> Value:
    """x where a constant condition holds, else y: one value masked with a number, or a sum of what each side gives."""
    condition, operands = call.constant(0, "condition"), _known(call)[1:]
    call.require(condition.dtype == np.bool_, "NMC-I011", f"its condition is {condition.dtype}, not BOOL")
    call.require(len(operands) == 2, "NMC-I011", f"it has {len(operands) + 1} operands")
    x = next((operand for operand in operands if isinstance(operand, Value)), None) or call.value(1)
    for operand in (condition, *operands):
        aligned(call, x, operand)
    sides = list(zip(("chosen", "other"), operands, (condition, ~condition), strict=True))
    for _, fill, beside in sides:
        if isinstance(fill, np.ndarray) and is_float(fill) and fill.size and np.all(fill == fill.reshape(-1)[0]):
            shape = np.broadcast_shapes(x.type.shape, condition.shape, fill.shape)
            value = float(fill.reshape(-1)[0])
            return call.emit(Mask(value), _grown(call, x, shape), _keep(call, "keep", ~beside))
    return call.emit(Add(), *(_kept(call, *side) for side in sides))


def _keep(call: Call, role: str, keep: Array) -> Value:
    return call.weight(role, keep.astype(np.float32))


def _kept(call: Call, name: str, side: Value | Array, keep: Array) -> Value:
    """One side of a choice, 0 where the other is chosen."""
    if isinstance(side, Value):
        whole = _grown(call, side, np.broadcast_shapes(side.type.shape, keep.shape), f"{name}.whole")
        return call.emit(Mask(0.0), whole, _keep(call, f"{name}.keep", keep), part=name)
    shape = np.broadcast_shapes(keep.shape, side.shape)
    return call.weight(name, np.where(keep, np.broadcast_to(as_float32(side), shape), np.float32(0)))


def _grown(call: Call, x: Value, shape: tuple[int, ...], part: str = "whole") -> Value:
    """x repeated along axes of length 1 up to this shape."""
    if shape == x.type.shape:
        return x
    ones = tuple(1 if size == have else size for size, have in zip(shape, x.type.shape, strict=True))
    return call.emit(Mul(), x, call.weight(f"{part}.ones", np.ones(ones, np.float32)), part=part)

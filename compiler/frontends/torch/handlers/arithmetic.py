"""Sums, products and bounds, element by element, of computed values, constants and numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Clip, Divide, Function, Mul, Power
from ...common.emit import Array
from ..call import Call

Operand = Value | Array


def _aligned(call: Call, x: Value, other: Operand) -> None:
    """Refusal if broadcasting would put something before the samples, or give each sample its own number."""
    shape = other.type.shape if isinstance(other, Value) else other.shape
    both = "both operands must have their samples in front: "
    fits = len(shape) == x.type.rank if isinstance(other, Value) else len(shape) <= x.type.rank
    call.require(fits, "NMC-I015", f"{both}shapes {list(x.type.shape)} and {list(shape)} align from the right")
    first = len(shape) < x.type.rank or shape[0] == 1
    call.require(first, "NMC-I015", f"its constant of shape {list(shape)} holds another number for each sample")


def _operands(call: Call, a: Any, b: Any) -> tuple[Operand, Operand]:
    """Both operands; the constant one as floats."""
    first = a if isinstance(a, Value) else call.floats(a, "first operand")
    second = b if isinstance(b, Value) else call.floats(b, "second operand")
    if isinstance(first, Value):
        _aligned(call, first, second)
    elif isinstance(second, Value):
        _aligned(call, second, first)
    return first, second


def _placed(call: Call, operand: Operand, role: str) -> Value:
    return operand if isinstance(operand, Value) else call.weight(role, operand)


def both(call: Call, a: Any, b: Any) -> tuple[Value, Value]:
    """Both operands of an operation, the constant one as a weight."""
    first, second = _operands(call, a, b)
    return _placed(call, first, "constant"), _placed(call, second, "constant")


def _times(call: Call, x: Operand, factor: float, part: str) -> Operand:
    if factor == 1.0:
        return x
    if not isinstance(x, Value):
        return (x.astype(np.float64) * factor).astype(np.float32)
    return call.emit(Mul(), x, call.weight(f"{part}.factor", np.array(factor, np.float32)), part=part)


def add(call: Call, input: Any, other: Any, *, alpha: float = 1, out: None = None) -> Value:
    """input + alpha · other."""
    a, b = _operands(call, input, other)
    b = _times(call, b, call.number(alpha, "alpha"), "scaled")
    return call.emit(Add(), _placed(call, a, "addend"), _placed(call, b, "addend"))


def sub(call: Call, input: Any, other: Any, *, alpha: float = 1, out: None = None) -> Value:
    """x − c is x + (−c); a − y is a + (−1 · y)."""
    a, b = _operands(call, input, other)
    b = _times(call, b, -call.number(alpha, "alpha"), "negated")
    a, b = (a, b) if isinstance(a, Value) else (b, a)
    return call.emit(Add(), _placed(call, a, "addend"), _placed(call, b, "addend"))


def rsub(call: Call, input: Any, other: Any, alpha: float = 1) -> Value:
    """other − alpha · input."""
    return sub(call, other, input, alpha=alpha)


def mul(call: Call, input: Any, other: Any, *, out: None = None) -> Value:
    a, b = _operands(call, input, other)
    return call.emit(Mul(), _placed(call, a, "factor"), _placed(call, b, "factor"))


def div(call: Call, input: Any, other: Any, *, rounding_mode: str | None = None, out: None = None) -> Value:
    """x / c is x · (1/c), where 1/c is rounded to float32."""
    call.require(rounding_mode is None, "NMC-I011", f"its rounding_mode is {rounding_mode!r}")
    if isinstance(other, Value):
        return call.emit(Divide(), *both(call, input, other))
    a, b = _operands(call, input, other)
    assert isinstance(a, Value) and not isinstance(b, Value)
    divisor = b.astype(np.float64)
    call.require(bool(np.all(divisor != 0)), "NMC-I011", "it divides by zero")
    return call.emit(Mul(), a, call.weight("factor", 1 / divisor))


def neg(call: Call, input: Any) -> Value:
    return call.emit(Mul(), call.value(input), call.weight("factor", np.array(-1, np.float32)))


def power(call: Call, input: Any, exponent: Any) -> Value:
    """x² and x³ as products, √x and 1/x as functions; x¹ is x. Everything else is a power."""
    if not isinstance(input, Value) or isinstance(exponent, Value) or np.size(call.constant(exponent, "exponent")) != 1:
        return call.emit(Power(), *both(call, input, exponent))
    times = call.number(exponent, "exponent")
    if times in (0.5, -1):
        return call.emit(Function("sqrt" if times > 0 else "reciprocal"), input)
    if times not in (1, 2, 3):
        return call.emit(Power(), input, call.weight("exponent", np.array(times, np.float32)))
    result = input
    for i in range(2, int(times) + 1):
        result = call.emit(Mul(), result, input, part="" if i == times else "squared")
    return result


def square(call: Call, input: Any) -> Value:
    return power(call, input, 2)


def _bound(call: Call, limit: Any, role: str, none: float) -> float | None:
    """A bound of a clip; None where it does not bind."""
    if limit is None:
        return None
    array = call.constant(limit, role)
    call.require(array.size == 1, "NMC-I011", f"its {role} is not a single number")
    found = float(array.reshape(-1)[0])
    call.require(found == none or math.isfinite(found), "NMC-I011", f"its {role} is {found}")
    return None if found == none else found


def clamp(call: Call, input: Any, min: Any = None, max: Any = None) -> Value:
    low, high = _bound(call, min, "min", -math.inf), _bound(call, max, "max", math.inf)
    return call.emit(Clip(low, high), call.value(input))


def clamp_min(call: Call, input: Any, min: Any) -> Value:
    return clamp(call, input, min)


def clamp_max(call: Call, input: Any, max: Any) -> Value:
    return clamp(call, input, None, max)

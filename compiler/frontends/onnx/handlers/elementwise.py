"""Activations, sums, scalings, batch norm, and what does nothing in inference."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Add, BatchNorm, Clip, Divide, Function, Mask, Mul, Power, Relu
from ...common.emit import Array, as_float32, is_float, is_mask
from ..call import Call, Result
from ..tensors import FLOATS, type_name


def relu(call: Call) -> Value:
    return call.emit(Relu(), call.value())


def _bound(call: Call, index: int, role: str) -> float | None:
    """A bound of Clip: attribute `min` or `max` to opset 10, operand from 11; None if it does not bind."""
    if call.opset < 11:
        limit = call.number(role, None)
    else:
        array = call.optional_constant(index, role)
        call.require(array is None or array.size == 1, "NMC-I012", f"{role} is not a single number")
        limit = None if array is None else float(array.reshape(-1)[0])
    infinite = math.inf if role == "max" else -math.inf
    call.require(limit is None or limit == infinite or math.isfinite(limit), "NMC-I011", f"its {role} is {limit}")
    return None if limit == infinite else limit


def clip(call: Call) -> Value:
    low, high = _bound(call, 1, "min"), _bound(call, 2, "max")
    return call.emit(Clip(low, high), call.value())


def aligned(call: Call, x: Value, other: Value | Array) -> None:
    """Refusal if broadcasting would put something before the samples, or give each sample its own number."""
    shape = other.type.shape if isinstance(other, Value) else other.shape
    both = "both operands must have their samples in front: "
    fits = len(shape) == x.type.rank if isinstance(other, Value) else len(shape) <= x.type.rank
    call.require(fits, "NMC-I015", f"{both}shapes {list(x.type.shape)} and {list(shape)} align from the right")
    first = len(shape) < x.type.rank or shape[0] == 1
    call.require(first, "NMC-I015", f"its constant of shape {list(shape)} holds another number for each sample")


def _operands(call: Call) -> tuple[Value | Array, Value | Array]:
    """Both operands of a binary op, at least one of them a value."""
    a, b = call.operand(0), call.operand(1)
    if isinstance(a, Value):
        b = call.value(1) if b is None else b
        aligned(call, a, b)
        return a, b
    b = call.value(1)
    a = call.constant(0, "first operand")
    aligned(call, b, a)
    return a, b


def _addend(call: Call, array: Array) -> Value:
    return call.weight("addend", array)


def factor(call: Call, array: Array) -> Value:
    """A constant that something is multiplied by."""
    return call.weight("factor", array)


def _masked(call: Call, x: Value, addend: Array) -> Value:
    """x plus a constant that is −∞ in places."""
    hidden = np.isneginf(addend)
    finite = np.where(hidden, np.float32(0), addend)
    total = call.emit(Add(), x, _addend(call, finite), part="sum")  # it also gives x the shape of the result
    return call.emit(Mask(-math.inf), total, call.weight("keep", (~hidden).astype(np.float32)))


def add(call: Call) -> Value:
    a, b = _operands(call)
    for x, addend in ((a, b), (b, a)):
        if isinstance(x, Value) and not isinstance(addend, Value) and is_float(addend) and is_mask(addend):
            return _masked(call, x, addend)
    a = a if isinstance(a, Value) else _addend(call, a)
    return call.emit(Add(), a, b if isinstance(b, Value) else _addend(call, b))


def _negated(call: Call, x: Value) -> Value:
    return call.emit(Mul(), x, factor(call, np.array(-1, np.float32)), part="negated")


def sub(call: Call) -> Value:
    """x − c is x + (−c); a − y is a + (−1 · y)."""
    a, b = _operands(call)
    if not isinstance(b, Value):
        assert isinstance(a, Value)
        return call.emit(Add(), a, _addend(call, -as_float32(b)))
    if isinstance(a, Value):
        return call.emit(Add(), a, _negated(call, b))
    return call.emit(Add(), _negated(call, b), _addend(call, a))


def mul(call: Call) -> Value:
    a, b = _operands(call)
    a = a if isinstance(a, Value) else factor(call, a)
    return call.emit(Mul(), a, b if isinstance(b, Value) else factor(call, b))


def div(call: Call) -> Value:
    """x / c is x · (1/c), where 1/c is rounded to float32."""
    a, b = _operands(call)
    if isinstance(b, Value):
        return call.emit(Divide(), a if isinstance(a, Value) else call.weight("dividend", a), b)
    assert isinstance(a, Value)
    divisor = as_float32(b).astype(np.float64)
    call.require(bool(np.all(divisor != 0)), "NMC-I011", "it divides by zero")
    return call.emit(Mul(), a, factor(call, 1 / divisor))


def pow_(call: Call) -> Value:
    """x² and x³ as products, √x and 1/x as functions; x¹ is x. Everything else is a power."""
    a, b = _operands(call)
    if not isinstance(a, Value) or isinstance(b, Value):
        sides = (
            call.weight(role, _as_float(c)) if isinstance(c, np.ndarray) else c
            for role, c in (("base", a), ("exponent", b))
        )
        return call.emit(Power(), *sides)
    power = float(b.reshape(-1)[0]) if b.size == 1 and b.ndim <= a.type.rank else math.nan
    if power in (0.5, -1):
        return call.emit(Function("sqrt" if power > 0 else "reciprocal"), a)
    if power not in (1, 2, 3):
        return call.emit(Power(), a, call.weight("exponent", _as_float(b)))
    result = a
    for i in range(2, int(power) + 1):
        result = call.emit(Mul(), result, a, part="" if i == power else "squared")
    return result


def _as_float(array: Array) -> Array:
    """Exponents may be whole numbers."""
    return array if is_float(array) else array.astype(np.float32)


def batch_norm(call: Call) -> Value:
    call.ignore("momentum")
    training = call.opset >= 14 and call.flag("training_mode")
    training = training or (call.opset < 14 and any(call.proto.output[1:]))
    hint = "call model.eval() before exporting"
    call.require(not training, "NMC-I011", "it is in training mode: its statistics would come from the inputs", hint)
    roles = ("gamma", "beta", "mean", "variance")
    arrays = [call.constant(i, role) for i, role in enumerate(roles, 1)]
    epsilon = call.finite("epsilon", 1e-5)
    weights = [call.weight(role, array) for role, array in zip(roles, arrays, strict=True)]
    call.require(bool(np.all(weights[3].data + epsilon > 0)), "NMC-I011", "a variance is negative")
    return call.emit(BatchNorm(epsilon), call.value(), *weights)


def identity(call: Call) -> Result:
    """The operand itself, be it constant or computed."""
    operand = call.operand(0)
    return operand if isinstance(operand, np.ndarray) else call.value()


def dropout(call: Call) -> Result:
    """Does nothing in inference; the mask must not be used."""
    call.ignore("ratio", "seed")
    call.optional_constant(1, "ratio")
    training = call.optional_constant(2, "training_mode")
    hint = "call model.eval() before exporting"
    call.require(training is None or not training.any(), "NMC-I011", "it is in training mode", hint)
    return identity(call)


def cast(call: Call) -> Value:
    """A cast of a value to a float type does nothing: nmc computes in float32 throughout."""
    call.ignore("saturate", "round_mode")  # about float8 only
    to = call.required_integer("to")
    why = f"it casts a computed value to {type_name(to)}; networks compute with floats"
    call.require(to in FLOATS, "NMC-I011", why)
    return call.value()


def cast_like(call: Call) -> Result:
    """Computed values are floats, so a constant that becomes like one becomes a float."""
    call.ignore("saturate", "round_mode")
    x, like = call.operand(0), call.operand(1)
    to_float = isinstance(like, Value) or (isinstance(like, np.ndarray) and is_float(like))
    call.require(to_float, "NMC-I011", "it casts a computed value to an integer type")
    if not isinstance(x, np.ndarray):
        return call.value()
    return x if is_float(x) else x.astype(np.float32)


def neg(call: Call) -> Value:
    return call.emit(Mul(), call.value(), factor(call, np.array(-1, np.float32)))


def absolute(call: Call, x: Value, part: str = "") -> Value:
    """|x| is max(x, 0) + max(−x, 0)."""
    positive = call.emit(Relu(), x, part="positive")
    negative = call.emit(Relu(), _negated(call, x), part="negative")
    return call.emit(Add(), positive, negative, part=part)


def abs_(call: Call) -> Value:
    return absolute(call, call.value())

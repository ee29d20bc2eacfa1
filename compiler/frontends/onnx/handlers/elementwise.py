"""Activations, sums, scalings, batch norm, and what does nothing in inference."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Add, BatchNorm, Clip, Mul, Relu
from ...common.emit import Array, as_float32, is_float
from ...common.problems import DependsOnRefused, Refusal
from ..call import Call, Result, Unknown
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
    if isinstance(a, Unknown) or isinstance(b, Unknown):
        raise DependsOnRefused
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


def add(call: Call) -> Value:
    a, b = _operands(call)
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
        hint = "divide by constants only; a norm or softmax over computed values has no counterpart"
        raise Refusal("NMC-I013", f"it divides by a computed value (%{b.name})", hint)
    assert isinstance(a, Value)
    divisor = as_float32(b).astype(np.float64)
    call.require(bool(np.all(divisor != 0)), "NMC-I011", "it divides by zero")
    return call.emit(Mul(), a, factor(call, 1 / divisor))


def pow_(call: Call) -> Value:
    """x², x³ as products; x¹ is x."""
    exponent = call.constant(1, "exponent")
    why = f"its exponents have shape {list(exponent.shape)}"
    call.require(exponent.size == 1 and exponent.ndim <= call.value().type.rank, "NMC-I011", why, "use one exponent")
    power = float(exponent.reshape(-1)[0])
    why, hint = f"its exponent is {power:g}", "exponents 1, 2 and 3 are imported"
    call.require(power in (1, 2, 3), "NMC-I011", why, hint)
    x = result = call.value()
    for i in range(2, int(power) + 1):
        result = call.emit(Mul(), result, x, part="" if i == power else "squared")
    return result


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
    if isinstance(x, Unknown) or isinstance(like, Unknown):
        raise DependsOnRefused
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

"""QONNX, as Brevitas and FINN write it: Quant rounds to any number of bits, in real numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....ir import Value
from ....ir.ops import FakeQuantize
from ...common.emit import Array, as_float32
from ...common.problems import Refusal
from ..call import Call, Result

_EVEN = ("ROUND", "HALF_EVEN")
# How weights may be rounded beside that: to the next code below, above, away from 0, towards 0; ties away from, to 0.
_OF_WEIGHTS: dict[str, Callable[[Array], Array]] = {
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "UP": lambda q: np.copysign(np.ceil(np.abs(q)), q),
    "DOWN": np.trunc,
    "HALF_UP": lambda q: np.copysign(np.floor(np.abs(q) + 0.5), q),
    "HALF_DOWN": lambda q: np.copysign(np.ceil(np.abs(q) - 0.5), q),
}


def _bits(call: Call, index: int) -> int:
    array = call.constant(index, "bit width")
    bits = float(array.reshape(-1)[0]) if array.size == 1 else 0.0
    why = f"its bit width is {array.reshape(-1)[:3].tolist()}"
    call.require(bits == int(bits) and 1 <= bits <= 32, "NMC-I011", why, "one whole number of 1 to 32 bits")
    return int(bits)


def _axis_of(call: Call, scale: Array, zero: Array, rank: int) -> int:
    """The one axis along which scale or zero point differ, 1 if none does."""
    found = set[int]()
    for array in (scale, zero):
        call.require(array.ndim <= max(rank, 1), "NMC-I012", f"scales of shape {list(array.shape)} for {rank} axes")
        found |= {rank - array.ndim + i for i, size in enumerate(array.shape) if size > 1}
    call.require(len(found) <= 1, "NMC-I011", "it has a scale for each block", "quantize per tensor or per channel")
    return found.pop() if found else 1


def _weights(call: Call, x: Array, scale: Array, zero: Array, op: FakeQuantize, rounding: str) -> Array:
    """Rounded weights. QONNX clips before it rounds, and takes one signed bit for the codes −1 and 1."""
    call.model.integer_weights |= x.ndim > 1
    codes = x / scale + zero
    if op.bits == 1 and op.signed:
        codes = np.where(codes >= 0, np.float32(1), np.float32(-1))
    else:
        codes = _OF_WEIGHTS[rounding](np.clip(codes, *op.limits))
    return ((codes - zero) * scale).astype(np.float32)


def quant(call: Call) -> Result:
    """y = scale · (clip(round(x / scale + zero_point)) − zero_point)."""
    rounding, constant = call.text("rounding_mode", "ROUND").upper(), isinstance(call.operand(0), np.ndarray)
    known = rounding in _EVEN or (constant and rounding in _OF_WEIGHTS)
    call.require(known, "NMC-I011", f"its rounding mode is {rounding}", "rounding_mode=ROUND")
    signed, narrow = call.flag("signed", True), call.flag("narrow", False)
    scale, zero = as_float32(call.constant(1, "scale")), as_float32(call.constant(2, "zero point"))
    bits, x = _bits(call, 3), call.operand(0)
    call.require(
        bool(np.all(scale > 0)), "NMC-I011", "its scale is not positive", "the file is damaged, or training failed"
    )
    whole = bool(np.all(zero == np.rint(zero)) and np.all(np.abs(zero) < 1 << 31))
    call.require(whole, "NMC-I011", "its zero point is no whole number", "a whole zero point keeps real 0 exact")
    given = x if isinstance(x, np.ndarray) else call.value()
    shape = given.shape if isinstance(given, np.ndarray) else given.type.shape
    axis = _axis_of(call, scale, zero, len(shape))
    along = max(scale.size, zero.size)
    s, z = (np.broadcast_to(p.reshape(-1), (along,)).reshape(() if along == 1 else (-1,)) for p in (scale, zero))
    call.require(along == 1 or (axis < len(shape) and shape[axis] == along), "NMC-I012", f"{along} scales for {shape}")
    op, z = FakeQuantize(bits, signed, axis, narrow), z.astype(np.int32)
    if isinstance(given, np.ndarray) and (rounding not in _EVEN or (bits == 1 and signed)):
        return _weights(call, as_float32(given), scale, zero, op, rounding)
    call.require(bits > 1 or not signed, "NMC-I011", "it makes activations of one bit", "Quant with 2 bits or more")
    if isinstance(given, np.ndarray):
        call.model.integer_weights |= given.ndim > 1
        return op.evaluate(as_float32(given), s, z).astype(np.float32)
    call.require(along == 1 or axis > 0, "NMC-I015", "it gives each sample a scale of its own")
    return call.emit(op, given, call.weight("scale", s), call.graph.constant(f"{call.name}.zero_point", z))


def bipolar_quant(call: Call) -> Array:
    """scale where x ≥ 0, −scale elsewhere; weights only."""
    x = call.operand(0)
    if isinstance(x, Value):
        raise Refusal("NMC-I011", "it makes activations of one bit", "Quant with 2 bits or more for activations")
    scale = as_float32(call.constant(1, "scale"))
    weight = as_float32(call.constant(0, "weight"))
    call.model.integer_weights |= weight.ndim > 1
    return (np.where(weight >= 0, np.float32(1), np.float32(-1)) * scale).astype(np.float32)


def trunc(call: Call) -> Value:
    why = "what it computes differs between versions of QONNX"
    raise Refusal("NMC-I011", why, "export with an average pool and a Quant behind it")


def float_quant(call: Call) -> Value:
    raise Refusal("NMC-I011", "it rounds to small floats, and both machines compute with whole numbers", "use Quant")


QONNX: dict[str, Callable[[Call], Result]] = {
    "BipolarQuant": bipolar_quant,
    "FloatQuant": float_quant,
    "IntQuant": quant,
    "Quant": quant,
    "Trunc": trunc,
}
QONNX_DOMAINS = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")

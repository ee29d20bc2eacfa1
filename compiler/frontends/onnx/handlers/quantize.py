"""What the handlers of quantized operators share: operands with their scales, and results rounded to codes."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import FakeQuantize
from ...common.emit import Array, as_float32, is_float
from ...common.problems import Refusal
from ..call import Call
from ..codes import TYPES, Coded, Codes

_BLOCKS = "quantize per tensor or per channel"


def _parameter(call: Call, array: Array, what: str) -> Array:
    """A scale or zero point as a single number () or a list (n)."""
    call.require(
        array.ndim <= 1, "NMC-I011", f"its {what} has shape {list(array.shape)}: it is quantized by blocks", _BLOCKS
    )
    return array.reshape(()) if array.size == 1 else array


def read_codes(call: Call, scale: Array, zero_point: Array | None, default: str = "uint8", axis: int = 1) -> Codes:
    """Scale, zero point and integer type of codes. Refusal for what nmc does not hold."""
    call.require(is_float(scale), "NMC-I011", f"its scale has element type {scale.dtype}")
    narrow = scale.dtype.itemsize < 4
    call.require(not narrow, "NMC-I011", f"its scale is {scale.dtype}, in which it computes", "use float32 scales")
    s = _parameter(call, as_float32(scale), "scale")
    call.require(
        bool(np.all(s > 0)), "NMC-I011", "its scale is not positive", "the file is damaged, or its calibration failed"
    )
    dtype = default if zero_point is None else zero_point.dtype.name
    why = f"its codes are {dtype}, nmc knows {', '.join(TYPES)}"
    call.require(dtype in TYPES, "NMC-I011", why, "quantize to int8 or uint8")
    z = (
        np.zeros(s.shape, np.int32)
        if zero_point is None
        else _parameter(call, zero_point, "zero point").astype(np.int32)
    )
    call.require(z.shape in ((), s.shape), "NMC-I012", f"scale {list(s.shape)}, zero point {list(z.shape)}")
    return Codes(s, np.broadcast_to(z, s.shape) if s.ndim else z, dtype, axis)


def given_codes(call: Call, scale: int, zero_point: int, role: str, axis: int = 1) -> Codes:
    """Codes from the operands at these places."""
    s = call.constant(scale, f"scale of {role}")
    return read_codes(call, s, call.optional_constant(zero_point, f"zero point of {role}"), axis=axis)


def per_tensor(call: Call, codes: Codes, role: str) -> Codes:
    """The codes, which must have one scale for all elements."""
    call.require(
        not codes.scale.ndim, "NMC-I011", f"{role} has another scale in each channel", "one scale for a tensor"
    )
    return codes


def rounded(call: Call, x: Value, codes: Codes, part: str = "") -> Value:
    """x rounded to the codes."""
    bits, signed = TYPES[codes.dtype]
    inner = f"{part}." if part else ""
    scale = call.weight(f"{inner}scale", codes.scale)
    zero = call.graph.constant(f"{call.name}.{inner}zero_point", codes.zero_point, None, (call.label.origin,))
    axis = codes.axis if codes.scale.ndim else 1
    return call.emit(FakeQuantize(bits, signed, axis), x, scale, zero, part=part)


def quantized(call: Call, x: Value, codes: Codes) -> Coded:
    """x, the result of a quantized operator in real numbers, rounded to the codes."""
    return Coded(rounded(call, x, codes, "codes"), codes)


def real(call: Call, index: int, codes: Codes) -> Value:
    """The real numbers that a computed operand of codes stands for."""
    operand = call.raw(index)
    if not isinstance(operand, Coded):
        name = call.value(index).name
        raise Refusal("NMC-I011", f"%{name} are no codes of a quantizer of the model", "put QuantizeLinear in front")
    x, known = operand.value, operand.codes
    if known.dynamic:
        raise Refusal("NMC-I011", "it takes codes of DynamicQuantizeLinear with a constant scale")
    why = f"it reads codes with another scale or zero point than %{x.name} was quantized with"
    call.require(known.same(codes), "NMC-I011", why, "give both the same scale and zero point")
    return x


def dequantized(call: Call, array: Array, codes: Codes) -> Array:
    """The real numbers that constant codes stand for, in float32 as ONNX computes them."""
    call.require(array.dtype.name == codes.dtype, "NMC-I011", f"codes of type {array.dtype} and {codes.dtype}")
    shape = tuple(-1 if i == codes.axis else 1 for i in range(array.ndim))
    fits = not codes.scale.ndim or (codes.axis < array.ndim and len(codes.scale) == array.shape[codes.axis])
    call.require(fits, "NMC-I012", f"{codes.scale.size} scales for codes of shape {list(array.shape)}")
    scale, zero = (p.reshape(shape) if p.ndim else p for p in (codes.scale, codes.zero_point))
    call.model.integer_weights |= array.ndim > 1
    made = (array.astype(np.int32) - zero).astype(np.float32) * scale
    return made.astype(np.float32)

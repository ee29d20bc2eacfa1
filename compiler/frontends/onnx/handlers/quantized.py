"""Quantized models: QuantizeLinear and DequantizeLinear, and operators on codes (QLinearConv and its like).

A QLinear operator is the float operator on what the codes stand for, its result rounded to codes again. A bias is
int32 with the scale of the sums, a plain real number here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from ....ir import Value
from ....ir.ops import Activation, Add, AvgPool, Concat, Dense, FakeQuantize, Mean, Mul
from ...common.emit import Array, as_float32
from ...common.moves import image
from ...common.problems import Refusal
from ..call import Call, Result
from ..codes import TYPES, Coded, Codes
from ..tensors import type_name
from .conv import convolution
from .pool import pool_window
from .quantize import dequantized, given_codes, per_tensor, quantized, read_codes, real, rounded

_BLOCK_HINT = "quantize per tensor or per channel"


def _axis(call: Call, rank: int) -> int:
    """The axis that scales run along, which blocks would cut."""
    blocks = call.integer("block_size", 0)
    call.require(blocks == 0, "NMC-I011", f"it quantizes by blocks of {blocks}", _BLOCK_HINT)
    stated = call.integer("axis", 1)
    return stated % rank if rank and -rank <= stated < rank else 1


def _default_type(call: Call) -> str:
    """The type of the codes where no zero point says it."""
    stated = call.integer("output_dtype", 0)
    return type_name(stated).lower() if stated else "uint8"


def _fits(call: Call, x: Value, codes: Codes) -> None:
    size = codes.scale.size if codes.scale.ndim else None
    fits = size is None or (codes.axis < x.type.rank and x.type.shape[codes.axis] == size)
    call.require(fits, "NMC-I012", f"{size} scales along axis {codes.axis} of {x.type}")
    call.require(size is None or codes.axis > 0, "NMC-I015", "it gives each sample a scale of its own")


def quantize_linear(call: Call) -> Result:
    call.ignore("saturate", "precision")  # about float8, and about how ONNX divides
    x = call.value()
    axis, default = _axis(call, x.type.rank), _default_type(call)
    codes = read_codes(call, call.constant(1, "scale"), call.optional_constant(2, "zero point"), default, axis)
    _fits(call, x, codes)
    return Coded(rounded(call, x, codes), codes)


def dequantize_linear(call: Call) -> Value:
    """Codes are kept as what they stand for, so this does nothing. A graph input of whole numbers becomes real."""
    given = call.raw(0)
    x = given.value if isinstance(given, Coded) else call.value()
    to = call.integer("output_dtype", TensorProto.FLOAT)
    call.require(to == TensorProto.FLOAT, "NMC-I011", f"it dequantizes to {type_name(to)}")
    axis = _axis(call, x.type.rank)
    scale, zero = call.constant(1, "scale"), call.optional_constant(2, "zero point")
    codes = read_codes(call, scale, zero, given.codes.dtype if isinstance(given, Coded) else "uint8", axis)
    if isinstance(given, Coded) or x not in call.graph.inputs:
        return real(call, 0, codes)
    return _real_input(call, x, per_tensor(call, codes, "the input"))


def _real_input(call: Call, x: Value, codes: Codes) -> Value:
    """An input that is fed with codes: whole numbers of the type's range."""
    bits, signed = TYPES[codes.dtype]
    one = call.weight("one", np.ones((), np.float32))
    none = call.graph.constant(f"{call.name}.none", np.zeros((), np.int32))
    whole = call.emit(FakeQuantize(bits, signed), x, one, none, part="codes")
    offset = call.weight("offset", -codes.zero_point.astype(np.float32))
    centered = call.emit(Add(), whole, offset, part="centered")
    return call.emit(Mul(), centered, call.weight("scale", codes.scale))


def _result_codes(call: Call, scale: int) -> Codes:
    return per_tensor(call, given_codes(call, scale, scale + 1, "the result"), "the result")


def _input_codes(call: Call, scale: int) -> Codes:
    return per_tensor(call, given_codes(call, scale, scale + 1, "the input"), "the input")


def _sum_bias(call: Call, index: int, unit: Array) -> Array | None:
    """An int32 bias in units of the sums as real numbers."""
    bias = call.optional_constant(index, "bias")
    if bias is None:
        return None
    call.require(bias.dtype == np.int32, "NMC-I011", f"its bias is {bias.dtype}, not int32")
    return (bias.astype(np.float64) * unit).astype(np.float32)


def qlinear_conv(call: Call) -> Result:
    given, weights = _input_codes(call, 1), given_codes(call, 4, 5, "the weights", axis=0)
    result = _result_codes(call, 6)
    weight = dequantized(call, call.constant(3, "weight"), weights)
    bias = _sum_bias(call, 8, given.scale.astype(np.float64) * weights.scale)
    made = convolution(call, real(call, 0, given), weight, bias)
    return quantized(call, made, result)


def _matrix(call: Call, index: int, codes: Codes, transposed: bool = False) -> Array:
    """The rows of a constant matrix of codes with one scale for all or for each column of the product."""
    array = call.constant(index, "matrix")
    call.require(array.ndim == 2, "NMC-I011", f"its matrix has shape {list(array.shape)}")
    by_column = Codes(codes.scale, codes.zero_point, codes.dtype, 0 if transposed else 1)
    made = dequantized(call, array, by_column)
    return made if transposed else made.T


def _flat(call: Call, scale: int, role: str) -> Codes:
    """Codes with a scale for each column, which may be written (1, n)."""
    s, z = call.constant(scale, f"scale of {role}"), call.optional_constant(scale + 1, f"zero point of {role}")
    flat = [None if p is None else p.reshape(-1) if p.ndim == 2 and len(p) == 1 else p for p in (s, z)]
    assert flat[0] is not None
    return read_codes(call, flat[0], flat[1])


def qlinear_matmul(call: Call) -> Result:
    given, weights, result = _input_codes(call, 1), _flat(call, 4, "the matrix"), _result_codes(call, 6)
    rows = _matrix(call, 3, weights)
    made = call.emit(Dense(), real(call, 0, given), call.weight("weight", rows))
    return quantized(call, made, result)


def qgemm(call: Call) -> Result:
    """com.microsoft QGemm: y = alpha · a · b + c, rounded to codes if y has a scale."""
    call.require(not call.flag("transA"), "NMC-I015", "transA = 1 would sum over the samples")
    alpha, transposed = call.finite("alpha", 1.0), call.flag("transB")
    given, weights = _input_codes(call, 1), given_codes(call, 4, 5, "the matrix")
    rows = _matrix(call, 3, weights, transposed)
    unit = given.scale.astype(np.float64) * weights.scale * alpha
    bias = _sum_bias(call, 6, unit)
    flat = None if bias is None else np.broadcast_to(bias.reshape(-1), (len(rows),))
    operands = [call.weight("weight", as_float32(rows.astype(np.float64) * alpha))]
    operands += [] if flat is None else [call.weight("bias", flat)]
    coded = call.optional_constant(7, "scale of the result") is not None
    made = call.emit(Dense(), real(call, 0, given), *operands)
    return quantized(call, made, _result_codes(call, 7)) if coded else made


def _operand(call: Call, index: int) -> Value | Array:
    """An operand with its scale and zero point behind it: what it stands for."""
    codes = per_tensor(call, given_codes(call, index + 1, index + 2, "an operand"), "an operand")
    found = call.raw(index)
    return dequantized(call, found, codes) if isinstance(found, np.ndarray) else real(call, index, codes)


def _binary(call: Call, op: Add | Mul) -> Result:
    a, b = _operand(call, 0), _operand(call, 3)
    if not isinstance(a, Value):
        a, b = b, a
    if not isinstance(a, Value):
        raise Refusal("NMC-I011", "both operands are constants", "fold it into the weights before exporting")
    other = b if isinstance(b, Value) else call.weight("operand", b)
    call.require(other.type.rank <= a.type.rank, "NMC-I015", f"{a.type} and {other.type} align from the right")
    return quantized(call, call.emit(op, a, other), _result_codes(call, 6))


def qlinear_add(call: Call) -> Result:
    return _binary(call, Add())


def qlinear_mul(call: Call) -> Result:
    return _binary(call, Mul())


def qlinear_concat(call: Call) -> Result:
    result = _result_codes(call, 0)
    parts = [_operand(call, index) for index in range(2, len(call.operands), 3)]
    values = [p if isinstance(p, Value) else call.weight(f"part{i}", p) for i, p in enumerate(parts)]
    axis = call.axis(call.required_integer("axis"), values[0].type.rank)
    call.require(axis > 0, "NMC-I015", "it puts samples one after the other")
    return quantized(call, call.emit(Concat(axis), *values), result)


def _last_channels(call: Call) -> None:
    why = "its channels are the last axis"
    call.require(not call.flag("channels_last"), "NMC-I011", why, "save the model before onnxruntime optimizes it")


def qlinear_global_average_pool(call: Call) -> Result:
    _last_channels(call)
    x, result = real(call, 0, _input_codes(call, 1)), _result_codes(call, 3)
    call.require(x.type.rank >= 3, "NMC-I012", f"there is no space to average over in {x.type}")
    return quantized(call, call.emit(Mean(tuple(range(2, x.type.rank))), x), result)


def qlinear_average_pool(call: Call) -> Result:
    _last_channels(call)
    include = call.flag("count_include_pad")
    window, ceil = pool_window(call, dilations=False)
    x = image(call, real(call, 0, _input_codes(call, 1)), len(window.kernel))
    pads = window.pads_for(x.type.shape[2:])
    op = AvgPool(window.kernel, window.stride, pads, window.dilation, ceil, include)
    return quantized(call, call.emit(op, x), _result_codes(call, 3))


def _activation(call: Call, op: Activation) -> Result:
    x, result = real(call, 0, _input_codes(call, 1)), _result_codes(call, 3)
    return quantized(call, call.emit(op, x), result)


def qlinear_leaky_relu(call: Call) -> Result:
    return _activation(call, Activation("leaky_relu", call.finite("alpha", 0.01)))


def qlinear_sigmoid(call: Call) -> Result:
    return _activation(call, Activation("sigmoid"))


# Of the domain com.microsoft.
QLINEAR: dict[str, Callable[[Call], Result]] = {
    "DequantizeLinear": dequantize_linear,
    "QGemm": qgemm,
    "QLinearAdd": qlinear_add,
    "QLinearAveragePool": qlinear_average_pool,
    "QLinearConcat": qlinear_concat,
    "QLinearGlobalAveragePool": qlinear_global_average_pool,
    "QLinearLeakyRelu": qlinear_leaky_relu,
    "QLinearMul": qlinear_mul,
    "QLinearSigmoid": qlinear_sigmoid,
    "QuantizeLinear": quantize_linear,
}

"""Dynamic quantization: whole-number weights, and activations that are quantized as each input asks for.

The range of each input at run time decides the scale, which neither machine does. The activations stay real numbers
here, as if their codes were infinitely fine, and a note says so; the weights are those of the file.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....ir import Value
from ....ir.ops import Dense
from ...common.emit import Array
from ...common.problems import Refusal
from ..call import Call, Result
from ..codes import TYPES, Coded, Codes
from .conv import convolution
from .quantize import dequantized, read_codes

NOTE = (
    "{op} {name!r} quantizes activations by the range of each input at run time: nmc leaves that out and takes the "
    "weights of the file with activations of its own ranges"
)


def dynamic_quantize_linear(call: Call) -> Sequence[Result]:
    """The value itself with scale 1 and zero point 0."""
    x = call.value()
    one, zero = np.ones((), np.float32), np.zeros((), np.uint8)
    scaled = len(call.proto.output) > 1 and call.proto.output[1] in call.model.used
    call.require(scaled, "NMC-I011", "nothing reads the scale that it computes", "multiply what its codes give by it")
    call.model.notes.append(NOTE.format(op=call.op, name=call.label.base))
    return [Coded(x, Codes(one, zero, "uint8", dynamic=True)), one, zero]


def _input(call: Call, zero_point: int) -> Value:
    x = call.raw(0)
    if not isinstance(x, Coded) or not x.codes.dynamic:
        why = "its input is not what DynamicQuantizeLinear gives"
        raise Refusal("NMC-I011", why, "quantize statically in QDQ form, or dynamically with onnxruntime")
    zero = call.optional_constant(zero_point, "zero point of the input")
    hint = "give it the zero point that DynamicQuantizeLinear computes"
    call.require(zero is x.codes.zero_point, "NMC-I011", "its zero point is not that of its input", hint)
    return x.value


def _whole(call: Call, index: int, zero_point: int, axis: int) -> Array:
    """Codes of weights less their zero point, as float32."""
    array = call.constant(index, "weight")
    zero = call.optional_constant(zero_point, "zero point of the weights")
    zero = np.zeros((), array.dtype) if zero is None else zero
    call.require(array.dtype.name in TYPES, "NMC-I011", f"its weights are {array.dtype}")
    ones = np.ones(zero.shape if zero.size > 1 else (), np.float32)
    return dequantized(call, array, read_codes(call, ones, zero, axis=axis))


def conv_integer(call: Call) -> Value:
    weight = _whole(call, 1, 3, 0)
    return convolution(call, _input(call, 2), weight, None)


def matmul_integer(call: Call) -> Value:
    matrix = _whole(call, 1, 3, 1)
    call.require(matrix.ndim == 2, "NMC-I011", f"its matrix has shape {list(matrix.shape)}")
    return call.emit(Dense(), _input(call, 2), call.weight("weight", matrix.T))

"""Fused operators that onnxruntime's optimizer writes (domain com.microsoft), as their documentation defines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Add, Clip, Dense, MatMul, Mul, Relu, Transpose
from ..call import Call
from .conv import conv
from .dense import gemm
from .norm import parameter, scaled_norm


def gelu(call: Call) -> Value:
    return call.emit(Activation("gelu"), call.value())


def _plus(call: Call, x: Value, index: int, role: str, part: str) -> Value:
    """x plus an operand that may be absent."""
    other = parameter(call, index, role, x)
    return x if other is None else call.emit(Add(), x, other, part=part)


def bias_gelu(call: Call) -> Value:
    return call.emit(Activation("gelu"), _plus(call, call.value(), 1, "bias", "biased"))


def fast_gelu(call: Call) -> Value:
    """The tanh form, with an optional bias."""
    return call.emit(Activation("gelu_tanh"), _plus(call, call.value(), 1, "bias", "biased"))


def quick_gelu(call: Call) -> Value:
    return call.emit(Activation("swish", call.finite("alpha", 1.702)), call.value())


def _activated(call: Call, layer: Callable[[Call], Value]) -> Value:
    """A layer, then the activation that an attribute names."""
    kind = call.text("activation", "")
    numbers = call.floats("activation_params")
    x = layer(call)
    defaults = {"LeakyRelu": (0.01,), "Clip": (None, None), "HardSigmoid": (0.2, 0.5)}.get(kind, ())
    given = numbers or defaults
    call.require(len(given) == len(defaults), "NMC-I011", f"its {kind} has {len(given)} parameters")
    known = ("", "Relu", "Tanh", "Sigmoid", "LeakyRelu", "Clip", "HardSigmoid")
    call.require(kind in known, "NMC-I011", f"its activation is {kind!r}")
    if kind == "":
        return x
    if kind == "Relu":
        return call.emit(Relu(), x, part="relu")
    if kind == "Clip":
        return call.emit(Clip(*given), x, part="clip")
    if kind == "LeakyRelu":
        return call.emit(Activation("leaky_relu", float(given[0] or 0)), x, part="leaky")
    if kind == "HardSigmoid":
        scale, shift = (call.weight(f"sigmoid{i}", np.array(n, np.float32)) for i, n in enumerate(given))
        moved = call.emit(Add(), call.emit(Mul(), x, scale, part="slope"), shift, part="moved")
        return call.emit(Clip(0.0, 1.0), moved, part="sigmoid")
    return call.emit(Activation(kind.lower()), x, part="activation")


def _conv_and_sum(call: Call) -> Value:
    """A convolution, plus a fourth operand."""
    y = conv(call)
    operand = call.operand(3)
    if operand is None:
        return y
    return call.emit(Add(), y, call.value(3), part="sum")


def fused_conv(call: Call) -> Value:
    return _activated(call, _conv_and_sum)


def fused_gemm(call: Call) -> Value:
    return _activated(call, gemm)


def _turned(call: Call, index: int, turn: bool, part: str) -> Value:
    """An operand of a product, with its last two axes exchanged if asked for."""
    operand = call.operand(index)
    if isinstance(operand, np.ndarray):
        call.require(operand.ndim >= 2, "NMC-I011", f"its operand {index + 1} has shape {list(operand.shape)}")
        return call.weight(part, operand.swapaxes(-1, -2) if turn else operand)
    x = call.value(index)
    if not turn:
        return x
    rank = x.type.rank
    call.require(rank > 2, "NMC-I015", f"it would put the features of {x.type} before the samples")
    return call.emit(Transpose((*range(rank - 2), rank - 1, rank - 2)), x, part=f"{part}.turned")


def fused_matmul(call: Call) -> Value:
    """alpha · A · B, either of them transposed."""
    for name in ("transBatchA", "transBatchB"):
        call.require(not call.flag(name), "NMC-I011", f"its {name} is 1")
    a, b = (_turned(call, i, call.flag(f"trans{name}"), name.lower()) for i, name in enumerate("AB"))
    first, second = (a, b) if not a.is_constant else (b, a)
    call.require(not first.is_constant, "NMC-I011", "its operands are constants")
    aligned_ranks = first.type.rank == second.type.rank if not second.is_constant else True
    why = f"both operands must have their samples in front: {a.type} and {b.type}"
    call.require(aligned_ranks, "NMC-I015", why)
    alpha = call.finite("alpha", 1.0)
    flat = b.is_constant and b.type.rank == 2
    product = (Dense(), a, call.weight("weight", b.data.T)) if flat else (MatMul(), a, b)
    made = call.emit(*product, part="product")
    return call.emit(Mul(), made, call.weight("alpha", np.array(alpha, np.float32)))


def _skip_norm(call: Call, centered: bool) -> list[Value]:
    """A norm over the last axis of x + skip + bias; the fourth output is that sum."""
    x = call.value()
    bias = 4 if centered else 3
    total = _plus(call, _plus(call, x, 1, "skip", "sum"), bias, "bias", "total")
    parameters = [parameter(call, 2, "scale", x)]
    parameters += [parameter(call, 3, "shift", x)] if centered else []
    epsilon = call.finite("epsilon", 1e-12 if centered else 1e-5)
    made = scaled_norm(call, total, (x.type.rank - 1,), epsilon, centered, *parameters)
    unused = [i for i in (1, 2) if i < len(call.proto.output) and call.proto.output[i] in call.model.used]
    call.require(not unused, "NMC-I011", "its mean or deviation is used")
    return [made, total, total, total]


def skip_layer_norm(call: Call) -> list[Value]:
    return _skip_norm(call, centered=True)


def skip_rms_norm(call: Call) -> list[Value]:
    return _skip_norm(call, centered=False)


MICROSOFT: dict[str, Callable[[Call], Value | Sequence[Value]]] = {
    "BiasGelu": bias_gelu,
    "FastGelu": fast_gelu,
    "FusedConv": fused_conv,
    "FusedGemm": fused_gemm,
    "FusedMatMul": fused_matmul,
    "Gelu": gelu,
    "QuickGelu": quick_gelu,
    "SkipLayerNormalization": skip_layer_norm,
    "SkipSimplifiedLayerNormalization": skip_rms_norm,
}

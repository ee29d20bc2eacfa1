"""Activations: one op in the IR each, or spelled out where their parameters are unusual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Clip, Mul, Relu
from ...common.emit import as_float32
from ...common.moves import leaky
from ..call import Call

# float32 cannot tell log(1 + e^x) from x beyond this: log1p(e^−x) < x/2²⁵.
_SOFTPLUS_IS_LINEAR = 15.0


def relu(call: Call, input: Any, inplace: bool = False) -> Value:
    return call.emit(Relu(), call.value(input))


def relu6(call: Call, input: Any, inplace: bool = False) -> Value:
    return call.emit(Clip(0.0, 6.0), call.value(input))


def hardtanh(call: Call, input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Value:
    low, high = call.number(min_val, "min_val"), call.number(max_val, "max_val")
    return call.emit(Clip(low, high), call.value(input))


def plain(kind: str) -> Callable[..., Value]:
    """The handler of an activation without parameters."""

    def handler(call: Call, input: Any, inplace: bool = False) -> Value:
        return call.emit(Activation(kind), call.value(input))

    return handler


def leaky_relu(call: Call, input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    return call.emit(Activation("leaky_relu", call.number(negative_slope, "negative_slope")), call.value(input))


def prelu(call: Call, input: Any, weight: Any) -> Value:
    """One slope, or one a channel (axis 1)."""
    x, slope = call.value(input), as_float32(call.constant(weight, "weight"))
    call.require(x.type.rank >= 2, "NMC-I012", f"slopes for {x.type}")
    shape = (-1, *(1,) * (x.type.rank - 2)) if slope.size > 1 else ()
    return leaky(call, x, slope.reshape(shape))


def elu(
    call: Call, input: Any, alpha: float = 1.0, scale: float = 1, input_scale: float = 1, inplace: bool = False
) -> Value:
    call.require(scale == input_scale == 1, "NMC-I011", f"its scales are {scale} and {input_scale}", "use nn.SELU")
    return call.emit(Activation("elu", call.number(alpha, "alpha")), call.value(input))


def celu(call: Call, input: Any, alpha: float = 1.0, inplace: bool = False) -> Value:
    alpha = call.number(alpha, "alpha")
    call.require(alpha > 0, "NMC-I011", f"its alpha is {alpha}, only positive ones make an activation")
    return call.emit(Activation("celu", alpha), call.value(input))


def gelu(call: Call, input: Any, approximate: str = "none") -> Value:
    call.require(approximate in ("none", "tanh"), "NMC-I011", f"its approximate is {approximate!r}")
    return call.emit(Activation("gelu" if approximate == "none" else "gelu_tanh"), call.value(input))


def softplus(call: Call, input: Any, beta: float = 1, threshold: float = 20) -> Value:
    """log(1 + e^(beta·x)) / beta. The threshold beyond which PyTorch returns x goes where float32 cannot tell."""
    beta, threshold = call.number(beta, "beta"), call.number(threshold, "threshold")
    known = beta > 0 and threshold >= _SOFTPLUS_IS_LINEAR
    hint = f"use a threshold of at least {_SOFTPLUS_IS_LINEAR:g}, where both branches meet"
    call.require(known, "NMC-I011", f"its beta is {beta:g} and its threshold {threshold:g}", hint)
    x = call.value(input)
    if beta == 1.0:
        return call.emit(Activation("softplus"), x)
    factor = call.weight("beta", np.array(beta, np.float32))
    bent = call.emit(Activation("softplus"), call.emit(Mul(), x, factor, part="scaled"), part="softplus")
    return call.emit(Mul(), bent, call.weight("factor", np.array(1 / beta)))

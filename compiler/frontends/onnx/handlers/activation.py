"""Smooth and leaky activations: one op in the IR each, or spelled out where their parameters are unusual."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Add, Clip, Mul
from ....ir.ops.activation import SELU_ALPHA, SELU_GAMMA
from ...common.emit import as_float32
from ...common.moves import leaky
from ..call import Call


def sigmoid(call: Call) -> Value:
    return call.emit(Activation("sigmoid"), call.value())


def tanh(call: Call) -> Value:
    return call.emit(Activation("tanh"), call.value())


def erf(call: Call) -> Value:
    return call.emit(Activation("erf"), call.value())


def softplus(call: Call) -> Value:
    return call.emit(Activation("softplus"), call.value())


def softsign(call: Call) -> Value:
    return call.emit(Activation("softsign"), call.value())


def mish(call: Call) -> Value:
    return call.emit(Activation("mish"), call.value())


def elu(call: Call) -> Value:
    return call.emit(Activation("elu", call.finite("alpha", 1.0)), call.value())


def celu(call: Call) -> Value:
    alpha = call.finite("alpha", 1.0)
    call.require(alpha > 0, "NMC-I011", f"its alpha is {alpha}, only positive ones make an activation")
    return call.emit(Activation("celu", alpha), call.value())


def selu(call: Call) -> Value:
    """gamma · elu(x) with alpha: one op for the constants everybody uses."""
    alpha, gamma = call.finite("alpha", SELU_ALPHA), call.finite("gamma", SELU_GAMMA)
    x = call.value()
    if (alpha, gamma) == (SELU_ALPHA, SELU_GAMMA):
        return call.emit(Activation("selu"), x)
    bent = call.emit(Activation("elu", alpha), x, part="elu")
    return call.emit(Mul(), bent, call.weight("gamma", np.array(gamma, np.float32)))


def leaky_relu(call: Call) -> Value:
    return call.emit(Activation("leaky_relu", call.finite("alpha", 0.01)), call.value())


def prelu(call: Call) -> Value:
    """One slope: leaky_relu. One a channel: relu(x) + slope · min(x, 0)."""
    slope = as_float32(call.constant(1, "slope"))
    x = call.value()
    call.require(slope.ndim <= x.type.rank, "NMC-I012", f"slopes of shape {list(slope.shape)} for {x.type}")
    several = slope.size > 1 and slope.ndim == x.type.rank and len(slope) > 1
    call.require(not several or bool(np.all(slope == slope.flat[0])), "NMC-I015", "each sample has slopes of its own")
    return leaky(call, x, slope)


def hard_sigmoid(call: Call) -> Value:
    """clip(alpha · x + beta, 0, 1)."""
    alpha, beta = call.finite("alpha", 0.2), call.finite("beta", 0.5)
    x = call.value()
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        return call.emit(Activation("hard_sigmoid"), x)
    scaled = call.emit(Mul(), x, call.weight("alpha", np.array(alpha, np.float32)), part="scaled")
    moved = call.emit(Add(), scaled, call.weight("beta", np.array(beta, np.float32)), part="moved")
    return call.emit(Clip(0.0, 1.0), moved)


def hard_swish(call: Call) -> Value:
    return call.emit(Activation("hard_swish"), call.value())


def gelu(call: Call) -> Value:
    form = call.text("approximate", "none")
    call.require(form in ("none", "tanh"), "NMC-I011", f"its approximate is {form!r}")
    return call.emit(Activation("gelu" if form == "none" else "gelu_tanh"), call.value())


def swish(call: Call) -> Value:
    """x · sigmoid(alpha · x)."""
    alpha = call.finite("alpha", 1.0)
    return call.emit(Activation("silu") if alpha == 1.0 else Activation("swish", alpha), call.value())


def swiglu(call: Call) -> Value:
    """swish(a) · b for two computed values of one shape."""
    alpha = call.finite("alpha", 1.0)
    a, b = call.value(0), call.value(1)
    call.require(a.type.shape == b.type.shape, "NMC-I012", f"its operands are {a.type} and {b.type}")
    op = Activation("silu") if alpha == 1.0 else Activation("swish", alpha)
    return call.emit(Mul(), call.emit(op, a, part="gate"), b)

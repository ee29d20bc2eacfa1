"""Functions of one value that are no activations of networks: a host computes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Add, Clip, Function, Mul
from ..call import Call


def function(name: str) -> Callable[[Call], Value]:
    """The handler of an operator that is the IR's function of that name."""

    def handler(call: Call) -> Value:
        return call.emit(Function(name), call.value())

    handler.__name__ = name
    return handler


def _above(call: Call, x: Value, limit: float, part: str = "") -> Value:
    return call.emit(Activation("thresholded_relu", limit), x, part=part)


def thresholded_relu(call: Call) -> Value:
    """x where x > alpha, else 0."""
    return _above(call, call.value(), call.finite("alpha", 1.0))


def shrink(call: Call) -> Value:
    """0 between −lambd and lambd, bias nearer to 0 outside."""
    bias, limit = call.finite("bias", 0.0), call.finite("lambd", 0.5)
    x = call.value()
    sign = call.weight("sign", np.array(-1, np.float32))
    if bias == limit:
        inside = call.emit(Clip(-limit, limit), x, part="inside")
        return call.emit(Add(), x, call.emit(Mul(), inside, sign, part="negated"))
    why = f"its bias {bias} and lambd {limit} leave a jump beside the one at lambd"
    call.require(bias == 0 and limit >= 0, "NMC-I011", why, "use nn.Hardshrink or nn.Softshrink")
    negated = call.emit(Mul(), x, sign, part="negated")
    below = call.emit(Mul(), _above(call, negated, limit, "mirrored"), sign, part="below")
    return call.emit(Add(), _above(call, x, limit, "above"), below)

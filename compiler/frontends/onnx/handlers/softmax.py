"""Softmax and its logarithm."""

from __future__ import annotations

import math

from ....ir import Value
from ....ir.ops import Softmax
from ..call import Call

_HINT = "at the end of a classifier leave it out: the largest output stays the largest"


def _softmax(call: Call, log: bool) -> Value:
    """Over one axis; before opset 13 over all axes from `axis` on, taken as one."""
    x = call.value()
    dim = call.axis(call.integer("axis", 1 if call.opset < 13 else -1), x.type.rank)
    call.require(dim != 0, "NMC-I015", "its axis is that of the samples (axis 0)", _HINT)
    shape, axes = x.type.shape, x.type.axes
    if call.opset >= 13 or math.prod(shape[dim + 1 :]) == 1:
        return call.emit(Softmax(dim, log), x)
    flat = call.reshape(x, (*shape[:dim], math.prod(shape[dim:])), f"{axes[:dim]}_", part="flat")
    return call.reshape(call.emit(Softmax(dim, log), flat, part="softmax"), shape, axes)


def softmax(call: Call) -> Value:
    return _softmax(call, log=False)


def log_softmax(call: Call) -> Value:
    return _softmax(call, log=True)

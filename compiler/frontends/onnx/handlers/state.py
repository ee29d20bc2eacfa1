"""CausalConvWithState: a depthwise convolution over the last axis that takes and gives the frames it remembers."""

from __future__ import annotations

import numpy as np

from ....ir import Value
from ....ir.ops import Activation, Concat, Conv, Pad, Slice
from ..call import Call


def causal_conv_with_state(call: Call) -> list[Value]:
    x, weight = call.value(), call.constant(1, "weight")
    bias = call.optional_constant(2, "bias")
    fits = x.type.rank == 3 and weight.ndim == 3 and weight.shape[:2] == (x.type.shape[1], 1)
    call.require(fits, "NMC-I012", f"its weight has shape {list(weight.shape)} for an input {x.type}")
    kind = call.text("activation", "none")
    call.require(kind in ("none", "silu", "swish"), "NMC-I011", f"activation {kind!r} is none of the operator's")
    frames = weight.shape[2] - 1
    window = _window(call, x, frames)
    w, b = call.weight("weight", weight), None if bias is None else call.weight("bias", bias)
    y = call.emit(Conv((1,), ((0, 0),), (1,), x.type.shape[1]), window, w, b, part="" if kind == "none" else "conv")
    if kind != "none":
        y = call.emit(Activation("silu"), y)
    if call.results_used() < 2:
        return [y]
    length = window.type.shape[2]
    ranges = tuple((length - frames if i == 2 else 0, n, 1) for i, n in enumerate(window.type.shape))
    return [y, call.emit(Slice(ranges), window, part="present")]


def _window(call: Call, x: Value, frames: int) -> Value:
    """The input behind the frames of the past, zeros where none are given."""
    given = call.operand(3)
    if given is None or (isinstance(given, np.ndarray) and not given.any()):
        return call.emit(Pad(((0, 0), (0, 0), (frames, 0))), x, part="window")
    past = call.value(3)
    shape = (*x.type.shape[:2], frames)
    call.require(past.type.shape == shape, "NMC-I012", f"its past state {past.type} is not of shape {list(shape)}")
    return call.emit(Concat(2), past, x, part="window")

"""NIR's layers without a memory: linear ones, pools, Flatten, Scale, Threshold.

What flows has no samples axis in NIR; in the IR it is a frame (1, *shape).
"""

from __future__ import annotations

import math

import numpy as np

from ...ir import Value
from ...ir.ops import AvgPool, Conv, Dense, Mul, Threshold
from ..common.moves import image, reshaped
from .call import Call


def dense(call: Call) -> Value:
    """Affine and Linear: y = W·x + b over the last axis."""
    weight = call.array("weight")
    call.require(weight.ndim == 2, "NMC-I011", f"its weight has shape {weight.shape}, a matrix is needed")
    size = call.x.type.shape[-1]
    call.require(weight.shape[1] == size, "NMC-I012", f"its weight takes {weight.shape[1]} elements, {size} flow in")
    return call.emit(Dense(), call.x, call.weight("weight", weight), _bias(call, len(weight)))


def _bias(call: Call, size: int) -> Value | None:
    if not call.given("bias"):
        return None
    bias = call.array("bias")
    call.require(bias.size in (1, size), "NMC-I012", f"its bias has shape {bias.shape} for {size} outputs")
    return call.parameter("bias", np.broadcast_to(bias.reshape(-1), (size,)), unless=0)


def conv(call: Call) -> Value:
    """Conv1d and Conv2d, cross-correlations as in PyTorch; padding same puts the odd element at the end."""
    dims = int(call.op[4])
    weight = call.array("weight")
    fits = weight.ndim == dims + 2 and weight.size > 0
    call.require(fits, "NMC-I011", f"its weight has shape {weight.shape}, a {dims}-D convolution needs {dims + 2} axes")
    x = image(call, call.x, dims)
    if call.given("input_shape"):
        space = call.integers("input_shape", dims)
        call.require(
            space == x.type.shape[2:], "NMC-I012", f"its input_shape is {space}, what flows in {x.type.shape[1:]}"
        )
    stride, dilation = call.integers("stride", dims), call.integers("dilation", dims)
    (groups,) = call.integers("groups", 1)
    padding = call.record.parameters["padding"]
    padding = padding if isinstance(padding, str) else ""
    if padding == "same":
        call.require(stride == (1,) * dims, "NMC-I011", f"padding same goes with a stride of 1, not {stride}")
        total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
        pads = tuple((t // 2, t - t // 2) for t in total)
    else:
        pads = tuple((p, p) for p in ((0,) * dims if padding == "valid" else call.integers("padding", dims)))
    bias = _bias(call, len(weight))
    return call.emit(Conv(stride, pads, dilation, groups), x, call.weight("weight", weight), bias)


def pool(call: Call) -> Value:
    """AvgPool2d, whose padding counts as zeros, and SumPool2d, a convolution with weights of 1 for each channel."""
    x = image(call, call.x, 2)
    kernel, stride, padding = (call.integers(name, 2) for name in ("kernel_size", "stride", "padding"))
    pads = tuple((p, p) for p in padding)
    if call.op == "AvgPool2d":
        return call.emit(AvgPool(kernel, stride, pads, (1, 1), include_pad=True), x)
    channels = x.type.shape[1]
    fits = all(k > 0 for k in kernel) and channels * math.prod(kernel) <= 1 << 22
    call.require(fits, "NMC-I012", f"a kernel of {kernel} over {channels} channels")
    weight = call.weight("weight", np.ones((channels, 1, *kernel), np.float32))
    return call.emit(Conv(stride, pads, (1, 1), channels), x, weight)


def flatten(call: Call) -> Value:
    """Joins the axes start_dim … end_dim, counted without a samples axis."""
    shape = call.x.type.shape[1:]
    if call.given("input_type"):
        declared = tuple(int(size) for size in call.array("input_type").reshape(-1))
        call.require(declared == shape, "NMC-I012", f"its input_type is {declared}, what flows in {shape}")
    (start,), (end,) = call.integers("start_dim", 1), call.integers("end_dim", 1)
    start, end = call.axis(start, len(shape), "start_dim"), call.axis(end, len(shape), "end_dim")
    call.require(start <= end, "NMC-I012", f"its start_dim {start} lies behind its end_dim {end}")
    joined = (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])
    return reshaped(call, call.x, (1, *joined))


def scale(call: Call) -> Value:
    """y = s · x, element by element."""
    return call.emit(Mul(), call.x, call.weight("scale", call.frame("scale")))


def threshold(call: Call) -> Value:
    """Neurons without a memory: 1 where x > threshold (≥ with --compare ge), else 0."""
    theta = call.weight("threshold", call.frame("threshold"))
    return call.emit(Threshold(strict=call.clock.compare == "gt"), call.x, theta)

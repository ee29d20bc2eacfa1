"""Sums and maxima over axes, as means, pools and element-wise ops."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import MaxPool, Mean, Mul, Transpose
from ...common.moves import image
from ..call import Call
from .elementwise import absolute

Ints = tuple[int, ...]

_HINT = "reduce channels, time or space only, e.g. x.sum((2, 3))"


def reduced_axes(call: Call, rank: int, since: int) -> Ints:
    """The axes that a node reduces: an attribute before opset `since`, an operand from then on; none means all of
    them, or nothing with noop_with_empty_axes. Refusal if axis 0 is among them."""
    nothing = False
    if call.opset >= since:
        nothing = call.flag("noop_with_empty_axes")
        axes = call.optional_integers(1, "axes")
        call.require(not call.has("axes"), "NMC-I011", f"axes are an operand, not an attribute, in opset {call.opset}")
    else:
        axes = call.integers("axes")
    if not axes and nothing:
        return ()
    dims = call.axes(axes, rank) if axes else tuple(range(rank))
    why = "no axes are given, which means all of them" if not axes else f"axes {list(axes)} hold axis 0"
    call.require(0 not in dims, "NMC-I015", why, _HINT)
    return dims


def _summed(call: Call, x: Value, dims: Ints, keep: bool) -> Value:
    """Σ x as n · mean x."""
    count = math.prod(x.type.shape[dim] for dim in dims)
    if count == 1:
        return call.emit(Mean(dims, keep), x)
    mean = call.emit(Mean(dims, keep), x, part="mean")
    return call.emit(Mul(), mean, call.weight("count", np.array(count, np.float32)))


def reduce_sum(call: Call) -> Value:
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 13)
    return _summed(call, x, dims, keep) if dims else x


def reduce_l1(call: Call) -> Value:
    """Σ |x|."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    size = absolute(call, x, "absolute")
    return _summed(call, size, dims, keep) if dims else size


def reduce_sum_square(call: Call) -> Value:
    """Σ x²."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    square = call.emit(Mul(), x, x, part="squared")
    return _summed(call, square, dims, keep) if dims else square


def _maximum(call: Call, x: Value, dims: Ints, keep: bool) -> Value:
    """The maximum over axes: one pool with a window as long as they are. Axes before the spatial ones are moved and
    flattened first."""
    shape, rank = x.type.shape, x.type.rank
    kept = tuple(i for i in range(rank) if i not in dims)
    ones = (1,) * rank
    pads = ((0, 0),) * (rank - 2)
    if min(dims) >= 2 and rank <= 5:
        kernel = tuple(shape[i] if i in dims else 1 for i in range(2, rank))
        pooled = call.emit(MaxPool(kernel, ones[2:], pads, ones[2:]), image(call, x, rank - 2), part="pooled")
    else:
        moved = x if kept + dims == tuple(range(rank)) else call.emit(Transpose(kept + dims), x, part="moved")
        count = math.prod(shape[i] for i in dims)
        flat = image(call, call.reshape(moved, (1, moved.type.elements // count, count), "NC_", part="flat"), 1)
        pooled = call.emit(MaxPool((count,), (1,), ((0, 0),), (1,)), flat, part="pooled")
    sizes = [(1 if i in dims else shape[i], x.type.axes[i]) for i in range(rank) if keep or i not in dims]
    return call.reshape(pooled, tuple(n for n, _ in sizes), "".join(letter for _, letter in sizes), part="kept")


def reduce_max(call: Call) -> Value:
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    return _maximum(call, x, dims, keep) if dims else x


def reduce_min(call: Call) -> Value:
    """min x is −max −x."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    if not dims:
        return x
    sign = call.weight("sign", np.array(-1, np.float32))
    negated = call.emit(Mul(), x, sign, part="negated")
    return call.emit(Mul(), _maximum(call, negated, dims, keep), sign)


def global_max_pool(call: Call) -> Value:
    x = call.value()
    call.require(3 <= x.type.rank <= 5, "NMC-I012", f"there is no space to take the maximum over in {x.type}")
    return _maximum(call, x, tuple(range(2, x.type.rank)), keep=True)

"""Sums and maxima over axes, as means, pools and element-wise ops."""

from __future__ import annotations

import math

import numpy as np

from ....ir import Value
from ....ir.ops import Add, Dense, Function, MaxPool, Mean, Mul, Transpose
from ...common.emit import Array
from ...common.moves import MAX_KERNEL, MAX_PIECES, cut, image, whole
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


def _summed(call: Call, x: Value, dims: Ints, keep: bool, part: str = "") -> Value:
    """Σ x as n · mean x."""
    count = math.prod(x.type.shape[dim] for dim in dims)
    if count == 1:
        return call.emit(Mean(dims, keep), x, part=part)
    mean = call.emit(Mean(dims, keep), x, part="mean")
    return call.emit(Mul(), mean, call.weight("count", np.array(count, np.float32)), part=part)


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


def reduce_l2(call: Call) -> Value:
    """√Σ x²."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    square = call.emit(Mul(), x, x, part="squared")
    return call.emit(Function("sqrt"), _summed(call, square, dims, keep, "sum") if dims else square)


def reduce_log_sum(call: Call) -> Value:
    """log Σ x."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    return call.emit(Function("log"), _summed(call, x, dims, keep, "sum") if dims else x)


def reduce_log_sum_exp(call: Call) -> Value:
    """log Σ e^x as m + log Σ e^(x − m) with m = max x, which cannot overflow."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    if not dims:
        return x
    largest = _maximum(call, x, dims, keep=True)
    negated = call.emit(Mul(), largest, call.weight("sign", np.array(-1, np.float32)), part="negated")
    powers = call.emit(Function("exp"), call.emit(Add(), x, negated, part="shifted"), part="exp")
    logarithm = call.emit(Function("log"), _summed(call, powers, dims, True, "sum"), part="log")
    total = call.emit(Add(), logarithm, largest, part="" if keep else "total")
    return total if keep else call.emit(Mean(dims, False), total)


def reduce_prod(call: Call) -> Value:
    """The product of the slices along each axis."""
    keep, x = call.flag("keepdims", True), call.value()
    dims = reduced_axes(call, x.type.rank, 18)
    count = math.prod(x.type.shape[dim] for dim in dims)
    call.require(count <= MAX_PIECES, "NMC-I011", f"it multiplies {count} elements, at most {MAX_PIECES} are supported")
    for dim in dims:
        pieces: list[Value] = []
        for i in range(x.type.shape[dim]):
            ranges = whole(x.type.shape)
            ranges[dim] = (i, i + 1, 1)
            pieces.append(cut(call, x, ranges, f"{dim}.{i}"))
        x = pieces[0]
        for i, piece in enumerate(pieces[1:], 1):
            x = call.emit(Mul(), x, piece, part=f"product{dim}.{i}")
    return x if keep or not dims else call.emit(Mean(dims, False), x)


def cum_sum(call: Call) -> Value:
    """Each element and those before it: a dense layer with a triangular matrix of ones."""
    axes, x = call.optional_integers(1, "axis"), call.value()
    call.require(axes is not None and len(axes) == 1, "NMC-I012", "its axis is not one number")
    assert axes is not None
    dim = call.axis(axes[0], x.type.rank)
    call.require(dim != 0, "NMC-I015", "it adds samples (axis 0)", "sum over channels, time or space only")
    n = x.type.shape[dim]
    call.require(n * n <= MAX_KERNEL, "NMC-I016", f"its matrix would have {n} × {n} elements")
    matrix = np.tril(np.ones((n, n), np.float32), -1 if call.flag("exclusive") else 0)
    matrix = matrix[::-1, ::-1] if call.flag("reverse") else matrix
    return along(call, x, dim, matrix)


def along(call: Call, x: Value, dim: int, matrix: Array, part: str = "") -> Value:
    """The matrix times x along one axis: a dense layer, with that axis moved to the end and back."""
    last = x.type.rank - 1
    weight = call.weight(f"{part}{'.' if part else ''}matrix", matrix)
    if dim == last:
        return call.emit(Dense(), x, weight, part=part)
    perm = tuple(last if i == dim else dim if i == last else i for i in range(last + 1))
    moved = call.emit(Transpose(perm), x, part=f"{part}{'.' if part else ''}moved")
    mixed = call.emit(Dense(), moved, weight, part=f"{part}{'.' if part else ''}mixed")
    return call.emit(Transpose(perm), mixed, part=part)


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

"""Convolutions, pools and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ....ir import Value
from ....ir.ops import AvgPool, Conv, ConvTranspose, MaxPool, Mean
from ...common.emit import MAX_ELEMENTS
from ...common.moves import image
from ..call import Call, Ints

Pads = tuple[tuple[int, int], ...]


def _input(call: Call, operand: Any, dims: int) -> Value:
    x = call.value(operand)
    hint = "put a batch axis in front"
    call.require(x.type.rank == dims + 2, "NMC-I012", f"a {dims}-D window over an input {x.type}", hint)
    return image(call, x, dims)


def _both_ends(call: Call, padding: Ints, space: Sequence[int]) -> Pads:
    call.require(min(padding) >= 0, "NMC-I012", f"its padding is {list(padding)}")
    padded = math.prod(size + 2 * pad for size, pad in zip(space, padding, strict=True))
    call.require(padded <= MAX_ELEMENTS, "NMC-I012", f"the padded input would have {padded} elements a channel")
    return tuple((pad, pad) for pad in padding)


def _conv_pads(call: Call, padding: Any, space: Sequence[int], kernel: Ints, dilation: Ints) -> Pads:
    """Padding as numbers, `valid` (none) or `same` (the odd element goes to the end)."""
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return _both_ends(call, call.each(padding, len(kernel), "padding"), space)


def conv(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    dims: int,
) -> Value:
    w, b = call.weight("weight", call.constant(weight, "weight")), call.optional(bias, "bias")
    x = _input(call, input, dims)
    call.require(w.type.rank == dims + 2, "NMC-I012", f"its weight has shape {list(w.type.shape)}")
    stride, dilation = call.each(stride, dims, "stride"), call.each(dilation, dims, "dilation")
    pads = _conv_pads(call, padding, x.type.shape[2:], w.type.shape[2:], dilation)
    return call.emit(Conv(stride, pads, dilation, call.integer(groups, "groups")), x, w, b)


def conv_transpose(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    *,
    dims: int,
) -> Value:
    w, b = call.weight("weight", call.constant(weight, "weight")), call.optional(bias, "bias")
    x = _input(call, input, dims)
    stride, dilation = call.each(stride, dims, "stride"), call.each(dilation, dims, "dilation")
    pads = _both_ends(call, call.each(padding, dims, "padding"), x.type.shape[2:])
    extra = call.each(output_padding, dims, "output_padding")
    return call.emit(ConvTranspose(stride, pads, dilation, extra, call.integer(groups, "groups")), x, w, b)


def convolution(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Value:
    """Either of the two, as core ATen spells them."""
    dims = call.value(input).type.rank - 2
    if transposed:
        return conv_transpose(call, input, weight, bias, stride, padding, output_padding, groups, dilation, dims=dims)
    return conv(call, input, weight, bias, stride, padding, dilation, groups, dims=dims)


def _pool_window(call: Call, kernel_size: Any, stride: Any, dims: int) -> tuple[Ints, Ints]:
    kernel = call.each(kernel_size, dims, "kernel_size")
    own = stride is None or stride in ([], ())
    return kernel, kernel if own else call.each(stride, dims, "stride")


def max_pool(
    call: Call,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    dims: int,
) -> Value:
    call.require(not return_indices, "NMC-I011", "its indices are asked for", "use return_indices=False")
    x = _input(call, input, dims)
    kernel, stride = _pool_window(call, kernel_size, stride, dims)
    pads = _both_ends(call, call.each(padding, dims, "padding"), x.type.shape[2:])
    return call.emit(MaxPool(kernel, stride, pads, call.each(dilation, dims, "dilation"), ceil_mode), x)


def max_pool_with_indices(call: Call, input: Any, *window: Any, dims: int) -> list[Value]:
    """Core ATen's spelling, whose first result is the pool."""
    return [max_pool(call, input, *window, dims=dims)]


def avg_pool(
    call: Call,
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    dims: int,
) -> Value:
    why = f"its divisor_override is {divisor_override}"
    call.require(divisor_override is None, "NMC-I011", why, "scale the weights of the next layer")
    x = _input(call, input, dims)
    kernel, stride = _pool_window(call, kernel_size, stride, dims)
    pads = _both_ends(call, call.each(padding, dims, "padding"), x.type.shape[2:])
    return call.emit(AvgPool(kernel, stride, pads, (1,) * dims, ceil_mode, count_include_pad), x)


def _adaptive_kernel(call: Call, x: Value, output_size: Any) -> Ints:
    """The window of a pool to this output size, which must divide the input evenly."""
    space = x.type.shape[2:]
    sizes = output_size if isinstance(output_size, tuple | list) else (output_size,) * len(space)
    sizes = [old if size is None else call.integer(size, "output_size") for size, old in zip(sizes, space, strict=True)]
    whole = all(size > 0 and old % size == 0 for size, old in zip(sizes, space, strict=True))
    hint = "use an output size of 1, or one that divides the input"
    call.require(whole, "NMC-I011", f"{list(space)} to {sizes} needs windows of different sizes", hint)
    return tuple(old // size for size, old in zip(sizes, space, strict=True))


def adaptive_avg_pool(call: Call, input: Any, output_size: Any, *, dims: int) -> Value:
    x = _input(call, input, dims)
    kernel = _adaptive_kernel(call, x, output_size)
    if kernel == x.type.shape[2:]:
        return call.emit(Mean(tuple(range(2, x.type.rank))), x)
    return call.emit(AvgPool(kernel, kernel, ((0, 0),) * dims, (1,) * dims), x)


def adaptive_max_pool(call: Call, input: Any, output_size: Any, return_indices: bool = False, *, dims: int) -> Value:
    call.require(not return_indices, "NMC-I011", "its indices are asked for", "use return_indices=False")
    x = _input(call, input, dims)
    kernel = _adaptive_kernel(call, x, output_size)
    return call.emit(MaxPool(kernel, kernel, ((0, 0),) * dims, (1,) * dims), x)


def adaptive_max_pool_with_indices(call: Call, input: Any, output_size: Any, *, dims: int) -> list[Value]:
    """ATen's spelling, whose first result is the pool."""
    return [adaptive_max_pool(call, input, output_size, dims=dims)]


def mean(call: Call, input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    """Mean over axes; none given means all."""
    x = call.value(input)
    call.require(dtype is None or dtype.is_floating_point, "NMC-I011", f"its dtype is {dtype}")
    given = () if dim is None else call.integers(dim, "dim")
    dims = call.axes(given, x.type.rank) if given else tuple(range(x.type.rank))
    why = f"axes {list(given)} hold axis 0" if given else "no axes are given, which means all of them"
    call.require(0 not in dims, "NMC-I015", why, "average over channels, time or space only, e.g. x.mean((2, 3))")
    return call.emit(Mean(dims, keepdim), x)

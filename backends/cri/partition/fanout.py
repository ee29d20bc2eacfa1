"""How many neurons each element of a value reaches, from the structure of the layers alone.

A reach is an array that broadcasts to the frame: (1, 1, H, W) where all channels reach equally many. Going back through
an op gives the reach of what it reads; weights are taken to be other than 0, and two paths between the same two neurons
count twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ....compiler.ir import Node, Value
from ....compiler.ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Dequantize,
    MaxPool,
    Mean,
    Mul,
    Pad,
    Reshape,
    RunningMean,
    Slice,
    Transpose,
)
from ....compiler.ir.ops.window import Pads, ceil_pads, taps
from ....runtime.program.cri import IntArray

PLAIN = (Add, Mul, BatchNorm, Dequantize, RunningMean)


def back(node: Node, reach: IntArray) -> Iterator[tuple[Value, IntArray]]:
    """The reach of each operand that is no constant, where the result has `reach`. KeyError for other ops."""
    if isinstance(node.op, PLAIN):
        for value in node.operands:
            if value is not None and not value.is_constant:
                yield value, _folded(reach, value.type.shape, node.result.type.shape)
        return
    if isinstance(node.op, Concat):
        yield from _concat(node, node.op, reach)
        return
    yield node.x, RULES[type(node.op)](node, reach)


def _folded(reach: IntArray, small: tuple[int, ...], whole: tuple[int, ...]) -> IntArray:
    """The reach of an operand that is broadcast from `small` to `whole`."""
    lead = len(whole) - len(small)
    padded = (1,) * lead + small
    if padded == whole:
        return reach.reshape(reach.shape[lead:])
    axes = tuple(i for i, (a, b) in enumerate(zip(padded, whole, strict=True)) if a < b)
    full = np.broadcast_to(
        reach, [b if i in axes else r for i, (b, r) in enumerate(zip(whole, reach.shape, strict=True))]
    )
    total = full.sum(axis=axes, keepdims=True)
    return total.reshape(total.shape[lead:])


def _windows(node: Node, reach: IntArray, kernel: tuple[int, ...], pads: Pads) -> IntArray:
    """Over space: every element is read by all windows that hold it."""
    x, y, op = node.x.type.shape, node.result.type.shape, node.op
    assert isinstance(op, Conv | AvgPool | MaxPool)
    space = y[2:]
    full = np.zeros((1, reach.shape[1], *(size + sum(p) for size, p in zip(x[2:], pads, strict=True))), np.int64)
    given = np.broadcast_to(reach, (1, reach.shape[1], *space))
    for _, view in taps(full, kernel, op.stride, op.dilation, space):
        view += given
    cut = tuple(slice(b, b + size) for (b, _), size in zip(pads, x[2:], strict=True))
    return full[(slice(None), slice(None), *cut)]


def _conv(node: Node, reach: IntArray) -> IntArray:
    op, (out, _, *kernel) = node.op, _weight(node)
    assert isinstance(op, Conv)
    return _windows(node, _channels(reach, out, op.groups, node.x.type.shape[1]), tuple(kernel), op.pads)


def _conv_transpose(node: Node, reach: IntArray) -> IntArray:
    op, (_, per_group, *kernel) = node.op, _weight(node)
    assert isinstance(op, ConvTranspose)
    x, y = node.x.type.shape, node.result.type.shape
    given = _channels(reach, per_group * op.groups, op.groups, x[1])
    full = np.zeros((1, given.shape[1], *op.full_sizes(x[2:], tuple(kernel))), np.int64)
    cut = tuple(slice(b, b + size) for (b, _), size in zip(op.pads, y[2:], strict=True))
    full[(slice(None), slice(None), *cut)] = given
    return sum((view for _, view in taps(full, tuple(kernel), op.stride, op.dilation, x[2:])), np.zeros((), np.int64))


def _channels(reach: IntArray, out: int, groups: int, inputs: int) -> IntArray:
    """The sum over the output channels of each group, for every input channel."""
    if reach.shape[1] == 1:
        return reach * (out // groups)
    total = reach.reshape(1, groups, out // groups, *reach.shape[2:]).sum(axis=2)
    return np.repeat(total, inputs // groups, axis=1)


def _weight(node: Node) -> tuple[int, ...]:
    weight = node.operands[1]
    assert weight is not None
    return weight.type.shape


def _dense(node: Node, reach: IntArray) -> IntArray:
    total = reach.sum(axis=-1, keepdims=True)
    return total if reach.shape[-1] > 1 else total * _weight(node)[0]


def _pool(node: Node, reach: IntArray) -> IntArray:
    op = node.op
    assert isinstance(op, AvgPool | MaxPool)
    sizes = node.x.type.shape[2:], op.kernel, op.stride, op.dilation, op.pads, node.result.type.shape[2:]
    return _windows(node, reach, op.kernel, ceil_pads(*sizes))


def _mean(node: Node, reach: IntArray) -> IntArray:
    op, rank = node.op, node.x.type.rank
    assert isinstance(op, Mean)
    return reach if op.keepdims else np.expand_dims(reach, tuple(i for i in range(rank) if i in op.dims))


def _reshape(node: Node, reach: IntArray) -> IntArray:
    if reach.size == 1:
        return reach.reshape((1,) * node.x.type.rank)
    return np.broadcast_to(reach, node.result.type.shape).reshape(node.x.type.shape)


def _transpose(node: Node, reach: IntArray) -> IntArray:
    assert isinstance(node.op, Transpose)
    return reach.transpose(np.argsort(node.op.perm))


def _pad(node: Node, reach: IntArray) -> IntArray:
    assert isinstance(node.op, Pad)
    sizes = zip(node.op.pads, node.x.type.shape, reach.shape, strict=True)
    return reach[tuple(slice(b, b + size) if r > 1 else slice(None) for (b, _), size, r in sizes)]


def _slice(node: Node, reach: IntArray) -> IntArray:
    assert isinstance(node.op, Slice)
    whole = [(0, size, 1) for size in node.x.type.shape]
    cut = [i for i, (given, full) in enumerate(zip(node.op.ranges, whole, strict=True)) if given != full]
    full = np.zeros([node.x.type.shape[i] if i in cut else n for i, n in enumerate(reach.shape)], np.int64)
    full[tuple(slice(*r) if i in cut else slice(None) for i, r in enumerate(node.op.ranges))] = reach
    return full


def _concat(node: Node, op: Concat, reach: IntArray) -> Iterator[tuple[Value, IntArray]]:
    first = 0
    for value in node.operands:
        assert value is not None
        size, part = value.type.shape[op.dim], [slice(None)] * reach.ndim
        part[op.dim] = slice(first, first + size) if reach.shape[op.dim] > 1 else slice(None)
        first += size
        if not value.is_constant:
            yield value, reach[tuple(part)]


RULES: dict[type, Callable[[Node, IntArray], IntArray]] = {
    Conv: _conv,
    ConvTranspose: _conv_transpose,
    Dense: _dense,
    AvgPool: _pool,
    MaxPool: _pool,
    Mean: _mean,
    Reshape: _reshape,
    Transpose: _transpose,
    Pad: _pad,
    Slice: _slice,
}

"""What becomes of each kind of layer over time in the frame graph: `time` is its axis in the clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..ir import Node, Value
from ..ir.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Divide,
    FakeQuantize,
    Mask,
    MatMul,
    Maximum,
    MaxPool,
    Mean,
    Minimum,
    Mul,
    Normalize,
    Op,
    Pad,
    Power,
    Reshape,
    Slice,
    Softmax,
    Transpose,
)
from .stream_builder import Builder, Rule, without

BROADCAST = (Add, Divide, Mask, MatMul, Maximum, Minimum, Mul, Power)  # their constants are as wide as their values


def delay(b: Builder, node: Node, time: int) -> Value:
    assert isinstance(node.op, Delay)
    window = b.window(node, b.value(node.x), (node.op.frames,))
    return b.drop_time(window, node)


# --- layers ---


def windowed(b: Builder, node: Node, time: int) -> Value:
    op, x = node.op, b.value(node.x)
    assert isinstance(op, Conv | MaxPool | AvgPool)
    weight = node.operands[1] if isinstance(op, Conv) else None
    kernel = weight.type.shape[2:] if weight is not None else op.kernel if isinstance(op, MaxPool | AvgPool) else ()
    i = time - 2
    if kernel[i] == 1 and len(kernel) > 1:
        return _spatial(b, node, x, weight, time)
    lag = op.dilation[i]
    taps = tuple(lag * back for back in reversed(range(kernel[i])))
    if weight is not None and b.options.zero_fill and lag > 1:
        weight, taps = _zero_filled(b, node, weight, time, lag), tuple(reversed(range(taps[0] + 1)))
    window = b.window(node, x, taps, -np.inf if isinstance(op, MaxPool) else 0.0)
    at = {"dilation": 1, "pads": (0, 0)}
    changes = {name: (*getattr(op, name)[:i], new, *getattr(op, name)[i + 1 :]) for name, new in at.items()}
    rest = () if weight is None else (weight, *node.operands[2:])
    made = b.add(replace(op, **changes), window, *rest, node=node, suffix=".window")
    return b.drop_time(made, node)


def _zero_filled(b: Builder, node: Node, weight: Value, time: int, lag: int) -> Value:
    shape = list(weight.type.shape)
    shape[time] = lag * (shape[time] - 1) + 1
    data = np.zeros(shape, weight.data.dtype)
    data[(slice(None),) * time + (slice(None, None, lag),)] = weight.data
    return b.target.constant(f"{node.result.name}.filled", data)


def _spatial(b: Builder, node: Node, x: Value, weight: Value | None, time: int) -> Value:
    """A layer over space alone, without its time axis."""
    op, i = node.op, time - 2
    assert isinstance(op, Conv | MaxPool | AvgPool)
    names = ["stride", "pads", "dilation"] + ([] if isinstance(op, Conv) else ["kernel"])
    made = replace(op, **{name: without(getattr(op, name), i) for name in names})
    if weight is None:
        return b.add(made, x, node=node)
    data = weight.data.reshape(without(weight.type.shape, time))
    return b.add(made, x, b.constant(weight, data), *node.operands[2:], node=node)


def conv_transpose(b: Builder, node: Node, time: int) -> Value:
    op, weight = node.op, node.operands[1]
    assert isinstance(op, ConvTranspose) and weight is not None
    names = ("stride", "pads", "dilation", "output_pads")
    made = replace(op, **{name: without(getattr(op, name), time - 2) for name in names})
    data = weight.data.reshape(without(weight.type.shape, time))
    return b.add(made, b.value(node.x), b.constant(weight, data), *node.operands[2:], node=node)


# --- moves ---


def mean(b: Builder, node: Node, time: int) -> Value:
    assert isinstance(node.op, Mean)
    dims = tuple(d - (d > time) for d in node.op.dims)
    return b.add(Mean(dims), b.value(node.x), node=node)


def reshape(b: Builder, node: Node, time: int) -> Value:
    axis = node.result.type.axes.index("T")
    op = Reshape(without(node.result.type.shape, axis), node.result.type.axes.replace("T", ""))
    return b.add(op, b.value(node.x), node=node)


def transpose(b: Builder, node: Node, time: int) -> Value:
    assert isinstance(node.op, Transpose)
    perm = tuple(i - (i > time) for i in node.op.perm if i != time)
    return b.add(Transpose(perm), b.value(node.x), node=node)


def concat(b: Builder, node: Node, time: int) -> Value:
    assert isinstance(node.op, Concat)
    operands = (None if v is None else b.value(v) for v in node.operands)
    return b.add(Concat(node.op.dim - (node.op.dim > time)), *operands, node=node)


def pad(b: Builder, node: Node, time: int) -> Value:
    """Zero frames after the clip are what the stream is fed; other axes are padded frame by frame."""
    assert isinstance(node.op, Pad)
    pads = without(node.op.pads, time)
    x = b.value(node.x)
    return b.add(replace(node.op, pads=pads), x, node=node) if any(map(any, pads)) else x


def cut(b: Builder, node: Node, time: int) -> Value:
    """Slices over time name the clip's elements; over other axes they are done frame by frame."""
    assert isinstance(node.op, Slice)
    x, ranges = b.value(node.x), without(node.op.ranges, time)
    if node.op.ranges[time] != (0, node.x.type.shape[time], 1) or _ends_here(node):
        b.clips[id(node.result)] = range(*node.op.ranges[time])
    whole = all(r == (0, n, 1) for r, n in zip(ranges, x.type.shape, strict=True))
    return x if whole else b.add(Slice(ranges), x, node=node)


def _ends_here(node: Node) -> bool:
    return all(isinstance(user.op, Mean | Reshape) for user, _ in node.result.uses)


def quantizer(b: Builder, node: Node, time: int) -> Value:
    assert isinstance(node.op, FakeQuantize)
    op = replace(node.op, axis=node.op.axis - (node.op.axis > time))
    return b.add(op, b.value(node.x), *node.operands[1:], node=node)


def over_axes(b: Builder, node: Node, time: int) -> Value:
    """softmax and normalize, whose axes are counted without time."""
    op = node.op
    if isinstance(op, Softmax):
        op = replace(op, axis=op.axis - (op.axis > time))
    elif isinstance(op, Normalize):
        op = replace(op, axes=tuple(axis - (axis > time) for axis in op.axes))
    return b.add(op, b.value(node.x), node=node)


def alone(b: Builder, node: Node, time: int) -> Value:
    """An op that treats every frame alone: constants lose their time axis."""
    rank = node.result.type.rank
    operands = []
    for value in node.operands:
        if value is None or not value.is_constant or not isinstance(node.op, BROADCAST):
            operands.append(None if value is None else b.value(value))
            continue
        axis = time - (rank - value.type.rank)
        shape = value.type.shape if axis < 0 else without(value.type.shape, axis)
        operands.append(b.constant(value, value.data.reshape(shape)))
    return b.add(node.op, *operands, node=node)


RULES: Mapping[type[Op], Rule] = {
    AvgPool: windowed,
    Concat: concat,
    Conv: windowed,
    ConvTranspose: conv_transpose,
    Delay: delay,
    FakeQuantize: quantizer,
    MaxPool: windowed,
    Mean: mean,
    Normalize: over_axes,
    Pad: pad,
    Reshape: reshape,
    Slice: cut,
    Softmax: over_axes,
    Transpose: transpose,
}

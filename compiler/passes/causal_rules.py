"""What make-causal does with each kind of layer: the causal layer, and the timing of what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.timing import joined
from ..ir import Node
from ..ir.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Divide,
    FakeQuantize,
    Gru,
    Lstm,
    MatMul,
    MaxPool,
    Mean,
    Mul,
    Op,
    Pad,
    Power,
    Relu,
    Reshape,
    Rnn,
    Slice,
    Transpose,
)
from .causal_builder import Builder, Refused, Rule
from .causal_recurrent import recurrent
from .fold_batch_norm import channel_affine


def window_numbers(node: Node) -> tuple[int, int, int, int, int] | None:
    """(kernel, stride, dilation, pad before, pad after) along T of a layer with windows over time, else None."""
    op, axis = node.op, node.x.type.axis("T")
    if axis is None or axis < 2 or not isinstance(op, Conv | MaxPool | AvgPool):
        return None
    if isinstance(op, Conv):
        weight = node.operand("weight")
        assert weight is not None
        kernel = weight.type.shape[axis]
    else:
        kernel = op.kernel[axis - 2]
    before, after = op.pads[axis - 2]
    return kernel, op.stride[axis - 2], op.dilation[axis - 2], before, after


def _at(numbers: tuple[Any, ...], index: int, number: Any) -> tuple[Any, ...]:
    return (*numbers[:index], number, *numbers[index + 1 :])


def _unbiased(node: Node) -> bool:
    """Does the layer make zeros of zeros?"""
    bias = node.operand("bias") if "bias?" in node.op.operands else None
    return bias is None or not np.any(bias.data)


# --- layers that look at one frame ---


def _has_axis(node: Node) -> bool:
    """Has a quantizer several scales?"""
    scale = node.operand("scale")
    return scale is not None and scale.type.rank > 0


def elementwise(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    op = node.op
    if isinstance(op, BatchNorm) and node.x.type.axes[1] == "T":
        raise Refused("it normalizes along time")
    if isinstance(op, FakeQuantize) and _has_axis(node) and node.x.type.axes[op.axis] == "T":
        raise Refused("it has another scale for each frame", hint="one scale for a tensor, or for each channel")
    zero = np.zeros((1,) * value.type.rank)
    if isinstance(op, BatchNorm):
        keeps = not np.any(channel_affine(node)[1])
    else:
        keeps = isinstance(op, FakeQuantize) or bool(np.all(op.evaluate(zero) == 0))
    made = b.add(op, value, *node.operands[1:], node=node)
    b.put(node.result, made, track.mapped(keeps))


def binary(b: Builder, node: Node) -> None:
    """add, mul and the like, of two streams or a stream and a constant."""
    constants = [v for v in node.operands if v is not None and v.is_constant]
    if not constants:
        together(b, node)
        return
    flowing = next(i for i, v in enumerate(node.operands) if v is not None and not v.is_constant)
    value, track = b.operand(node, flowing)
    (constant,) = constants
    axis = node.result.type.axes.index("T") - (node.result.type.rank - constant.type.rank)
    if axis >= 0 and constant.type.shape[axis] != 1:
        raise Refused("its constant differs from frame to frame")
    zero = np.zeros((1,) * value.type.rank)
    pair = (zero, constant.data) if flowing == 0 else (constant.data, zero)
    keeps = isinstance(node.op, MatMul) or bool(np.all(node.op.evaluate(*pair) == 0))
    operands = (value, constant) if flowing == 0 else (constant, value)
    b.put(node.result, b.add(node.op, *operands, node=node), track.mapped(keeps))


def together(b: Builder, node: Node) -> None:
    """Streams that meet: the earlier ones wait."""
    if isinstance(node.op, Concat) and node.result.type.axes[node.op.dim] == "T":
        raise Refused("it puts clips one after the other in time")
    if any(v is not None and v.is_constant for v in node.operands):
        raise Refused("it joins a stream with a constant", hint="add or multiply the constant instead")
    edges = [b.operand(node, i) for i in range(len(node.operands))]
    if len({(track.stride, track.length) for _, track in edges}) > 1:
        rates = ", ".join(f"{t.length} elements every {t.stride} frames" for _, t in edges)
        raise Refused(f"its inputs have different rates: {rates}")
    latest = max(track.offset for _, track in edges)
    waited = [b.delayed(value, track, latest - track.offset, f"%{value.name}") for value, track in edges]
    made = b.add(node.op, *(value for value, _ in waited), node=node)
    track = joined([track for _, track in waited])
    zero = track.zero
    if isinstance(node.op, Mul | MatMul):
        zero = np.logical_or.reduce([t.zero for _, t in waited])
    elif isinstance(node.op, Divide | Power):  # 0 / 0 and 0⁰ are not 0
        zero = np.zeros_like(zero)
    b.put(node.result, made, replace(track, zero=zero))


def dense(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    if node.x.type.axes[-1] == "T":
        raise Refused("it mixes all frames of the clip", hint="a convolution over time can be streamed")
    b.put(node.result, b.add(node.op, value, *node.operands[1:], node=node), track.mapped(_unbiased(node)))


def transpose(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    b.put(node.result, b.add(node.op, value, node=node), track)


# --- layers that look at time ---


def windowed(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    numbers = window_numbers(node)
    if numbers is None:
        raise Refused(f"time is not a spatial axis of {node.x.type}")
    kernel, stride, dilation, before, after = numbers
    op = node.op
    assert isinstance(op, Conv | MaxPool | AvgPool)
    axis = node.x.type.axes.index("T")
    length = node.result.type.shape[axis]
    beyond = stride * (length - 1) + dilation * (kernel - 1) - before - (track.length - 1)
    if isinstance(op, AvgPool) and (beyond > after or ((before or beyond > 0) and not op.include_pad)):
        raise Refused("it averages over fewer frames at the ends of the clip", hint="count_include_pad=True")
    ahead = dilation * (kernel - 1) - before
    if b.strict and beyond > 0 and ahead > 0:
        raise Refused(f"it looks {beyond} frames ahead", "NMC-V002", "pad on the left only")
    value, track = b.delayed(value, track, max(0, -(track.offset + track.stride * ahead)), f"%{value.name}")
    lag = track.stride * dilation
    causal: dict[str, Any] = {
        "stride": _at(op.stride, axis - 2, 1),
        "dilation": _at(op.dilation, axis - 2, lag if kernel > 1 else 1),
        "pads": _at(op.pads, axis - 2, (lag * (kernel - 1), 0)),
    }
    behind = track.windowed(kernel, stride, dilation, before, length, _unbiased(node), isinstance(op, MaxPool))
    b.put(node.result, b.add(replace(op, **causal), value, *node.operands[1:], node=node), behind)


def conv_transpose(b: Builder, node: Node) -> None:
    op, axis = node.op, node.x.type.axes.index("T")
    assert isinstance(op, ConvTranspose)
    weight = node.operands[1]
    assert weight is not None
    numbers = (weight.type.shape[axis], op.stride[axis - 2], op.pads[axis - 2], op.output_pads[axis - 2])
    if axis < 2 or numbers != (1, 1, (0, 0), 0):
        raise Refused("it makes several frames of one", hint="transposed convolutions over space alone are fine")
    value, track = b.operand(node)
    b.put(node.result, b.add(op, value, *node.operands[1:], node=node), track.mapped(_unbiased(node)))


def pad(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    op, axis = node.op, node.x.type.axes.index("T")
    assert isinstance(op, Pad)
    before, after = op.pads[axis]
    if (before or after) and op.value != 0:
        raise Refused(f"it pads time with {op.value}")
    early = max(0, track.stride * before - track.offset)
    value, track = b.delayed(value, track, early, f"%{value.name}")
    rest = _at(op.pads, axis, (0, 0))
    made = b.add(replace(op, pads=rest), value, node=node) if any(map(any, rest)) else value
    b.put(node.result, made, track.padded(before, after).mapped(op.value == 0))


def cut(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    op, axis = node.op, node.x.type.axes.index("T")
    assert isinstance(op, Slice)
    start, _, step = op.ranges[axis]
    rest = _at(op.ranges, axis, (0, b.length, 1))
    whole = all(r == (0, n, 1) for r, n in zip(rest, value.type.shape, strict=True))
    made = value if whole else b.add(Slice(rest), value, node=node)
    b.put(node.result, made, track.sliced(start, step, node.result.type.shape[axis]))


def mean(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    op, axis = node.op, node.x.type.axes.index("T")
    assert isinstance(op, Mean)
    if axis not in op.dims:
        b.put(node.result, b.add(op, value, node=node), track)
        return
    rest = tuple(d for d in op.dims if d != axis)
    if rest:
        value = b.add(Mean(rest), value, node=node, suffix=".frame")
    clip = b.collect(value, track, node)
    made = b.add(Mean((axis,)), clip, node=node)
    b.put(node.result, made, None, track.collapsed())


def reshape(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    op, x = node.op, node.x.type
    assert isinstance(op, Reshape)
    axis, out = x.axes.index("T"), op.axes.find("T")
    if out < 0:
        clip = b.collect(value, track, node)
        b.put(node.result, b.add(op, clip, node=node), None, track.collapsed())
        return
    ahead = [int(np.prod(shape[:i])) for shape, i in ((x.shape, axis), (op.shape, out))]
    if ahead[0] != ahead[1] or op.shape[out] != x.shape[axis]:
        raise Refused("it mixes time with other axes")
    made = b.add(Reshape(_at(op.shape, out, b.length), op.axes), value, node=node)
    b.put(node.result, made, track)


RULES: Mapping[type[Op], Rule] = {
    Activation: elementwise,
    Add: binary,
    AvgPool: windowed,
    BatchNorm: elementwise,
    Clip: elementwise,
    Concat: together,
    Conv: windowed,
    ConvTranspose: conv_transpose,
    Dense: dense,
    FakeQuantize: elementwise,
    Gru: recurrent,
    Lstm: recurrent,
    MaxPool: windowed,
    Mean: mean,
    Mul: binary,
    Pad: pad,
    Relu: elementwise,
    Reshape: reshape,
    Rnn: recurrent,
    Slice: cut,
    Transpose: transpose,
}

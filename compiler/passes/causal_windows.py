"""What make-causal does with layers that look at time: windows, padding, slices, means and reshapes of clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..ir import Node
from ..ir.ops import AvgPool, Conv, ConvTranspose, MaxPool, Mean, Pad, Reshape, Slice
from .causal_builder import Builder, Refused


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


def unbiased(node: Node) -> bool:
    """Does the layer make zeros of zeros?"""
    bias = node.operand("bias") if "bias?" in node.op.operands else None
    return bias is None or not np.any(bias.data)


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
    behind = track.windowed(kernel, stride, dilation, before, length, unbiased(node), isinstance(op, MaxPool))
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
    b.put(node.result, b.add(op, value, *node.operands[1:], node=node), track.mapped(unbiased(node)))


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

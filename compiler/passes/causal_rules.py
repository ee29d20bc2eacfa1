"""What make-causal does with each kind of layer: the causal layer, and the timing of what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
from .causal_windows import conv_transpose, cut, mean, pad, reshape, unbiased, windowed
from .fold_batch_norm import channel_affine


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
    b.put(node.result, b.add(node.op, value, *node.operands[1:], node=node), track.mapped(unbiased(node)))


def transpose(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    b.put(node.result, b.add(node.op, value, node=node), track)


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

"""Scales and offsets by channel: into the layer beside them, or else a layer of their own."""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, BatchNorm, Conv, Dense, Mul, Reshape
from ...compiler.passes.base import Context
from ...compiler.passes.fold_batch_norm import channel_affine
from .embedding import NAME, is_frame


def _has_channels_second(x: Value) -> bool:
    """Is it a frame, or a vector?"""
    return is_frame(x) or (x.type.rank == 2 and x.type.batched)


def affine_is_norm(graph: Graph, node: Node, context: Context) -> bool:
    """mul or add with a constant for each channel becomes a batch_norm, which other rules fold."""
    x, constant = node.x, (*node.operands, None)[1]
    if not isinstance(node.op, Mul | Add) or constant is None or not constant.is_constant or x.is_constant:
        return False
    if not _has_channels_second(x):
        return False
    shape = (1,) * (x.type.rank - constant.type.rank) + constant.type.shape
    if node.result.type != x.type or any(n != 1 for i, n in enumerate(shape) if i != 1):
        context.decline(NAME, node.result.name, f"the constant {constant} differs within a channel")
        return False
    channels, name = x.type.shape[1], node.result.name
    values = np.broadcast_to(constant.data.reshape(-1), (channels,)).astype(np.float32)
    zeros, ones = np.zeros(channels, np.float32), np.ones(channels, np.float32)
    scale, offset = (values, zeros) if isinstance(node.op, Mul) else (ones, values)
    parameters = {"gamma": scale, "beta": offset, "mean": zeros, "variance": ones}
    constants = [graph.constant(f"{name}.{key}", data) for key, data in parameters.items()]
    graph.rewrite(node, BatchNorm(epsilon=0.0), x, *constants)
    return True


def norm_before_reshape(graph: Graph, node: Node, context: Context) -> bool:
    """batch_norm behind a layer over past frames moves in front of the reshape that drops the layer's time axis."""
    moved = node.x.producer
    if not isinstance(node.op, BatchNorm) or moved is None or not isinstance(moved.op, Reshape):
        return False
    before, after = moved.x.type, node.x.type
    layer = moved.x.producer
    if layer is None or not isinstance(layer.op, Conv) or graph.readers(node.x) > 1 or graph.readers(moved.x) > 1:
        return False
    time = before.axis("T")
    if time is None or before.axes.replace("T", "") != after.axes:
        return False
    if (*before.shape[:time], *before.shape[time + 1 :]) != after.shape:
        return False
    y = node.result
    norm = graph.add(node.op, moved.x, *node.operands[1:], name=f"{y.name}.norm", origin=y.origin, before=node)
    graph.rewrite(node, moved.op, norm)
    return True


def norm_is_layer(graph: Graph, node: Node, context: Context) -> bool:
    """A batch_norm that stands alone becomes a depthwise 1×1 convolution, of vectors a dense layer."""
    if not isinstance(node.op, BatchNorm) or not _has_channels_second(node.x):
        return False
    scale, offset = (part.astype(np.float32) for part in channel_affine(node))
    name, frame = node.result.name, is_frame(node.x)
    op = Conv.plain(2, len(scale)) if frame else Dense()
    weight = graph.constant(f"{name}.scale", scale.reshape(-1, 1, 1, 1) if frame else np.diag(scale))
    bias = (graph.constant(f"{name}.offset", offset),) if np.any(offset) else ()
    graph.rewrite(node, op, node.x, weight, *bias)
    return True

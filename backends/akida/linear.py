"""Convolutions, dense layers and memories of the graph as layers."""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Node, Value
from ...compiler.ir.ops import AvgPool, Conv, ConvTranspose, Fifo, Mean, Transpose
from .builder import TO_CHANNELS_FIRST, Builder, NotHeld
from .embedding import window_kind
from .floats import Array
from .geometry import is_window, window_mode
from .moves import Place

REACH_BACK = (Conv, Mean, AvgPool)


def _weight(node: Node) -> Array:
    weight = node.operand("weight")
    assert weight is not None
    return weight.data


def _depthwise(groups: int, node: Node) -> bool:
    return groups == node.x.type.shape[1] == node.result.type.shape[1]


def conv(b: Builder, node: Node) -> Place:
    op, weight = node.op, _weight(node)
    assert isinstance(op, Conv)
    if id(node.x) in b.windows:
        return _temporal(b, node, op, weight)
    if node.x.type.rank != 4:
        return _vector(b, node, op, weight)
    kernel, sizes = weight.shape[2:], node.x.type.shape[2:]
    mode, depthwise = window_mode(op, kernel, sizes), _depthwise(op.groups, node)
    scales = depthwise and kernel == (1, 1) and op.stride == (1, 1)
    fits = scales or is_window(window_kind(b.graph, node.x, op.groups), op, kernel, sizes)
    if mode is None or not fits or (op.groups > 1 and not depthwise):
        raise NotHeld(f"kernel {kernel}, stride {op.stride}, pads {op.pads}, groups {op.groups} fit no layer")
    window = {"kernel_size": kernel[0], "kernel_stride": op.stride[0], "padding": mode}
    w, bias = weight.transpose(2, 3, 1, 0), node.operand("bias")
    image = _image(b, node, op)
    if image is not None:
        x, y, c = (node.x.type.shape[i] for i in (2, 3, 1))
        size = {"input_x": x, "input_y": y, "input_channels": c}
        place = b.layer(node, "InputConv2D", (), w, bias, **size, filters=w.shape[3], **window)
        b.feed(image, place.layer, "CHW" if image is node.x else "HWC")
        return place
    inbounds = (b.frame(node.x, node).layer,)
    if op.groups > 1 and not scales:
        return b.layer(node, "DepthwiseConv2D", inbounds, w[:, :, 0], bias, **window)
    w = w * np.eye(w.shape[3]) if op.groups > 1 else w
    return b.layer(node, "Conv2D", inbounds, w, bias, filters=w.shape[3], **window)


def _vector(b: Builder, node: Node, op: Conv, weight: Array) -> Place:
    """A 1×1×… convolution of a single pixel, whatever its axes are called."""
    x = b.place(node.x)
    if op != Conv.plain(len(op.stride)) or weight[0, 0].size > 1 or x.made[:2] != (1, 1) or not x.is_frame:
        raise NotHeld(f"a convolution over {node.x.type.axes}: the machine has two axes of space")
    w = weight.reshape(weight.shape[:2]).T[None, None]
    return b.layer(node, "Conv2D", (x.layer,), w, node.operand("bias"), filters=len(weight), kernel_size=1)


def _image(b: Builder, node: Node, op: Conv) -> Value | None:
    """The graph input, if this is an image layer: the only reader of one with 1 or 3 channels."""
    moved = node.x.producer
    last = moved is not None and moved.op == Transpose(TO_CHANNELS_FIRST)
    source = moved.x if moved is not None and last else node.x
    image = window_kind(b.graph, node.x, op.groups) == "image" and b.counts[id(source)] == 1
    kernel = _weight(node).shape[2:]
    return source if image and is_window("image", op, kernel, node.x.type.shape[2:]) else None


def is_image_order(b: Builder, node: Node) -> bool:
    """Does a move only bring an input's channels in front for an image layer? That layer reads the input as it lies."""
    users = [user for user, _ in node.result.uses]
    return len(users) == 1 and isinstance(users[0].op, Conv) and _image(b, users[0], users[0].op) is node.x


def conv_transpose(b: Builder, node: Node) -> Place:
    op, weight = node.op, _weight(node)
    assert isinstance(op, ConvTranspose)
    kernel, sizes = weight.shape[2:], node.x.type.shape[2:]
    crop = tuple((k - 2) // 2 for k in kernel)
    fits = op.stride == (2, 2) and kernel in ((3, 3), (4, 4)) and op.dilation == (1, 1)
    fits = fits and tuple(p[0] for p in op.pads) == crop
    if not fits or node.result.type.shape[2:] != tuple(2 * n for n in sizes):
        raise NotHeld(f"kernel {kernel}, stride {op.stride}, pads {op.pads}: transposed layers double the size")
    inbounds, w = (b.frame(node.x, node).layer,), weight.transpose(2, 3, 0, 1)
    bias = node.operand("bias")
    if op.groups == 1:
        return b.layer(node, "Conv2DTranspose", inbounds, w, bias, filters=w.shape[3], kernel_size=kernel[0])
    if not _depthwise(op.groups, node):
        raise NotHeld(f"{op.groups} groups")
    return b.layer(node, "DepthwiseConv2DTranspose", inbounds, w[..., 0], bias, kernel_size=kernel[0])


def dense(b: Builder, node: Node) -> Place:
    x, weight = b.place(node.x), _weight(node)
    if int(np.prod(x.shape[:-1])) != 1:
        return _per_pixel(b, node, x, weight)
    rows = np.zeros((int(np.prod(x.made)), len(weight)))
    np.add.at(rows, x.positions().ravel(), weight.T.astype(np.float64))
    return b.layer(node, "Dense1D", (x.layer,), rows, node.operand("bias"), units=len(weight))


def _per_pixel(b: Builder, node: Node, x: Place, weight: Array) -> Place:
    """A dense layer over the channels of every pixel: a 1×1 convolution, whatever the order of the pixels."""
    rows, (width, height, channels) = x.positions().reshape(-1, x.shape[-1]), x.made
    pixels = rows[:, 0] // channels
    whole = x.shape[-1] == channels and np.array_equal(np.sort(pixels), np.arange(width * height))
    if not whole or not np.array_equal(rows, pixels[:, None] * channels + np.arange(channels)):
        raise NotHeld(f"a dense layer over the last axis of {node.x.type}, which are not the channels of a frame")
    made = b.layer(
        node, "Conv2D", (x.layer,), weight.T[None, None], node.operand("bias"), filters=len(weight), kernel_size=1
    )
    index = pixels[:, None] * len(weight) + np.arange(len(weight))
    return made.moved(index.reshape(made.shape))


def fifo(b: Builder, node: Node) -> Place | None:
    """A memory is part of the layer that reads it; one of a single frame is a delay, a layer of its own."""
    assert isinstance(node.op, Fifo)
    if node.op.fill != 0:
        raise NotHeld("a maximum over time", "the machine's memories are read by convolutions and means only")
    source = b.frame(node.x, node)
    part = any(isinstance(user.op, REACH_BACK) for user, _ in node.result.uses)
    if len(node.op.taps) == 1 and not part:
        return _past(b, node, source, node.op.taps, np.ones((1, source.made[2])))
    b.windows[id(node.result)] = source, node.op.taps
    return None


def _past(b: Builder, node: Node, x: Place, taps: tuple[int, ...], weight: Array, bias: Value | None = None) -> Place:
    """A layer over past frames; weight (taps, C, F), or (taps, C) for one that keeps channels apart."""
    size, filters = max(taps) + 1, weight.shape[-1]
    if size == 1:
        w = weight if weight.ndim == 3 else np.eye(filters)[None] * weight[:, None]
        return b.layer(node, "Conv2D", (x.layer,), w[None], bias, filters=filters, kernel_size=1)
    whole = np.zeros((size, *weight.shape[1:]))
    whole[[size - 1 - lag for lag in taps]] = weight
    if weight.ndim == 2:
        return b.layer(node, "DepthwiseBufferTempConv", (x.layer,), whole, bias, fifo_size=size)
    return b.layer(node, "BufferTempConv", (x.layer,), whole, bias, fifo_size=size, filters=filters)


def _temporal(b: Builder, node: Node, op: Conv, weight: Array) -> Place:
    x, taps = b.windows[id(node.x)]
    kernel = (len(taps), *(1,) * (weight.ndim - 3))
    plain = op == Conv.plain(len(op.stride), op.groups) and weight.shape[2:] == kernel
    if not plain or (op.groups > 1 and not _depthwise(op.groups, node)):
        raise NotHeld(f"a kernel {weight.shape[2:]} over time and space in one", "factorize-conv3d splits it")
    w = weight.reshape(weight.shape[:3]).transpose(2, 1, 0)
    return _past(b, node, x, taps, w if op.groups == 1 else w[:, 0], node.operand("bias"))


def past_mean(b: Builder, node: Node) -> Place:
    """The mean over all frames of a memory."""
    x, taps = b.windows[id(node.x)]
    if isinstance(node.op, AvgPool):
        op = node.op
        if op.kernel != (len(taps), *(1,) * (len(op.kernel) - 1)) or any(map(any, op.pads)):
            raise NotHeld(f"an average over windows {op.kernel} of time and space")
    else:
        assert isinstance(node.op, Mean)
    return _past(b, node, x, taps, np.full((len(taps), x.made[2]), 1 / len(taps)))

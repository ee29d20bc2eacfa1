"""Pools, means, activations and branches of the graph: parts of layers, layers of their own, or identity layers."""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Node
from ...compiler.ir.ops import Activation, AvgPool, Clip, Concat, MaxPool, Mean, Relu, Reshape
from .builder import Builder, NotHeld
from .floats import Array, FloatLayer, parameters_of
from .linear import past_mean
from .moves import Place
from .pools import max_window

TABLE_KINDS = ("InputConv2D", "Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "DepthwiseConv2DTranspose")
MAX_KINDS = ("InputConv2D", "Conv2D", "DepthwiseConv2D")
MEAN_KINDS = ("InputConv2D", "Conv2D")


def average(b: Builder, node: Node) -> Place:
    assert isinstance(node.op, AvgPool)
    if id(node.x) in b.windows:
        return past_mean(b, node)
    raise NotHeld(f"an average over windows {node.op.kernel} that count differently many cells")


def mean(b: Builder, node: Node) -> Place:
    assert isinstance(node.op, Mean)
    dims, given = node.op.dims, node.x.type
    if id(node.x) in b.windows:
        past = past_mean(b, node)
        if dims == (2,):
            return past
        if dims != tuple(range(2, given.rank)):
            raise NotHeld(f"a mean over axes {dims} of {given}")
        b.reads[past.layer] = 1
        x = Place(past.layer, past.made, (past.made[2], *past.made[:2]))
    elif dims != (2, 3) or given.rank != 4:
        raise NotHeld(f"a mean over axes {dims} of {given}", "the machine averages whole frames over both axes")
    else:
        x = b.frame(node.x, node)
    layer = b.fusable(x)
    if layer is None or layer.kind not in MEAN_KINDS or layer.pool != "none":
        layer = b.net.layers[b.identity(x, node).layer]
    layer.parameters["pool_type"] = "avg"
    return b.fused(layer, node)


def max_pool(b: Builder, node: Node) -> Place:
    assert isinstance(node.op, MaxPool)
    op = node.op
    if node.x.type.rank != 4:
        raise NotHeld(f"a maximum over {node.x.type.axes}")
    found = max_window(op, node.x.type.shape[2:])
    if found is None:
        raise NotHeld(f"a maximum pool of kernel {op.kernel}, stride {op.stride}, pads {op.pads}")
    x = b.frame(node.x, node)
    layer = b.fusable(x)
    if layer is None or not _takes_pool(layer, found.mode):
        layer = b.net.layers[b.identity(x, node).layer]
    layer.parameters |= {"pool_type": "max", "pool_size": found.size, "pool_stride": found.stride}
    layer.parameters["padding"] = found.mode
    place = b.fused(layer, node)
    if found.every == 1:
        return place
    b.reads[layer.name] = 1
    picked = b.mix(place, np.eye(layer.made[2]), node, "stride", identity=True)
    last = b.net.layers[picked.layer]
    last.parameters["kernel_stride"] = found.every
    return b.fused(last, node)


def _takes_pool(layer: FloatLayer, mode: str) -> bool:
    """May a maximum pool of that padding become part of the layer? Its convolution has to have the same padding."""
    p = layer.parameters
    if layer.kind not in MAX_KINDS or p["activation"] == "lut" or p["pool_type"] != "none":
        return False
    return p["padding"] == mode or (p["kernel_size"] == 1 and p["kernel_stride"] == 1)


def activation(b: Builder, node: Node) -> Place:
    x, op = b.place(node.x), node.op
    rectifies = isinstance(op, Relu) or (isinstance(op, Clip) and op.low == 0 and op.high is not None and op.high > 0)
    layer = b.fusable(x)
    free = layer is not None and layer.activation == "none"
    if layer is None or not free or (not rectifies and (layer.kind not in TABLE_KINDS or layer.pool != "none")):
        layer = b.net.layers[b.identity(x, node).layer]
    layer.parameters["activation"] = "relu" if rectifies else "lut"
    if rectifies:
        layer.high = op.high if isinstance(op, Clip) else None
    else:
        assert isinstance(op, Activation | Clip)
        layer.function = op
    return b.fused(layer, node, x.index)


def add(b: Builder, node: Node) -> Place:
    first, second = node.operands
    assert first is not None and second is not None
    if second.is_constant:
        raise NotHeld(f"the sum with the constant {second.type}: it differs within a channel")
    if first.type.shape != second.type.shape:
        raise NotHeld(f"a sum of {first.type} and {second.type}: one is repeated")
    if first is second:
        x = b.frame(first, node)
        doubled = b.mix(x, 2 * np.eye(x.made[2]), node, "double").reshaped(x.shape)
        b.reads[doubled.layer] = b.counts[id(node.result)]
        return doubled
    left, right = b.place(first), b.place(second)
    if left.made != right.made or not np.array_equal(left.positions(), right.positions()):
        left, right = b.frame(first, node), b.frame(second, node)
    if left.layer == right.layer:
        right = b.identity(right, node)
    return _join(b, node, "Add", left, right, node.result.name, left.index)


def concat(b: Builder, node: Node) -> Place:
    """Of more than two operands, one after the other."""
    assert isinstance(node.op, Concat)
    values = [v for v in node.operands if v is not None]
    if any(v.is_constant for v in values):
        raise NotHeld("a concatenation with a constant")
    if node.op.dim != 1:
        raise NotHeld(f"a concatenation along axis {node.op.dim}", "the machine joins channels")
    joined, *rest = (b.frame(v, node) for v in values)
    for number, part in enumerate(rest, 1):
        other = b.identity(part, node) if part.layer == joined.layer else part
        last = number == len(rest)
        joined = _join(
            b, node, "Concatenate", joined, other, node.result.name if last else b.name(f"{node.result.name}.part")
        )
        if not last:
            b.reads[joined.layer] = 1
    return joined


def _join(b: Builder, node: Node, kind: str, left: Place, right: Place, name: str, index: Array | None = None) -> Place:
    layer = FloatLayer(name, kind, (left.layer, right.layer), parameters_of(kind), origin=node.result.origin)
    return b.append(layer, node, index)


def mul(b: Builder, node: Node) -> Place:
    constant = any(v is not None and v.is_constant for v in node.operands)
    why = "a factor that differs within a channel" if constant else "a product of two computed values"
    raise NotHeld(why, "the machine adds, convolves and tabulates")


def move(b: Builder, node: Node) -> Place:
    x = b.place(node.x)
    if isinstance(node.op, Reshape):
        return x.reshaped(node.result.type.shape[1:])
    return x.moved(np.ascontiguousarray(node.op.evaluate(x.positions()[None])[0]))

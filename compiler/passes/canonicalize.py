"""One spelling for each thing, so that later passes need to know only one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..analysis.sign import is_nonnegative
from ..ir import Graph, Node
from ..ir.ops import (
    Add,
    AvgPool,
    BatchNorm,
    Clip,
    Concat,
    Conv,
    Dense,
    MaxPool,
    Mean,
    Mul,
    Pad,
    Relu,
    Reshape,
    Slice,
    Stateful,
    Transpose,
)
from .activations import recognise_activation
from .base import Context, Pass, apply_rules
from .quantizers import drop_quantizer
from .transposes import pad_last, transpose_last

NAME = "canonicalize"


def fold_constants(graph: Graph, node: Node, context: Context) -> bool:
    """A node that reads constants only becomes a constant."""
    operands = [value for value in node.operands if value is not None]
    if isinstance(node.op, Stateful) or not all(value.is_constant for value in operands):
        return False
    data = node.op.evaluate(*(None if value is None else value.data for value in node.operands))
    data = data.astype(np.float32 if node.result.type.dtype == "f32" else data.dtype)
    name = node.result.name
    graph.replace(node, graph.constant(f"{name}.value", data, node.result.type.axes))
    return True


def _does_nothing(node: Node) -> bool:
    op, x, y = node.op, node.operands[0], node.result
    if x is None or x.type != y.type:
        return False
    if isinstance(op, Clip):
        return (op.low is None and op.high is None) or (op.low == 0 and op.high is None and is_nonnegative(x))
    if isinstance(op, Mul | Add) and node.operands[1] is not None and node.operands[1].is_constant:
        return bool(np.all(node.operands[1].data == (1 if isinstance(op, Mul) else 0)))
    if isinstance(op, MaxPool | AvgPool):
        return all(k == 1 for k in op.kernel)
    if isinstance(op, Transpose):
        return op.perm == tuple(range(x.type.rank))
    if isinstance(op, Mean):
        return all(x.type.shape[d] == 1 for d in op.dims)
    return isinstance(op, Reshape | Pad | Slice | Concat) or (isinstance(op, Relu) and is_nonnegative(x))


def drop_identity(graph: Graph, node: Node, context: Context) -> bool:
    """A node that changes nothing goes (a relu after a relu, a reshape to the same shape, padding by 0, …)."""
    if not _does_nothing(node):
        return False
    graph.replace(node, node.x)
    return True


def constant_second(graph: Graph, node: Node, context: Context) -> bool:
    """add(const, x) becomes add(x, const); the same for mul."""
    a, b = (*node.operands, None)[:2]
    if not isinstance(node.op, Add | Mul) or a is None or b is None or not a.is_constant or b.is_constant:
        return False
    graph.set_operands(node, (b, a))
    return True


def merge_moves(graph: Graph, node: Node, context: Context) -> bool:
    """reshape of a reshape, transpose of a transpose: the second does both."""
    inner = node.x.producer
    if inner is None or type(inner.op) is not type(node.op) or not isinstance(node.op, Reshape | Transpose):
        return False
    op = node.op
    if isinstance(op, Transpose):
        assert isinstance(inner.op, Transpose)
        op = Transpose(tuple(inner.op.perm[i] for i in op.perm))
    graph.rewrite(node, op, inner.x)
    return True


def _pads_only_space(op: Pad) -> bool:
    return not any(op.pads[0]) and not any(op.pads[1])


def fold_pad(graph: Graph, node: Node, context: Context) -> bool:
    """A pad in front of a convolution or pool becomes the layer's own padding where that means the same."""
    pad = node.x.producer
    if not isinstance(node.op, Conv | AvgPool | MaxPool) or pad is None or not isinstance(pad.op, Pad):
        return False
    where = pad.result.name
    if not _pads_only_space(pad.op):
        context.decline(NAME, where, "it pads channels")
        return False
    total = tuple((a + c, b + d) for (a, b), (c, d) in zip(pad.op.pads[2:], node.op.pads, strict=True))
    op = replace(node.op, pads=total)
    if isinstance(op, MaxPool) and pad.op.value != -np.inf and not (pad.op.value == 0 and is_nonnegative(pad.x)):
        context.decline(NAME, where, f"padding with {pad.op.value} can win over negative inputs of max_pool")
        return False
    if not isinstance(op, MaxPool) and pad.op.value != 0:
        context.decline(NAME, where, f"it pads with {pad.op.value}, the layer with 0")
        return False
    if isinstance(op, AvgPool):
        if any(map(any, node.op.pads)) and not op.include_pad:
            context.decline(NAME, where, "the pool's own padding is not counted, this one is")
            return False
        op = replace(op, include_pad=True)
    if not isinstance(op, Conv) and any(max(p) >= k for p, k in zip(total, op.kernel, strict=True)):
        context.decline(NAME, where, "the pool would have windows that lie in the padding altogether")
        return False
    graph.rewrite(node, op, pad.x, *node.operands[1:])
    return True


def one_relu(graph: Graph, node: Node, context: Context) -> bool:
    """clip(0, ∞) is relu; a clip or relu of a clip or relu is one of them."""
    op = node.op
    if isinstance(op, Clip) and op.low == 0 and op.high is None:
        graph.rewrite(node, Relu(), node.x)
        return True
    inner = node.x.producer
    if not isinstance(op, Clip | Relu) or inner is None or not isinstance(inner.op, Clip | Relu):
        return False
    first, second = (o if isinstance(o, Clip) else Clip(low=0.0) for o in (inner.op, op))
    bounds = [None if value is None else second.evaluate(np.array(value)) for value in (first.low, first.high)]
    low = second.low if bounds[0] is None else float(bounds[0])
    high = second.high if bounds[1] is None else float(bounds[1])
    graph.rewrite(node, Clip(low, high), inner.x)
    return True


def global_pool_is_mean(graph: Graph, node: Node, context: Context) -> bool:
    """avg_pool over everything is mean; a mean that drops its axes keeps them and is reshaped."""
    op, x = node.op, node.x
    if isinstance(op, AvgPool) and op.kernel == x.type.shape[2:] and not any(map(any, op.pads)):
        graph.rewrite(node, Mean(tuple(range(2, x.type.rank))), x)
        return True
    if isinstance(op, Mean) and not op.keepdims:
        y = node.result
        kept = graph.add(Mean(op.dims), x, name=f"{y.name}.mean", origin=y.origin, before=node)
        graph.rewrite(node, Reshape(y.type.shape, y.type.axes), kept)
        return True
    return False


def fold_bias(graph: Graph, node: Node, context: Context) -> bool:
    """add(conv or dense, constant per channel) becomes the layer's bias."""
    layer, constant = node.x.producer, (*node.operands, None)[1]
    if not isinstance(node.op, Add) or layer is None or not isinstance(layer.op, Conv | Dense):
        return False
    if constant is None or not constant.is_constant:
        return False
    y = layer.result.type
    if graph.readers(layer.result) > 1:
        context.decline(NAME, node.result.name, f"%{layer.result.name} is read by something else too")
        return False
    channel = y.rank - 1 if isinstance(layer.op, Dense) else 1
    shape = (1,) * (y.rank - constant.type.rank) + constant.type.shape
    if any(size != 1 for i, size in enumerate(shape) if i != channel) or node.result.type != y:
        context.decline(NAME, node.result.name, f"the constant {constant} differs within a channel")
        return False
    old = layer.operand("bias")
    bias = np.broadcast_to(constant.data.reshape(-1), (y.shape[channel],)).astype(np.float64)
    bias = bias if old is None else bias + old.data.astype(np.float64)
    name = layer.result.name
    made = graph.constant(f"{name}.bias", bias.astype(np.float32))
    graph.rewrite(node, layer.op, layer.x, layer.operand("weight"), made)
    graph.erase(layer)
    graph.rename(node.result, name)
    return True


def pad_by_concat(graph: Graph, node: Node, context: Context) -> bool:
    """concat of a value with constant zeros before or behind it is a pad."""
    if not isinstance(node.op, Concat):
        return False
    flowing = [i for i, v in enumerate(node.operands) if v is not None and not v.is_constant]
    zeros = [v for v in node.operands if v is not None and v.is_constant]
    if len(flowing) != 1 or not zeros or any(np.any(v.data) for v in zeros):
        return False
    sizes = [v.type.shape[node.op.dim] for v in node.operands if v is not None]
    ends = (sum(sizes[: flowing[0]]), sum(sizes[flowing[0] + 1 :]))
    x = node.operands[flowing[0]]
    assert x is not None
    pads = tuple(ends if i == node.op.dim else (0, 0) for i in range(x.type.rank))
    graph.rewrite(node, Pad(pads), x)
    return True


def norm_before_slice(graph: Graph, node: Node, context: Context) -> bool:
    """batch_norm(slice(x)) becomes slice(batch_norm(x)) where channels are not sliced: the norm meets its layer."""
    cut = node.x.producer
    if not isinstance(node.op, BatchNorm) or cut is None or not isinstance(cut.op, Slice):
        return False
    if graph.readers(cut.result) > 1 or cut.op.ranges[1] != (0, cut.x.type.shape[1], 1):
        return False
    name = node.result.name
    norm = graph.add(node.op, cut.x, *node.operands[1:], name=f"{name}.whole", origin=node.result.origin, before=node)
    graph.rewrite(node, cut.op, norm)
    return True


RULES = (
    fold_constants,
    pad_by_concat,
    norm_before_slice,
    recognise_activation,
    constant_second,
    drop_identity,
    drop_quantizer,
    merge_moves,
    transpose_last,
    pad_last,
    fold_pad,
    one_relu,
    global_pool_is_mean,
    fold_bias,
)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Fold constants, drop what does nothing, fold padding and biases into layers, use one spelling for each thing."""

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("imported", "canonical")
    gives: ClassVar[str] = "canonical"

    def run(self, graph: Graph, context: Context) -> int:
        return apply_rules(graph, context, RULES)

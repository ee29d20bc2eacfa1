"""The normal form in which every activation reads a sum of single linear layers over spike trains.

A neuron adds up weighted spikes, so what an activation (relu, clip) or an output computes before it must be

    constant + Σ scale · L(train)         L one convolution, dense layer, pool or plain connection

where a train is a network input, an activation or a max_pool of trains, moved about by reshapes, pads and concats; in
a spiking network it is an input, the result of spiking neurons or what one was in the step before. This pass gets there
with rewrites that keep the network's numbers:

    relu(max_pool(x))      → max_pool(relu(x))           activations first; the same through reshape, concat, …
    L(a + b)               → L(a) + L'(b)                L' has no bias; L'(constant) is a constant
    L(k · x)               → L with k folded in, or k · L(x)
    concat(a + b, c)       → concat(a, c) + concat(b, 0)
    L(v), v itself linear  → L(relu(v) − relu(−v))       only non-negative values travel as spikes
    max_pool(v), v ≥ 0     → max_pool(relu(v))
    dense(x), x (N, …, C)  → a convolution of size 1     `positions`

In spiking networks neurons stay where they are and no relu is added; what sums up over time goes last (`sums`), what
is carried to the next step are spikes (`states`), and dense layers behind one another are multiplied
(`layers_in_layers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...compiler.analysis.sign import is_nonnegative
from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Concat, Conv, Dense, MaxPool, Mul, Pad, Relu
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context, Pass, apply_rules
from ...compiler.passes.canonicalize import pad_by_concat
from .layers_in_layers import dense_of_concat, dense_of_dense
from .positions import dense_per_position
from .signed import has_weighted_term, split_signed
from .states import spikes_in_states
from .sums import sums_last
from .trains import ACTIVATION, MOVES, POOLED, WEIGHTED, is_train

NAME = "cri-terms"


# --- rules ---


def activation_first(graph: Graph, node: Node, context: Context) -> bool:
    """relu and clip commute with max_pool (they are monotone) and with moves (clip of padding 0 must be 0)."""
    mover = node.x.producer
    if not isinstance(node.op, ACTIVATION) or mover is None or graph.readers(mover.result) > 1:
        return False
    if not isinstance(mover.op, (*MOVES, MaxPool, Concat)):
        return False
    if isinstance(mover.op, Pad) and node.op.evaluate(np.array(mover.op.value)) != mover.op.value:
        return False
    name = node.result.name
    operands = [
        graph.add(node.op, operand, name=f"{name}.{i}" if i else name + ".in", origin=node.result.origin, before=node)
        for i, operand in enumerate(mover.operands)
        if operand is not None
    ]
    graph.rewrite(node, mover.op, *operands)
    graph.erase(mover)
    return True


def relu_under_max_pool(graph: Graph, node: Node, context: Context) -> bool:
    """max_pool of non-negative sums: make trains of them first."""
    if not isinstance(node.op, MaxPool) or is_train(node.x) or not is_nonnegative(node.x):
        return False
    relu = graph.add(Relu(), node.x, name=f"{node.x.name}.levels", before=node)
    graph.rewrite(node, node.op, relu)
    return True


def _linear(op: object) -> bool:
    return isinstance(op, (*MOVES, *POOLED, *WEIGHTED)) and not (isinstance(op, Pad) and op.value != 0)


def _apply(graph: Graph, node: Node, x: Value, name: str, bias: bool) -> Value:
    """The node's op on another operand, without the bias unless asked; a constant for a constant operand."""
    rest = node.operands[1:] if bias else tuple(v for v in node.operands[1:2])
    if x.is_constant:
        arrays = (None if value is None else value.data for value in rest)
        data = node.op.evaluate(x.data, *arrays).astype(np.float32)
        return graph.constant(name, data, node.result.type.axes)
    return graph.add(node.op, x, *rest, name=name, origin=node.result.origin, before=node)


def _full(graph: Graph, value: Value, like: Value) -> Value:
    """The value with the shape of `like`: constants are broadcast, anything else must have it."""
    if value.type.shape == like.type.shape:
        return value
    data = np.broadcast_to(value.data, like.type.shape)
    return graph.constant(f"{value.name}.full", data, like.type.axes)


def _broadcasts(node: Node) -> bool:
    """Does an operand that is not constant have another shape than the result?"""
    return any(v is not None and not v.is_constant and v.type.shape != node.result.type.shape for v in node.operands)


def distribute_add(graph: Graph, node: Node, context: Context) -> bool:
    """L(a + b) → L(a) + L'(b), unless a + b holds weighted layers that L would follow (split_signed takes those)."""
    if isinstance(node.op, WEIGHTED) and has_weighted_term(node.x):
        return False
    return distribute_to_all(graph, node, context)


def distribute_to_all(graph: Graph, node: Node, context: Context) -> bool:
    """L(a + b) → L(a) + L'(b)."""
    add = node.x.producer
    if not _linear(node.op) or add is None or not isinstance(add.op, Add) or _broadcasts(add):
        return False
    a, b = (_full(graph, value, add.result) for value in add.operands if value is not None)
    name = node.result.name
    first = _apply(graph, node, a, f"{name}.a", bias=True)
    graph.rewrite(node, Add(), first, _apply(graph, node, b, f"{name}.b", bias=False))
    return True


def _per_input_channel(factor: Array, node: Node) -> Array | None:
    """The factor as one number per input channel of the layer, None if it differs within a channel."""
    x = node.x.type
    channel = x.rank - 1 if isinstance(node.op, Dense) else 1
    full = np.broadcast_to(factor, x.shape)
    flat = np.moveaxis(full, channel, 0).reshape(x.shape[channel], -1)
    return flat[:, 0] if np.all(flat == flat[:, :1]) else None


def _scaled_weight(node: Node, scale: Array) -> Array:
    weight = node.operands[1]
    assert weight is not None
    data = weight.data.astype(np.float64)
    if isinstance(node.op, Conv):
        grouped = data.reshape(node.op.groups, -1, *data.shape[1:])
        return (grouped * scale.reshape(node.op.groups, 1, -1, *(1,) * (data.ndim - 2))).reshape(data.shape)
    shape = (1, -1) if isinstance(node.op, Dense) else (-1, *(1,) * (data.ndim - 1))
    return data * scale.reshape(shape)


def distribute_mul(graph: Graph, node: Node, context: Context) -> bool:
    """L(k · x): per-channel k goes into weights; moves and pools pass it on."""
    mul = node.x.producer
    if not _linear(node.op) or mul is None or not isinstance(mul.op, Mul) or _broadcasts(mul):
        return False
    factor = mul.operands[1]
    if factor is None or not factor.is_constant:
        return False
    if isinstance(node.op, WEIGHTED):
        scale = _per_input_channel(factor.data, node)
        if scale is None:
            return False
        weight = graph.constant(f"{node.result.name}.weight", _scaled_weight(node, scale).astype(np.float32))
        graph.rewrite(node, node.op, mul.x, weight, *node.operands[2:])
        return True
    full = _full(graph, factor, mul.x)
    if isinstance(node.op, POOLED):
        scale = _per_input_channel(factor.data, node)
        if scale is None:
            return False
        moved = graph.constant(f"{factor.name}.pooled", scale.reshape(1, -1, *(1,) * (node.x.type.rank - 2)))
    else:
        moved = _apply(graph, node, full, f"{factor.name}.moved", bias=False)
    inner = _apply(graph, node, mul.x, f"{node.result.name}.in", bias=False)
    graph.rewrite(node, Mul(), inner, moved)
    return True


def concat_of_sums(graph: Graph, node: Node, context: Context) -> bool:
    """concat(a + b, c) → concat(a, c) + concat(b, 0);  concat(k · a, c) → concat(k, 1) · concat(a, c)."""
    if not isinstance(node.op, Concat):
        return False
    for index, operand in enumerate(node.operands):
        inner = None if operand is None else operand.producer
        if inner is None or not isinstance(inner.op, Add | Mul) or _broadcasts(inner):
            continue
        if isinstance(inner.op, Mul) and all(v is not None and not v.is_constant for v in inner.operands):
            continue
        neutral = 0.0 if isinstance(inner.op, Add) else 1.0
        first, second = list(node.operands), [_constant_like(graph, v, neutral) for v in node.operands]
        first[index] = _full(graph, inner.operands[0], inner.result) if inner.operands[0] is not None else None
        second[index] = _full(graph, inner.operands[1], inner.result) if inner.operands[1] is not None else None
        name, origin = node.result.name, node.result.origin
        a = graph.add(node.op, *first, name=f"{name}.a", origin=origin, before=node)
        if all(value is not None and value.is_constant for value in second):
            data = node.op.evaluate(*(value.data for value in second if value is not None))
            b = graph.constant(f"{name}.b", data.astype(np.float32), node.result.type.axes)
        else:
            b = graph.add(node.op, *second, name=f"{name}.b", origin=origin, before=node)
        graph.rewrite(node, inner.op, a, b)
        return True
    return False


def _constant_like(graph: Graph, value: Value | None, number: float) -> Value | None:
    if value is None:
        return None
    return graph.constant(f"{value.name}.fill", np.full(value.type.shape, number, np.float32), value.type.axes)


RULES = (
    dense_per_position,
    activation_first,
    relu_under_max_pool,
    distribute_mul,
    distribute_add,
    concat_of_sums,
    pad_by_concat,
    split_signed,
)
SPIKING_RULES = (
    sums_last,
    distribute_mul,
    distribute_to_all,
    concat_of_sums,
    pad_by_concat,
    dense_of_dense,
    dense_of_concat,
)


@dataclass(frozen=True)
class CriTerms(Pass):
    """Bring the input of every activation or neuron into the form constant + Σ scale · layer(train)."""

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("affine",)
    gives: ClassVar[str] = "terms"
    quantizers: ClassVar[bool] = False

    def run(self, graph: Graph, context: Context) -> int:
        if not graph.stepped:
            return apply_rules(graph, context, RULES)
        return spikes_in_states(graph) + apply_rules(graph, context, SPIKING_RULES)

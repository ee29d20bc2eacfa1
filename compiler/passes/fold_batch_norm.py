"""Batch norm disappears: into the convolution or dense layer beside it, or else into a multiplication and an addition.

With a = gamma / √(variance + ε) and c = beta − mean · a (per channel):

    after a layer    W'[o] = a[o] · W[o]      b'[o] = a[o] · b[o] + c[o]
    before a layer   W'[o,i] = W[o,i] · a[i]  b'[o] = b[o] + Σ_i W[o,i] · c[i]

computed in float64 and rounded once. Before a layer that pads, the second line holds only if c = 0, because the padding
is zero after the norm, not before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..ir import Graph, Node, Value
from ..ir.ops import Add, BatchNorm, Conv, ConvTranspose, Dense, Mul
from ..ir.ops.base import Array
from ..ir.ops.linear import output_first
from .base import Context, Pass, apply_rules

NAME = "fold-batch-norm"


def channel_affine(node: Node) -> tuple[Array, Array]:
    """(a, c) of a batch_norm node."""
    gamma, beta, mean, variance = (value.data for value in node.operands[1:] if value is not None)
    assert isinstance(node.op, BatchNorm)
    return BatchNorm.affine(gamma, beta, mean, variance, node.op.epsilon)


def _become(graph: Graph, node: Node, layer: Node, x: Value, weight: Array, bias: Array) -> None:
    """Make `node` compute the layer on `x` with new parameters (output-first weight)."""
    assert isinstance(layer.op, Conv | ConvTranspose | Dense)
    old = layer.operand("weight")
    assert old is not None
    w = graph.constant(f"{old.name}.bn", output_first(layer.op, weight).astype(np.float32), old.type.axes)
    b = graph.constant(f"{layer.result.name}.bias.bn", bias.astype(np.float32))
    graph.rewrite(node, layer.op, x, w, b)


def _parameters(layer: Node) -> tuple[Array, Array]:
    """Output-first weight and bias (zeros if absent) of a layer in float64."""
    assert isinstance(layer.op, Conv | ConvTranspose | Dense)
    weight, bias = layer.operand("weight"), layer.operand("bias")
    assert weight is not None
    w = output_first(layer.op, weight.data.astype(np.float64))
    return w, np.zeros(len(w)) if bias is None else bias.data.astype(np.float64)


def fold_after(graph: Graph, node: Node, context: Context) -> bool:
    """layer → batch_norm."""
    layer = node.x.producer
    if not isinstance(node.op, BatchNorm) or layer is None or not isinstance(layer.op, Conv | ConvTranspose | Dense):
        return False
    if graph.readers(layer.result) > 1:
        context.decline(NAME, node.result.name, f"%{layer.result.name} is read by something else too, so it must stay")
        return False
    if isinstance(layer.op, Dense) and layer.result.type.rank != 2:
        context.decline(NAME, node.result.name, f"%{layer.result.name} has its features last, batch_norm's are axis 1")
        return False
    a, c = channel_affine(node)
    weight, bias = _parameters(layer)
    scaled = weight * a.reshape(-1, *(1,) * (weight.ndim - 1))
    _become(graph, node, layer, layer.x, scaled, bias * a + c)
    name = layer.result.name
    graph.erase(layer)
    context.renamed(node.result.name, name)
    graph.rename(node.result, name)
    return True


def fold_before(graph: Graph, node: Node, context: Context) -> bool:
    """batch_norm → layer."""
    norm = node.x.producer
    if not isinstance(node.op, Conv | ConvTranspose | Dense) or norm is None or not isinstance(norm.op, BatchNorm):
        return False
    op, where = node.op, norm.result.name
    a, c = channel_affine(norm)
    pads = () if isinstance(op, Dense) else op.pads
    if isinstance(op, Dense) and node.x.type.rank != 2:
        context.decline(NAME, where, f"%{node.result.name} reads features last, batch_norm's are axis 1")
        return False
    if np.any(c) and (isinstance(op, ConvTranspose) or any(map(any, pads))):
        context.decline(NAME, where, f"%{node.result.name} pads: beyond the border its offset does not apply")
        return False
    weight, bias = _parameters(node)
    groups = 1 if isinstance(op, Dense) else op.groups
    per_group = a.reshape(groups, 1, -1, *(1,) * (weight.ndim - 2))
    grouped = weight.reshape(groups, -1, *weight.shape[1:])
    offset = (grouped * c.reshape(per_group.shape)).reshape(len(weight), -1).sum(axis=1)
    scaled = (grouped * per_group).reshape(weight.shape)
    _become(graph, node, node, norm.x, scaled, bias + offset)
    return True


def expand(graph: Graph, node: Node, context: Context) -> bool:
    """A batch_norm that stands alone becomes mul and add with constants of shape (1, C, 1, …)."""
    if not isinstance(node.op, BatchNorm):
        return False
    shape = (1, -1, *(1,) * (node.result.type.rank - 2))
    a, c = (part.reshape(shape).astype(np.float32) for part in channel_affine(node))
    name, origin = node.result.name, node.result.origin
    scale, offset = graph.constant(f"{name}.scale", a), graph.constant(f"{name}.offset", c)
    scaled = graph.add(Mul(), node.x, scale, name=f"{name}.mul", origin=origin, before=node)
    graph.rewrite(node, Add(), scaled, offset)
    return True


@dataclass(frozen=True)
class FoldBatchNorm(Pass):
    """Fold batch norms into the convolution, transposed convolution or dense layer before or after them."""

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical",)

    def run(self, graph: Graph, context: Context) -> int:
        return apply_rules(graph, context, (fold_after, fold_before))


@dataclass(frozen=True)
class ExpandBatchNorm(Pass):
    """Spell the batch norms that are left as a multiplication and an addition with constants."""

    name: ClassVar[str] = "expand-batch-norm"
    takes: ClassVar[tuple[str, ...]] = ("canonical",)
    gives: ClassVar[str] = "affine"

    def run(self, graph: Graph, context: Context) -> int:
        return apply_rules(graph, context, (expand,))

    def ensures(self, graph: Graph) -> None:
        assert not any(isinstance(node.op, BatchNorm) for node in graph.nodes)

"""Every linear layer over two axes of space gets a window that the machine has, and still computes the same.

The rules only add zeros to kernels, split strides, and spell averages and affine maps as convolutions; geometry.py says
which windows there are and how others fit into them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import AvgPool, Conv, ConvTranspose
from ...compiler.ir.ops.linear import output_first
from ...compiler.ir.ops.window import ceil_pads
from ...compiler.passes.base import Context, Pass, apply_rules
from ...compiler.passes.canonicalize import global_pool_is_mean
from ...compiler.passes.fold_batch_norm import fold_after, fold_before
from .embedding import NAME, become_window, is_frame, report, window_kind
from .geometry import Axis, is_window, offsets_of, plan, why_not, window_mode
from .norms import affine_is_norm, norm_before_reshape, norm_is_layer
from .transposed import fit_transposed, nearest_by_steps

__all__ = ["AkidaWindows", "window_mode"]


def pool_is_mean(graph: Graph, node: Node, context: Context) -> bool:
    """avg_pool over the whole frame becomes a mean (a stream's frame is smaller than its clip)."""
    return isinstance(node.op, AvgPool) and is_frame(node.x) and global_pool_is_mean(graph, node, context)


def pool_by_halves(graph: Graph, node: Node, context: Context) -> bool:
    """avg_pool of 4, 8, … cells side by side becomes averages of 2, one after the other."""
    op = node.op
    if not isinstance(op, AvgPool) or not is_frame(node.x) or op.ceil_mode:
        return False
    size = op.kernel[0]
    side_by_side = AvgPool((size, size), (size, size), ((0, 0), (0, 0)), (1, 1), include_pad=op.include_pad)
    if op != side_by_side or size < 4 or size & (size - 1):
        return False
    x, y, half = node.x, node.result, replace(op, kernel=(2, 2), stride=(2, 2))
    while size > 2:
        x = graph.add(half, x, name=f"{y.name}.half", origin=y.origin, before=node)
        size //= 2
    graph.rewrite(node, half, x)
    return True


def pool_is_conv(graph: Graph, node: Node, context: Context) -> bool:
    """avg_pool over equally many cells everywhere becomes a depthwise convolution."""
    op, x = node.op, node.x
    if not isinstance(op, AvgPool) or not is_frame(x):
        return False
    space = x.type.shape[2:]
    counts = op.counts(space)
    if counts.min() != counts.max():
        why = f"some of its windows average over {int(counts.min())} cells, others over {int(counts.max())}"
        context.decline(NAME, node.result.name, why)
        return False
    channels = x.type.shape[1]
    weight = np.full((channels, 1, *op.kernel), 1 / counts.flat[0], np.float32)
    pads = ceil_pads(space, op.kernel, op.stride, op.dilation, op.pads, node.result.type.shape[2:])
    constant = graph.constant(f"{node.result.name}.weight", weight)
    graph.rewrite(node, Conv(op.stride, pads, op.dilation, channels), x, constant)
    return True


def ungroup(graph: Graph, node: Node, context: Context) -> bool:
    """A grouped layer that is not depthwise gets all weights between groups, as zeros."""
    op = node.op
    if not isinstance(op, Conv | ConvTranspose) or op.groups == 1:
        return False
    channels, out = node.x.type.shape[1], node.result.type.shape[1]
    if op.groups == channels == out:
        return False
    old = node.operands[1]
    assert old is not None
    weight = output_first(op, old.data)
    whole = np.zeros((op.groups, out // op.groups, op.groups, *weight.shape[1:]), weight.dtype)
    group = np.arange(op.groups)
    whole[group, :, group] = weight.reshape(op.groups, -1, *weight.shape[1:])
    made = replace(op, groups=1)
    data = output_first(made, whole.reshape(out, channels, *weight.shape[2:]))
    report(context, node, "groups", f"{op.groups} groups become 1: {old.data.size} → {data.size} weights")
    graph.rewrite(node, made, node.x, graph.constant(f"{old.name}.whole", data), *node.operands[2:])
    return True


def fit_conv(graph: Graph, node: Node, context: Context) -> bool:
    """Kernel, stride, dilation and padding become those of a window, with picks behind it if need be."""
    op, x = node.op, node.x
    if not isinstance(op, Conv) or not is_frame(x):
        return False
    weight: Value | None = node.operands[1]
    assert weight is not None
    kernel, space = weight.type.shape[2:], x.type.shape[2:]
    kind = window_kind(graph, x, op.groups)
    if is_window(kind, op, kernel, space):
        return False
    numbers = zip(space, node.result.type.shape[2:], op.stride, offsets_of(op, kernel), strict=True)
    axes = [Axis(*entry) for entry in numbers]
    found = plan(kind, axes)
    if found is None:
        context.decline(NAME, node.result.name, why_not(kind, axes))
        return False
    strides = "·".join(map(str, (found.stride, *[2] * len(found.picks))))
    report(context, node, "window", f"{kernel} becomes {found.kernel}×{found.kernel} {found.mode}, stride {strides}")
    become_window(graph, node, x, weight, op.groups, found)
    return True


SPELL = (pool_is_mean, pool_by_halves, pool_is_conv, affine_is_norm, norm_before_reshape, fold_after, fold_before)
REMAINING = (fold_after, norm_is_layer)
FIT = (ungroup, nearest_by_steps, fit_transposed, fit_conv)


@dataclass(frozen=True)
class AkidaWindows(Pass):
    """Bring every linear layer into a window that the Akida machine has; the function stays the same."""

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical", "streaming")
    quantizers: ClassVar[bool] = False

    def run(self, graph: Graph, context: Context) -> int:
        # Norms fold into the layers as the user wrote them, before strides are split; what is left of them becomes a
        # layer only when no rule can fold it any more.
        return sum(apply_rules(graph, context, rules) for rules in (SPELL, REMAINING, FIT))

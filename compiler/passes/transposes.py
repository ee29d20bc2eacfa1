"""Transposes move behind what treats elements alone and behind means, and pads behind transposes.

    f(transpose(x))       → transpose(f(x))         relu, clip, activations
    mean(transpose(x))    → transpose(mean(x))      the axes renamed
    transpose(pad(x))     → pad(transpose(x))       so that the pad meets its convolution

Networks with channels last hold a pair of transposes around each convolution; so nothing stays between them but sums.
"""

from __future__ import annotations

from ..ir import Graph, Node
from ..ir.ops import Activation, Clip, Mean, Pad, Relu, Transpose
from .base import Context


def transpose_last(graph: Graph, node: Node, context: Context) -> bool:
    """The first two rules, for a transpose that nothing else reads."""
    turned = node.x.producer
    if not isinstance(node.op, Activation | Clip | Relu | Mean) or turned is None or graph.readers(node.x) > 1:
        return False
    if not isinstance(turned.op, Transpose) or (isinstance(node.op, Mean) and not node.op.keepdims):
        return False
    op = node.op
    if isinstance(op, Mean):
        op = Mean(tuple(sorted(turned.op.perm[dim] for dim in op.dims)))
    y = node.result
    inner = graph.add(op, turned.x, name=f"{y.name}.in", origin=y.origin, before=node)
    graph.rewrite(node, turned.op, inner)
    return True


def pad_last(graph: Graph, node: Node, context: Context) -> bool:
    """The third rule, for a pad that nothing else reads."""
    pad = node.x.producer
    if not isinstance(node.op, Transpose) or pad is None or not isinstance(pad.op, Pad) or graph.readers(node.x) > 1:
        return False
    y = node.result
    inner = graph.add(node.op, pad.x, name=f"{y.name}.in", origin=y.origin, before=node)
    graph.rewrite(node, Pad(tuple(pad.op.pads[axis] for axis in node.op.perm), pad.op.value), inner)
    return True

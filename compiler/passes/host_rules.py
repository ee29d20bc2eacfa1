"""What make-causal does with ops that only a host runs: each frame by itself, or a refusal where frames are mixed."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Node
from ..ir.ops import (
    Divide,
    Function,
    Mask,
    MatMul,
    Maximum,
    Minimum,
    Normalize,
    Op,
    Power,
    Softmax,
)
from .causal_builder import Builder, Refused, Rule
from .causal_rules import binary, elementwise


def over_axes(b: Builder, node: Node) -> None:
    """softmax and normalize, which look at some axes of each frame."""
    op, axis = node.op, node.x.type.axes.index("T")
    assert isinstance(op, Softmax | Normalize)
    if axis in (op.axes if isinstance(op, Normalize) else (op.axis,)):
        raise Refused("it divides by a sum over all frames of the clip", hint="over other axes it can be streamed")
    value, track = b.operand(node)
    b.put(node.result, b.add(op, value, node=node), track.mapped(isinstance(op, Normalize) and op.epsilon > 0))


def mask(b: Builder, node: Node) -> None:
    value, track = b.operand(node)
    keep = node.operands[1]
    assert isinstance(node.op, Mask) and keep is not None
    axis = node.x.type.axes.index("T") - (node.x.type.rank - keep.type.rank)
    if axis >= 0 and keep.type.shape[axis] != 1:
        raise Refused("its mask differs from frame to frame")
    b.put(node.result, b.add(node.op, value, keep, node=node), track.mapped(node.op.value == 0))


def product(b: Builder, node: Node) -> None:
    """matmul of matrices within each frame."""
    for value in node.operands:
        if value is not None and not value.is_constant and value.type.axes.index("T") >= value.type.rank - 2:
            raise Refused("it multiplies all frames of the clip by one another", hint="attend within each frame")
    binary(b, node)


HOST_RULES: Mapping[type[Op], Rule] = {
    Divide: binary,
    Function: elementwise,
    Mask: mask,
    MatMul: product,
    Maximum: binary,
    Minimum: binary,
    Normalize: over_axes,
    Power: binary,
    Softmax: over_axes,
}

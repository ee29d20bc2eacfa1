"""Which values can never be negative."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Value
from ..ir.ops import (
    Add,
    AvgPool,
    Clip,
    Concat,
    Lif,
    MaxPool,
    Mean,
    Mul,
    Pad,
    Relu,
    Reshape,
    Slice,
    Threshold,
    Transpose,
)

_KEEPS_SIGN = (AvgPool, Concat, MaxPool, Mean, Reshape, Slice, Transpose, Add, Mul)


def is_nonnegative(value: Value) -> bool:
    """True if every element is ≥ 0 whatever the network's input is; False if that is not known."""
    if value.is_constant:
        return bool(np.all(value.data >= 0))
    node = value.producer
    if node is None:
        return False
    op = node.op
    if isinstance(op, Relu | Lif | Threshold):
        return True
    if isinstance(op, Clip):
        return (op.low is not None and op.low >= 0) or ((op.high is None or op.high >= 0) and is_nonnegative(node.x))
    if isinstance(op, Pad):
        return op.value >= 0 and is_nonnegative(node.x)
    if isinstance(op, _KEEPS_SIGN):
        return all(operand is not None and is_nonnegative(operand) for operand in node.operands)
    return False

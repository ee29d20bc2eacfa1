"""Which values can never be negative."""

from __future__ import annotations

import numpy as np

from ..ir.graph import Value
from ..ir.ops import (
    Activation,
    Add,
    AvgPool,
    Clip,
    Concat,
    FakeQuantize,
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

_POSITIVE = ("hard_sigmoid", "sigmoid", "softplus")
_KEEPS_SIGN = (AvgPool, Concat, MaxPool, Mean, Reshape, Slice, Transpose, Add, Mul)


def is_nonnegative(value: Value) -> bool:
    """True if every element is ≥ 0 whatever the network's input is; False if that is not known."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:  # no recursion: networks are deep, and a value may be reached on very many paths
        found = waiting.pop()
        if id(found) not in seen:
            seen.add(id(found))
            needed = _needed(found)
            if needed is None:
                return False
            waiting += needed
    return True


def _needed(value: Value) -> list[Value] | None:
    """The values that must be ≥ 0 for this one to be; None if it may be negative all the same."""
    if value.is_constant:
        return [] if np.all(value.data >= 0) else None
    node = value.producer
    if node is None:
        return None
    op = node.op
    if isinstance(op, Relu | Lif | Threshold):
        return []
    if isinstance(op, Clip):
        if op.low is not None and op.low >= 0:
            return []
        return [node.x] if op.high is None or op.high >= 0 else None
    if isinstance(op, Activation) and op.kind in _POSITIVE:
        return []
    if isinstance(op, FakeQuantize):
        zero = node.operands[2]
        return [] if zero is not None and np.all(zero.data <= op.limits[0]) else [node.x]
    if isinstance(op, Pad):
        return [node.x] if op.value >= 0 else None
    if isinstance(op, _KEEPS_SIGN):
        return [operand for operand in node.operands if operand is not None]
    return None

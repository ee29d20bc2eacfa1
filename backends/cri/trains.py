"""What travels as spikes: predicates over the float graph that `cri-terms` and the quantizers share."""

from __future__ import annotations

from ...compiler.ir import Value
from ...compiler.ir.ops import (
    AvgPool,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Lif,
    MaxPool,
    Mean,
    Pad,
    Relu,
    Reshape,
    Slice,
    Threshold,
    Transpose,
)

MOVES = (Reshape, Transpose, Pad, Slice)
WEIGHTED = (Conv, ConvTranspose, Dense)
POOLED = (AvgPool, Mean)
ACTIVATION = (Relu, Clip)
NEURON = (Lif, Threshold)


def is_train(value: Value) -> bool:
    """Is every element an element of a spike train (or 0)?"""
    node = value.producer
    if node is None:
        return not value.is_constant
    if isinstance(node.op, Concat):
        return all(operand is not None and is_train(operand) for operand in node.operands)
    return isinstance(node.op, (*ACTIVATION, *NEURON)) or (isinstance(node.op, (*MOVES, MaxPool)) and is_train(node.x))


def is_pooled_train(value: Value) -> bool:
    """A train, or averages over trains moved about: what a weighted layer may read."""
    node = value.producer
    if node is None or is_train(value):
        return not value.is_constant
    if isinstance(node.op, Concat):
        return all(operand is not None and is_pooled_train(operand) for operand in node.operands)
    return isinstance(node.op, (*MOVES, *POOLED)) and is_pooled_train(node.x)

"""What travels as spikes: predicates over the float graph that `cri-terms` and the quantizers share."""

from __future__ import annotations

from collections.abc import Collection

from ...compiler.ir import Graph, Value
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
# Bounds of what lies between two activations: the layers in a row, and the ways through them (which branches double).
MOST_LAYERS = 100
MOST_WAYS = 1000


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


def too_deep(graph: Graph, ends: Collection[int] = ()) -> Value | None:
    """The first value with more than MOST_LAYERS layers, or MOST_WAYS ways, between it and activations or inputs, or
    values whose ids are in `ends`."""
    known: dict[int, tuple[int, int]] = {}
    for node in graph.nodes:
        before = [known.get(id(operand), (0, 1)) for operand in node.operands if operand is not None]
        layers, ways = 1 + max((n for n, _ in before), default=0), sum(n for _, n in before)
        if layers > MOST_LAYERS or ways > MOST_WAYS:
            return node.result
        ends_here = isinstance(node.op, (*ACTIVATION, *NEURON)) or id(node.result) in ends
        known[id(node.result)] = (0, 1) if ends_here else (layers, ways)
    return None

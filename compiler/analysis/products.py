"""How many multiplications a node takes: the measure of how much work a part of a network is."""

from __future__ import annotations

from math import prod

from ..ir import Node
from ..ir.ops import Conv, ConvTranspose, Dense, Mul
from ..ir.ops.host import MatMul

RECURRENT = ("lstm", "gru", "rnn")


def products(node: Node) -> int:
    """Multiplications of one sample (of a frame graph: of one frame), padding cells counted like others.

    Counted are convolutions, dense layers, matrix products, recurrent layers, and a product of two computed values.
    Sums, maxima, normalizations and activations count as none, and so does a factor that is a constant.
    """
    op, result = node.op, node.result.type
    if isinstance(op, Conv):
        return _weights(node) * prod(result.shape[2:])
    if isinstance(op, ConvTranspose):
        return _weights(node) * prod(node.x.type.shape[2:])
    if isinstance(op, Dense):
        return _weights(node) * prod(node.x.type.shape[1:-1])
    if isinstance(op, MatMul):
        return result.elements * node.x.type.shape[-1]
    if isinstance(op, Mul):
        return 0 if any(value is not None and value.is_constant for value in node.operands) else result.elements
    return _weights(node) * _frames(node) if op.mnemonic in RECURRENT else 0


def _weights(node: Node) -> int:
    """Entries of the constants that are matrices or kernels."""
    return sum(v.type.elements for v in node.operands if v is not None and v.is_constant and v.type.rank > 1)


def _frames(node: Node) -> int:
    time = node.x.type.axis("T")
    return 1 if time is None else node.x.type.shape[time]

"""Dense layers right behind one another are one layer: neurons see spikes, nothing lies between.

W₂(W₁ x + b₁) + b₂          → (W₂W₁) x + (W₂b₁ + b₂)
W concat(W₁ x, y) + b       → W' (W₁ x) + b + W'' y       (recurrent containers of SpikingJelly)
"""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Graph, Node
from ...compiler.ir.ops import Add, Concat, Dense
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context
from ...runtime import arith
from .trains import is_pooled_train

MANTISSA = 32


def dense_of_dense(graph: Graph, node: Node, context: Context) -> bool:
    """Multiply the weights of two dense layers."""
    inner = node.x.producer
    if not isinstance(node.op, Dense) or inner is None or not isinstance(inner.op, Dense):
        return False
    first, second = _weight(inner), _weight(node)
    biases = [bias for bias in (_through(inner, second), _bias(node)) if bias is not None]
    name = node.result.name
    weight = graph.constant(f"{name}.weight", _rounded(second @ first))
    bias = graph.constant(f"{name}.bias", _rounded(np.sum(biases, axis=0))) if biases else None
    graph.rewrite(node, node.op, inner.x, weight, *([] if bias is None else [bias]))
    return True


def dense_of_concat(graph: Graph, node: Node, context: Context) -> bool:
    """One dense layer for each part of a concatenation that holds more than spikes."""
    concat = node.x.producer
    if not isinstance(node.op, Dense) or concat is None or not isinstance(concat.op, Concat):
        return False
    parts = [part for part in concat.operands if part is not None]
    if is_pooled_train(node.x) or concat.op.dim != node.x.type.rank - 1 or any(part.is_constant for part in parts):
        return False
    ends = np.cumsum([part.type.shape[-1] for part in parts])[:-1]
    name, origin = node.result.name, node.result.origin
    terms = []
    for number, (part, columns) in enumerate(zip(parts, np.split(_weight(node), ends, axis=1), strict=True)):
        weight = graph.constant(f"{name}.{number}.weight", columns.astype(np.float32))
        rest = node.operands[2:] if number == 0 else ()
        terms.append(graph.add(node.op, part, weight, *rest, name=f"{name}.{number}", origin=origin, before=node))
    total = terms[0]
    for number, term in enumerate(terms[1:-1], 1):
        total = graph.add(Add(), total, term, name=f"{name}.sum.{number}", origin=origin, before=node)
    graph.rewrite(node, Add(), total, terms[-1])
    return True


def _weight(node: Node) -> Array:
    weight = node.operand("weight")
    assert weight is not None
    return weight.data.astype(np.float64)


def _bias(node: Node) -> Array | None:
    bias = node.operand("bias")
    return None if bias is None else bias.data.astype(np.float64)


def _through(node: Node, weight: Array) -> Array | None:
    """What the next layer's weights make of the bias."""
    bias = _bias(node)
    return None if bias is None else weight @ bias


def _rounded(numbers: Array) -> Array:
    """float32, in whatever order a BLAS added the products up."""
    return arith.round_mantissa(numbers, MANTISSA).astype(np.float32)

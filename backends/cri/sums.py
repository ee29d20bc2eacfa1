"""Sums over time go last: linear layers commute with them, and the machine keeps such sums in its last neurons only.

L(running_mean(x))     → running_mean(L(x))     L any layer, with its bias: the mean of a constant is itself;
                                                the same for sums and concatenations of means
L(li(x)) + b           → li(L(x))               without b, where all of the integrators leak alike
                       → li(L(x), start = b)    where they do not leak
"""

from __future__ import annotations

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Concat, Li, Mul, Pad, RunningMean
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context
from .trains import MOVES, POOLED, WEIGHTED


def sums_last(graph: Graph, node: Node, context: Context) -> bool:
    """Exchange a linear op with the sums over time that it reads."""
    if not isinstance(node.op, (*MOVES, *POOLED, *WEIGHTED, Add, Concat, Mul)):
        return False
    flowing = [value.producer for value in node.operands if value is not None and not value.is_constant]
    first = flowing[0] if flowing else None
    if first is not None and isinstance(first.op, Li) and len(flowing) == 1:
        return _integrator_last(graph, node, first)
    if first is None or not isinstance(first.op, RunningMean) or (isinstance(node.op, Mul) and len(flowing) > 1):
        return False
    if any(maker is None or maker.op != first.op for maker in flowing):
        return False
    before = {id(maker.result): maker.x for maker in flowing if maker is not None}
    operands = [None if v is None else before.get(id(v), v) for v in node.operands]
    inner = _inner(graph, node, operands)
    graph.rewrite(node, first.op, inner)
    return True


def _inner(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    return graph.add(node.op, *operands, name=f"{node.result.name}.step", origin=node.result.origin, before=node)


def _integrator_last(graph: Graph, node: Node, li: Node) -> bool:
    """The constant part is what the integrators start with; those that leak have none."""
    decay, gain, offset, start = (*li.operands[1:], None, None, None)[:4]
    assert decay is not None
    if any(value is not None and value.type.elements > 1 for value in (decay, gain)) or offset is not None:
        return False
    added = isinstance(node.op, Add)
    if isinstance(node.op, Concat) or (isinstance(node.op, Pad) and node.op.value != 0):
        return False
    if added and li.x.type.shape != node.result.type.shape:
        return False
    begin = np.zeros(li.result.type.shape) if start is None else np.broadcast_to(start.data, li.result.type.shape)
    begin = node.op.evaluate(begin, *(None if v is None else v.data for v in node.operands[1:]))
    if np.any(begin) and float(decay.data) != 1:
        return False
    inner = li.x if added else _inner(graph, node, [li.x, *node.operands[1:2]])
    numbers = [_scalar(graph, value) for value in (decay, gain)]
    graph.rewrite(node, Li(), inner, *numbers, None, _start(graph, node, begin))
    return True


def _start(graph: Graph, node: Node, begin: Array) -> Value | None:
    return graph.constant(f"{node.result.name}.start", begin.astype(np.float32)) if np.any(begin) else None


def _scalar(graph: Graph, value: Value | None) -> Value | None:
    return None if value is None else graph.constant(value.name, value.data.reshape(()))

"""What loops carry: spikes. A state that holds the result of a layer becomes the layer on a state that holds spikes.

state of L(x)  →  L(state of x)      L linear, without a constant part, so that zeros before the first step stay so
"""

from __future__ import annotations

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Concat, MaxPool, Mul, Pad
from .trains import MOVES, NEURON, POOLED, WEIGHTED, is_train


def spikes_in_states(graph: Graph) -> int:
    """Move layers behind the states that hold their results; returns how many. What has a constant part, or a loop
    without neurons, stays as it is."""
    moved = 0
    while layers := [s for s, v in graph.feedback.items() if not is_train(v) and _is_made_of_spikes(graph, v, {s})]:
        _move(graph, layers[0])
        moved += 1
    return moved


def _is_made_of_spikes(graph: Graph, value: Value, path: set[Value]) -> bool:
    """Is it linear in spikes, without a constant part, and without the states on the path to it?"""
    if value in graph.feedback:
        return value not in path and _is_made_of_spikes(graph, graph.feedback[value], path | {value})
    node = value.producer
    if node is None or isinstance(node.op, NEURON):
        return not value.is_constant
    operands = [v for v in node.operands if v is not None and not v.is_constant]
    return _keeps_zeros(node) and all(_is_made_of_spikes(graph, operand, path) for operand in operands)


def _keeps_zeros(node: Node) -> bool:
    """Is it linear, with a result that is zero where the operands are?"""
    if isinstance(node.op, WEIGHTED):
        return node.operand("bias") is None
    constant = [v is None or v.is_constant for v in node.operands]
    if isinstance(node.op, Mul):
        return any(constant)
    if not isinstance(node.op, (*MOVES, *POOLED, MaxPool, Add, Concat)):
        return False
    return not any(constant) and not (isinstance(node.op, Pad) and node.op.value != 0)


def _move(graph: Graph, state: Value) -> None:
    node = graph.feedback[state].producer
    assert node is not None
    operands = [v if v is None or v.is_constant else _state_of(graph, v) for v in node.operands]
    before = graph.nodes[0]
    layer = graph.add(node.op, *operands, name=f"{state.name}.layer", origin=node.result.origin, before=before)
    graph.replace_uses(state, layer)
    del graph.feedback[state]


def _state_of(graph: Graph, value: Value) -> Value:
    """The state that holds the value; a new one if there is none."""
    for state, held in graph.feedback.items():
        if held is value:
            return state
    state = graph.add_state(f"{value.name}.before", value.type, value.origin)
    graph.close(state, value)
    return state

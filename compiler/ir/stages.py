"""Stages: tables of what is legal where. `verify(graph)` is these tables plus the wiring rules of every graph."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Graph, Node
from .ops.base import IllegalOp

_MOVES = {"reshape", "transpose", "pad", "slice", "concat"}
_LINEAR = {"conv", "conv_transpose", "dense", "avg_pool", "mean", "add", "mul"}
_NEURONS = {"lif", "li", "threshold"}
_HOST = {"softmax", "normalize", "matmul", "divide", "power", "maximum", "minimum", "function", "mask"}
_HOST |= {"lstm", "gru", "rnn"}
_FLOAT = _MOVES | _LINEAR | {"max_pool", "relu", "clip", "activation", "fake_quantize"} | _HOST
_STEPPED = _FLOAT | _NEURONS | {"running_mean"}


@dataclass(frozen=True)
class Stage:
    """Which ops a stage allows, and whether its values are floats, integers or (None) both."""

    name: str
    ops: frozenset[str]
    integer: bool | None
    meaning: str


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("imported", frozenset(_STEPPED | {"batch_norm"}), False, "as the front end read it"),
        Stage(
            "canonical",
            frozenset(_STEPPED | {"batch_norm"}),
            False,
            "one spelling for each thing",
        ),
        Stage("causal", frozenset(_FLOAT | {"batch_norm", "delay"}), False, "a clip graph that never looks ahead"),
        Stage(
            "streaming",
            frozenset(_FLOAT | {"batch_norm", "fifo", "running_mean"}),
            False,
            "a frame graph: one frame in, one result out, time is state",
        ),
        Stage(
            "affine",
            frozenset(_STEPPED),
            False,
            "batch norms are folded or spelled as mul and add",
        ),
        Stage(
            "terms",
            frozenset(_STEPPED),
            False,
            "each activation reads a sum of single linear terms (backend cri)",
        ),
        Stage(
            "quantized",
            frozenset(_MOVES | {"conv", "dense", "conv_transpose", "add", "mul", "max_pool"})
            | {"quantize", "unary", "spike", "potential", "dequantize", "running_mean"},
            None,
            "integers from `quantize` to `dequantize`",
        ),
    )
}


def _verify_node(node: Node, stage: Stage) -> None:
    if node.op.mnemonic not in stage.ops:
        raise IllegalOp(f"op {node.op.mnemonic} is not legal in stage {stage.name}")
    for index, value in enumerate(node.operands):
        if value is not None and not any(user is node and i == index for user, i in value.uses):
            raise IllegalOp(f"use of {value} by {node} is not recorded")
    constant = [node.operand(name) for name in node.op.constant_operands]
    if any(value is not None and not value.is_constant for value in constant):
        raise IllegalOp(f"{node} needs constant {', '.join(sorted(node.op.constant_operands))}")
    inferred = node.op.infer(*(None if value is None else value.type for value in node.operands))
    if inferred != node.result.type:
        raise IllegalOp(f"{node.result} should be {inferred}")
    if stage.integer is False and not inferred.is_float:
        raise IllegalOp(f"{node.result} is not a float in stage {stage.name}")


def verify(graph: Graph) -> None:
    """IllegalOp with the first broken rule: order, wiring, types, names, legality of each op in the graph's stage."""
    stage = STAGES[graph.stage]
    leaves = [*graph.inputs, *graph.feedback]
    defined = {id(value) for value in leaves}
    names = [value.name for value in leaves]
    for node in graph.nodes:
        for value in node.operands:
            if value is not None and not value.is_constant and id(value) not in defined:
                raise IllegalOp(f"{node} reads {value} before it is made")
        _verify_node(node, stage)
        if node.result.producer is not node:
            raise IllegalOp(f"{node.result} does not know its producer")
        defined.add(id(node.result))
        names.append(node.result.name)
    names += [value.name for value in graph.constants()]
    if len(set(names)) != len(names):
        raise IllegalOp("two values share a name")
    for name, value in graph.outputs.items():
        if not value.is_constant and id(value) not in defined:
            raise IllegalOp(f"output {name!r} reads {value}, which is not in the graph")
    for state, value in graph.feedback.items():
        if not value.is_constant and id(value) not in defined:
            raise IllegalOp(f"state {state} holds {value}, which is not in the graph")

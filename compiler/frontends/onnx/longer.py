"""From what one call of a stream model takes to longer clips.

Clips that fill the memories are what a user has, and what calibration needs: in a clip as short as a call, memories are
all but empty.
"""

from __future__ import annotations

from typing import Any

from ...ir import Graph, IllegalOp, Node, Op, Value
from ...ir.ops import Mean, Reshape, Slice

_FRAME_BY_FRAME = {"conv", "conv_transpose", "dense", "max_pool", "avg_pool", "mean", "relu", "clip", "activation"}
_FRAME_BY_FRAME |= {"add", "mul", "concat", "slice", "pad", "transpose", "reshape", "batch_norm", "fake_quantize"}


class NotFrameByFrame(Exception):
    """The model is only known for as many frames as one call takes."""


def lengthened(graph: Graph, frames: int) -> Graph:
    """The clip network for clips of at least so many frames, a multiple of what it takes; the graph as it is where it
    does not treat every frame alike, or has inputs without time."""
    lengths = {v.type.shape[axis] for v in graph.inputs if (axis := v.type.axis("T")) is not None}
    if len(lengths) != 1 or any(value.type.axis("T") is None for value in graph.inputs):
        return graph
    call = lengths.pop()
    try:
        return _longer(graph, max(0, -(-frames // call) * call - call))
    except (NotFrameByFrame, IllegalOp):
        return graph


def _longer(source: Graph, more: int) -> Graph:
    target = Graph(source.name)
    twin: dict[int, Value] = {}
    for value in source.inputs:
        twin[id(value)] = target.add_input(value.name, value.type.with_shape(_grown(value, more)))

    def mapped(value: Value) -> Value:
        if value.is_constant and id(value) not in twin:
            twin[id(value)] = target.constant(value.name, value.data, value.type.axes, value.origin)
        return twin[id(value)]

    for node in source.nodes:
        made = node.result
        operands = [None if value is None else mapped(value) for value in node.operands]
        twin[id(made)] = target.add(_op(node, more), *operands, name=made.name, origin=made.origin)
        if twin[id(made)].type.shape != _grown(made, more):
            raise NotFrameByFrame
    if any(value.type.axis("T") is None for value in source.outputs.values()):
        raise NotFrameByFrame  # one result a call is no result a clip
    target.outputs = {name: mapped(value) for name, value in source.outputs.items()}
    return target


def _grown(value: Value, more: int) -> tuple[int, ...]:
    """The value's shape with so many more frames."""
    axis = value.type.axis("T")
    return tuple(size + more if i == axis else size for i, size in enumerate(value.type.shape))


def _op(node: Node, more: int) -> Op:
    """The op for longer operands."""
    op, time = node.op, node.x.type.axis("T")
    if time is None:
        return op
    if op.mnemonic not in _FRAME_BY_FRAME or (isinstance(op, Mean) and time in op.dims):
        raise NotFrameByFrame
    if isinstance(op, Slice) and op.ranges[time] == (0, node.x.type.shape[time], 1):
        return Slice(_with(op.ranges, time, (0, node.x.type.shape[time] + more, 1)))
    if isinstance(op, Reshape) and "T" in op.axes:
        after = op.axes.index("T")
        return Reshape(_with(op.shape, after, op.shape[after] + more), op.axes)
    return op


def _with(items: tuple[Any, ...], index: int, item: Any) -> tuple[Any, ...]:
    return (*items[:index], item, *items[index + 1 :])

"""What the rules of `akida-windows` share: which nodes they concern, and how a plan becomes nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Conv, Transpose
from ...compiler.ir.ops.base import Array
from ...compiler.passes.base import Context
from .geometry import PICK, Plan, Taps, mode_pads

NAME = "akida-windows"
CHANNELS_FIRST = Transpose((0, 3, 1, 2))


@dataclass(frozen=True)
class Record:
    """One layer that was rewritten: its name, what was done ("groups", "window", …) and what it cost."""

    name: str
    what: str
    detail: str


def report(context: Context, node: Node, what: str, detail: str) -> None:
    """Keep a record of a rewrite."""
    context.reports.setdefault(NAME, []).append(Record(node.result.name, what, detail))


def is_frame(value: Value) -> bool:
    """Has the value two axes of space, and none of time?"""
    return value.type.rank == 4 and value.type.axes[:2] == "NC" and "T" not in value.type.axes


def window_kind(graph: Graph, x: Value, groups: int) -> str:
    """The kind of layer that the only reader of `x` becomes, as in `geometry.KERNELS`.

    "image" for a graph input (or one with channels last, brought into order) of 1 or 3 channels with no other reader.
    """
    if groups > 1:
        return "depthwise"
    source = x.producer.x if x.producer is not None and x.producer.op == CHANNELS_FIRST else x
    alone = graph.readers(x) == 1 == graph.readers(source)
    return "image" if alone and source in graph.inputs and x.type.shape[1] in (1, 3) else "plain"


def become_window(graph: Graph, node: Node, x: Value, weight: Array | Value, groups: int, plan: Plan) -> None:
    """Make `node` compute the planned window on `x`, followed by the plan's picks.

    weight (O, C/groups, kh, kw), as a constant of the graph if it may be used as it is.
    """
    name, origin, bias = node.result.name, node.result.origin, node.operands[2:]
    data = weight.data if isinstance(weight, Value) else weight
    if isinstance(weight, Value) and plan.keeps(data.shape[2:]):
        placed = weight
    else:
        old = node.operands[1]
        assert old is not None
        placed = graph.constant(f"{old.name}.window", embedded(data, plan.taps, plan.kernel))
    op = _conv(x, plan.kernel, plan.stride, plan.mode, groups)
    operands: tuple[Value | None, ...] = (x, placed, *bias)
    for number, pick in enumerate(plan.picks, 1):
        every = graph.add(
            op, *operands, name=f"{name}.every{2 ** (len(plan.picks) - number + 1)}", origin=origin, before=node
        )
        channels = every.type.shape[1]
        tap = graph.constant(f"{name}.pick", one_tap(channels, pick.tap))
        op, operands = _conv(every, PICK, 2, pick.mode, channels), (every, tap)
    graph.rewrite(node, op, *operands)


def embedded(weight: Array, taps: Sequence[Taps], size: int) -> Array:
    """weight (…, kh, kw) in a kernel size × size: the taps of both axes where they are wanted, zeros elsewhere."""
    rows, columns = (np.array(axis, np.int64).reshape(-1, 2).T for axis in taps)
    kernel = np.zeros((*weight.shape[:2], size, size), weight.dtype)
    kernel[:, :, rows[1][:, None], columns[1]] = weight[:, :, rows[0][:, None], columns[0]]
    return kernel


def _conv(x: Value, kernel: int, stride: int, mode: str, groups: int) -> Conv:
    return Conv((stride, stride), mode_pads(x.type.shape[2:], kernel, stride, mode), (1, 1), groups)


def one_tap(channels: int, tap: tuple[int, int]) -> Array:
    """Depthwise 3×3 weights (C, 1, 3, 3) that pass on one element."""
    weight = np.zeros((channels, 1, PICK, PICK), np.float32)
    weight[:, :, tap[0], tap[1]] = 1
    return weight

"""The frame graph that `stream` builds: which frames each value of the clip graph is, and the memories between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diagnostics import Collector
from ..ir import Graph, Node, Value
from ..ir.ops import Concat, Fifo, Mean, Op, Reshape, RunningMean, Transpose
from ..ir.ops.window import Ints

if TYPE_CHECKING:
    from .stream import Stream


def without(numbers: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    """All but the one at `index`."""
    return (*numbers[:index], *numbers[index + 1 :])


class Builder:
    """Builds the frame graph. `values` maps clip values to frame values; `clips` names the frames of slices.

    rules  what becomes of a layer over time, by its op;  alone: of all others
    """

    def __init__(self, source: Graph, options: Stream, rules: Mapping[type[Op], Rule], alone: Rule):
        self.source, self.options, self.rules, self.alone = source, options, rules, alone
        self.target = Graph(source.name, "streaming")
        self.target.timing = dict(source.timing)
        self.problems = Collector()
        self.values: dict[int, Value] = {}
        self.clips: dict[int, range] = {}

    def build(self) -> None:
        for value in self.source.inputs:
            axis = self.source.timing[value.name].axis
            frame = value.type.with_shape(without(value.type.shape, axis), value.type.axes.replace("T", ""))
            self.values[id(value)] = self.target.add_input(value.name, frame)
        for node in self.source.nodes:
            self._node(node)
        for name, value in self.source.outputs.items():
            self.target.outputs[name] = self.value(value)

    def _node(self, node: Node) -> None:
        first = next((v for v in node.operands if v is not None and not v.is_constant), node.x)
        time = first.type.axis("T")
        if id(first) in self.clips:
            self.values[id(node.result)] = self._whole_clip(node)
        elif time is None or not self._flows(node):
            operands = (None if v is None else self.value(v) for v in node.operands)
            self.values[id(node.result)] = self.add(node.op, *operands, node=node)
        else:
            rule = self.rules.get(type(node.op), self.alone)
            self.values[id(node.result)] = rule(self, node, time)

    def _flows(self, node: Node) -> bool:
        """Is the first operand a frame of the stream (its time axis gone), not a settled tensor with a time axis?"""
        operands = [v for v in node.operands if v is not None and not v.is_constant]
        return all("T" not in self.values[id(v)].type.axes for v in operands)

    def value(self, value: Value) -> Value:
        return value if value.is_constant else self.values[id(value)]

    def add(self, op: Op, *operands: Value | None, node: Node, suffix: str = "") -> Value:
        return self.target.add(op, *operands, name=node.result.name + suffix, origin=node.result.origin)

    def constant(self, value: Value, data: np.ndarray[Any, Any]) -> Value:
        return self.target.constant(value.name, data)

    # --- memories ---

    def window(self, node: Node, x: Value, taps: Ints, fill: float = 0.0) -> Value:
        """Past frames of x along a new axis T: one fifo, or several in a chain where one would be too long."""
        limit = self.options.max_fifo
        if not limit or max(taps) < limit:
            return self.add(Fifo(taps, fill), x, node=node, suffix=".fifo")
        if not self.options.chain:
            self.problems.add(
                "NMC-V003",
                f"%{node.result.name} needs a FIFO of {max(taps) + 1} frames",
                where=", ".join(node.result.origin),
                why=f"at most {limit} are allowed",
                hint="stream{chain=true} chains FIFOs",
            )
        parts: list[Value] = []
        base = 0
        while taps:
            near = tuple(tap - base for tap in taps if tap - base < limit)
            if near:
                parts.insert(0, self.add(Fifo(near, fill), x, node=node, suffix=".fifo"))
            taps = tuple(tap for tap in taps if tap - base >= limit)
            if taps:
                x = self.drop_time(self.add(Fifo((limit - 1,), fill), x, node=node, suffix=".chain"), node, ".chained")
                base += limit - 1
        return parts[0] if len(parts) == 1 else self.add(Concat(2), *parts, node=node, suffix=".window")

    def drop_time(self, value: Value, node: Node, suffix: str = "") -> Value:
        """Remove a time axis of length 1."""
        axis = value.type.axes.index("T")
        op = Reshape(without(value.type.shape, axis), value.type.axes.replace("T", ""))
        return self.add(op, value, node=node, suffix=suffix)

    def _whole_clip(self, node: Node) -> Value:
        """A layer that reads all elements of a clip: its mean, or everything flattened."""
        x, frames = self.values[id(node.x)], self.clips[id(node.x)]
        clip = node.x.type
        if isinstance(node.op, Mean) and self.options.mean == "running":
            mean = self.add(RunningMean(frames[0], frames.step), x, node=node, suffix=".running")
            return self.add(Reshape(node.result.type.shape, clip.axes), mean, node=node)
        taps = tuple(frames[-1] - frame for frame in frames)
        window = self.window(node, x, taps)
        perm = tuple(window.type.axes.index(letter) for letter in clip.axes)
        if perm != tuple(range(len(perm))):
            window = self.add(Transpose(perm), window, node=node, suffix=".order")
        return self.add(node.op, window, node=node)


Rule = Callable[[Builder, Node, int], Value]

"""The walk of make-causal: clip values become values over all frames of a stream, each with its timing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from ..analysis.timing import Track
from ..diagnostics import Collector
from ..ir import Graph, Node, Value
from ..ir.ops import Delay, Op, Pad, Slice


class Refused(Exception):
    """A node has no streaming form: code and reason."""

    def __init__(self, why: str, code: str = "NMC-V001", hint: str = ""):
        super().__init__(why)
        self.why, self.code, self.hint = why, code, hint


class Builder:
    """Builds the causal graph over `length` frames.

    `values` maps a clip value to its value here; `tracks` its timing: a Track while it flows with the stream, None once
    it is settled (made from all frames); `settled` then says when it is there. `frames` counts the frames that the
    outputs need. What follows a refused layer is looked at where that makes sense, so that all problems are told.
    """

    def __init__(self, source: Graph, length: int, strict: bool, rules: Mapping[type[Op], Rule]):
        self.source, self.length, self.strict, self.rules = source, length, strict, rules
        self.target = Graph(source.name, "causal")
        self.problems = Collector()
        self.delays: list[tuple[str, int]] = []
        self.values: dict[int, Value] = {}
        self.tracks: dict[int, Track | None] = {}
        self.settled: dict[int, Track] = {}
        self.refused: set[int] = set()
        self.frames = 0

    # --- the walk ---

    def build(self) -> None:
        for value in self.source.inputs:
            axis = value.type.axes.index("T")
            made = self.target.add_input(value.name, value.type)
            track = Track.of_input(value.type.shape[axis], self.length)
            self.target.timing[value.name] = track.timing(axis)
            tail = self.length - value.type.shape[axis]
            if tail:
                pads = tuple((0, tail if i == axis else 0) for i in range(value.type.rank))
                made = self.target.add(Pad(pads), made, name=f"{value.name}.tail")
            self.put(value, made, track)
        for node in self.source.nodes:
            try:
                self._node(node)
            except Refused as problem:
                where = ", ".join(node.result.origin)
                what = f"%{node.result.name} ({node.op.mnemonic}) cannot be streamed"
                self.problems.add(problem.code, what, where=where, why=problem.why, hint=problem.hint)
                self._stand_in(node)
        if not self.problems.diagnostics:
            for name, value in self.source.outputs.items():
                self._output(name, value)

    def put(self, clip: Value, value: Value, track: Track | None, settled: Track | None = None) -> None:
        """Note what the clip value has become, and its timing."""
        self.values[id(clip)], self.tracks[id(clip)] = value, track
        if settled is not None:
            self.settled[id(clip)] = settled

    def _stand_in(self, node: Node) -> None:
        """In the place of a refused layer: something of the right type. Where it would make an element of each one that
        it reads, what follows is looked at as if it did."""
        result = node.result
        axis = result.type.axis("T")
        alike = (v for v in node.operands if v is not None and not v.is_constant and v.type.axis("T") is not None)
        tracks = (
            self.tracks[id(v)] for v in alike if v.type.shape[v.type.axes.index("T")] == result.type.shape[axis or 0]
        )
        track = None if axis is None else next(filter(None, tracks), None)
        name = f"{result.name}.refused"
        if axis is not None and track is not None:
            shape = (*result.type.shape[:axis], self.length, *result.type.shape[axis + 1 :])
            self.put(result, self.target.add_input(name, result.type.with_shape(shape)), track.mapped(False))
            return
        self.refused.add(id(result))
        data = np.zeros(result.type.shape, np.float32)
        self.put(result, self.target.constant(name, data, result.type.axes), None)

    def value(self, value: Value | None) -> Value | None:
        """What a clip value has become; constants are themselves."""
        return None if value is None else value if value.is_constant else self.values[id(value)]

    def _node(self, node: Node) -> None:
        operands = [value for value in node.operands if value is not None and not value.is_constant]
        flowing = [value for value in operands if self.tracks[id(value)] is not None]
        if any(id(value) in self.refused for value in operands):
            self._stand_in(node)
        elif not flowing:
            self._settled_node(node, operands)
        elif len(flowing) < len(operands):
            raise Refused("it combines frames with a result that is known only at the end of the clip")
        else:
            rule = self.rules.get(type(node.op))
            if rule is None:
                raise Refused(f"nmc has no streaming form of {node.op.mnemonic}")
            rule(self, node)

    def _settled_node(self, node: Node, operands: list[Value]) -> None:
        """Nothing flows here any more: the node stays as it is."""
        made = self.target.add(
            node.op, *map(self.value, node.operands), name=node.result.name, origin=node.result.origin
        )
        known = [self.settled[id(value)] for value in operands if id(value) in self.settled]
        late = max(known, key=lambda track: track.last) if known else None
        good = None if late is None else replace(late, good=np.array([all(t.good.all() for t in known)]))
        self.put(node.result, made, None, good)

    def add(self, op: Op, *operands: Value | None, node: Node, suffix: str = "") -> Value:
        """Apply `op` under the node's name."""
        return self.target.add(op, *operands, name=node.result.name + suffix, origin=node.result.origin)

    def delayed(self, value: Value, track: Track, frames: int, where: str) -> tuple[Value, Track]:
        """The edge `frames` later."""
        if frames == 0:
            return value, track
        if self.strict:
            raise Refused(f"its input {where} would have to wait {frames} frames", "NMC-V002")
        self.delays.append((where, frames))
        op = Delay(value.type.axes.index("T"), frames)
        return self.target.add(op, value, name=f"{value.name}.delay"), track.delayed(frames)

    def operand(self, node: Node, index: int = 0) -> tuple[Value, Track]:
        """An operand that flows with the stream, and its timing."""
        source = node.operands[index]
        value, track = self.value(source), self.tracks[id(source)]
        assert value is not None and track is not None
        return value, track

    def collect(self, value: Value, track: Track, node: Node) -> Value:
        """All elements of the clip tensor: the frames at which they pass by."""
        axis = value.type.axes.index("T")
        self.frames = max(self.frames, track.last + 1)
        if track.last >= self.length or track.offset < 0:
            raise Refused("its frames lie outside the stream")
        ranges = [(0, size, 1) for size in value.type.shape]
        ranges[axis] = (track.offset, track.last + 1, track.stride)
        return self.target.add(Slice(tuple(ranges)), value, name=f"{node.result.name}.clip", origin=node.result.origin)

    # --- outputs ---

    def _output(self, name: str, value: Value) -> None:
        track, made = self.tracks.get(id(value)), self.value(value)
        assert made is not None
        if track is None:
            settled = self.settled.get(id(value))
            if settled is not None:
                axis = value.type.axis("T")
                # A settled tensor comes as a whole: if its clip has edges, all of its elements are.
                elements = 1 if axis is None else value.type.shape[axis]
                edges = () if settled.good.all() else tuple(range(elements))
                self.target.timing[name] = replace(settled.timing(-1 if axis is None else axis), edges=edges)
            self.target.outputs[name] = made
            return
        axis = value.type.axes.index("T")
        made, track = self.delayed(made, track, max(0, -track.offset), f"%{made.name}")
        if self.strict and track.offset:
            self.problems.add("NMC-V002", f"output {name!r} comes {track.offset} frames late", hint="--causal delay")
        self.frames = max(self.frames, track.last + 1)
        ranges = [(0, size, 1) for size in made.type.shape]
        ranges[axis] = (track.offset, min(track.last + 1, self.length), track.stride)
        out = self.target.add(Slice(tuple(ranges)), made, name=f"{name}.clip", origin=value.origin)
        self.target.timing[name] = track.timing(axis)
        self.target.outputs[name] = out


Rule: TypeAlias = Callable[[Builder, Node], None]

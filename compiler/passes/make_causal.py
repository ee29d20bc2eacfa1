"""From a clip graph to a causal one: no layer looks ahead, branches meet in the same frame, strides become dilation.

The graph still takes and returns clips. Inside, time runs over as many frames as a stream needs (the clip, then zero
frames); each temporal layer pads on the left only, with its taps as far apart as the strides before it say; a `delay`
goes where branches meet; at the outputs, slices pick the frames that are the clip's elements. What cannot be said so is
refused by name. docs/video.md explains timings and edge frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..analysis.timing import Track, joined
from ..diagnostics import Collector
from ..ir import Graph, Node, Value
from ..ir.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Dense,
    MaxPool,
    Mean,
    Mul,
    Op,
    Pad,
    Relu,
    Reshape,
    Slice,
    Transpose,
)
from .base import Context, Pass
from .fold_batch_norm import channel_affine

NAME = "make-causal"


@dataclass(frozen=True)
class TimingReport:
    """Of one output: latency in frames, how many elements, which of them are edge elements."""

    output: str
    latency: int
    elements: int
    edges: tuple[int, ...]


@dataclass(frozen=True)
class MakeCausal(Pass):
    """Turn a clip graph into one that a frame-by-frame stream can follow.

    causal  delay: layers that look ahead come late by as much; strict: they are refused
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical",)
    gives: ClassVar[str] = "causal"

    causal: str = "delay"

    def __post_init__(self) -> None:
        if self.causal not in ("delay", "strict"):
            raise ValueError(f"causal must be delay or strict, not {self.causal!r}")

    def run(self, graph: Graph, context: Context) -> int:
        lengths = [value.type.shape[value.type.axes.index("T")] for value in graph.inputs if "T" in value.type.axes]
        problems = Collector()
        for value in graph.inputs:
            if "T" not in value.type.axes:
                problems.add("NMC-V004", f"input %{value.name}: {value.type} has no time axis")
        problems.raise_if_any()
        # How many frames a stream needs is known once all timings are: one run to find out, one to build.
        probe = _Builder(graph, max(lengths) + _reach(graph), self.causal == "strict")
        probe.build()
        probe.problems.raise_if_any()
        builder = _Builder(graph, max(max(lengths), probe.frames), self.causal == "strict")
        builder.build()
        made = builder.target
        for name, timing in made.timing.items():
            if name in made.outputs:
                report = TimingReport(name, timing.latency(max(lengths)), timing.length, timing.edges)
                context.reports.setdefault(NAME, []).append(report)
        context.reports.setdefault("delays", []).extend(builder.delays)
        graph.adopt(made)
        return len(made.nodes)


def _reach(graph: Graph) -> int:
    """More frames than any element can come late."""
    total, stride = 16, 1
    for node in graph.nodes:
        numbers = _window_numbers(node)
        if numbers is not None:
            kernel, step, dilation, before, after = numbers
            stride *= step
            total += stride * (dilation * (kernel - 1) + before + after)
        if isinstance(node.op, Pad | Slice) and "T" in node.x.type.axes:
            axis = node.x.type.axes.index("T")
            total += stride * (sum(node.op.pads[axis]) if isinstance(node.op, Pad) else node.x.type.shape[axis])
    return total + stride * sum(v.type.shape[v.type.axes.index("T")] for v in graph.inputs)


def _window_numbers(node: Node) -> tuple[int, int, int, int, int] | None:
    """(kernel, stride, dilation, pad before, pad after) along T of a layer with windows over time, else None."""
    op, axis = node.op, node.x.type.axis("T")
    if axis is None or axis < 2 or not isinstance(op, Conv | MaxPool | AvgPool):
        return None
    if isinstance(op, Conv):
        weight = node.operand("weight")
        assert weight is not None
        kernel = weight.type.shape[axis]
    else:
        kernel = op.kernel[axis - 2]
    before, after = op.pads[axis - 2]
    return kernel, op.stride[axis - 2], op.dilation[axis - 2], before, after


class Refused(Exception):
    """A node has no streaming form: code and reason."""

    def __init__(self, why: str, code: str = "NMC-V001", hint: str = ""):
        super().__init__(why)
        self.why, self.code, self.hint = why, code, hint


def _at(numbers: tuple[Any, ...], index: int, number: Any) -> tuple[Any, ...]:
    return (*numbers[:index], number, *numbers[index + 1 :])


def _unbiased(node: Node) -> bool:
    """Does the layer make zeros of zeros?"""
    bias = node.operand("bias") if "bias?" in node.op.operands else None
    return bias is None or not np.any(bias.data)


class _Builder:
    """Builds the causal graph over `length` frames.

    `values` maps a clip value to its value here; `tracks` its timing: a Track while it flows with the stream, None once
    it is settled (made from all frames, or constant).
    """

    def __init__(self, source: Graph, length: int, strict: bool):
        self.source, self.length, self.strict = source, length, strict
        self.target = Graph(source.name, "causal")
        self.problems = Collector()
        self.delays: list[tuple[str, int]] = []
        self.values: dict[int, Value] = {}
        self.tracks: dict[int, Track | None] = {}
        self.settled: dict[int, Track] = {}
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
            self._set(value, made, track)
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

    def _set(self, clip: Value, value: Value, track: Track | None, settled: Track | None = None) -> None:
        self.values[id(clip)], self.tracks[id(clip)] = value, track
        if settled is not None:
            self.settled[id(clip)] = settled

    def _stand_in(self, node: Node) -> None:
        """After a refusal: something of the right type, so that later layers are looked at too."""
        data = np.zeros(node.result.type.shape, np.float32)
        constant = self.target.constant(f"{node.result.name}.refused", data, node.result.type.axes)
        self._set(node.result, constant, None)

    def _value(self, value: Value | None) -> Value | None:
        return None if value is None else value if value.is_constant else self.values[id(value)]

    def _track(self, value: Value | None) -> Track | None:
        return None if value is None else self.tracks.get(id(value))

    def _node(self, node: Node) -> None:
        operands = [value for value in node.operands if value is not None and not value.is_constant]
        flowing = [value for value in operands if self.tracks[id(value)] is not None]
        if not flowing:
            self._settled_node(node, operands)
        elif len(flowing) < len(operands):
            raise Refused("it combines frames with a result that is known only at the end of the clip")
        else:
            handler = HANDLERS.get(type(node.op))
            if handler is None:
                raise Refused(f"nmc has no streaming form of {node.op.mnemonic}")
            handler(self, node)

    def _settled_node(self, node: Node, operands: list[Value]) -> None:
        """Nothing flows here any more: the node stays as it is."""
        made = self.target.add(
            node.op, *map(self._value, node.operands), name=node.result.name, origin=node.result.origin
        )
        known = [self.settled[id(value)] for value in operands if id(value) in self.settled]
        late = max(known, key=lambda track: track.last) if known else None
        good = None if late is None else replace(late, good=np.array([all(t.good.all() for t in known)]))
        self._set(node.result, made, None, good)

    def _add(self, op: Op, *operands: Value | None, node: Node, suffix: str = "") -> Value:
        return self.target.add(op, *operands, name=node.result.name + suffix, origin=node.result.origin)

    def _delayed(self, value: Value, track: Track, frames: int, where: str) -> tuple[Value, Track]:
        """The edge `frames` later."""
        if frames == 0:
            return value, track
        if self.strict:
            raise Refused(f"its input {where} would have to wait {frames} frames", "NMC-V002")
        self.delays.append((where, frames))
        op = Delay(value.type.axes.index("T"), frames)
        return self.target.add(op, value, name=f"{value.name}.delay"), track.delayed(frames)

    # --- ops that look at one frame ---

    def elementwise(self, node: Node) -> None:
        value, track = self._operand(node)
        op = node.op
        if isinstance(op, BatchNorm) and node.x.type.axes[1] == "T":
            raise Refused("it normalizes along time")
        zero = np.zeros((1,) * value.type.rank)
        if isinstance(op, BatchNorm):
            keeps = not np.any(channel_affine(node)[1])
        else:
            keeps = bool(np.all(op.evaluate(zero) == 0))
        made = self._add(op, value, *node.operands[1:], node=node)
        self._set(node.result, made, track.mapped(keeps))

    def _operand(self, node: Node, index: int = 0) -> tuple[Value, Track]:
        source = node.operands[index]
        value, track = self._value(source), self._track(source)
        assert value is not None and track is not None
        return value, track

    def binary(self, node: Node) -> None:
        """add and mul, of two streams or a stream and a constant."""
        constants = [v for v in node.operands if v is not None and v.is_constant]
        if not constants:
            self.together(node)
            return
        flowing = next(i for i, v in enumerate(node.operands) if v is not None and not v.is_constant)
        value, track = self._operand(node, flowing)
        (constant,) = constants
        axis = node.result.type.axes.index("T") - (node.result.type.rank - constant.type.rank)
        if axis >= 0 and constant.type.shape[axis] != 1:
            raise Refused("its constant differs from frame to frame")
        keeps = isinstance(node.op, Mul) or not np.any(constant.data)
        operands = (value, constant) if flowing == 0 else (constant, value)
        self._set(node.result, self._add(node.op, *operands, node=node), track.mapped(keeps))

    def together(self, node: Node) -> None:
        """Streams that meet: the earlier ones wait."""
        if isinstance(node.op, Concat) and node.result.type.axes[node.op.dim] == "T":
            raise Refused("it puts clips one after the other in time")
        if any(v is not None and v.is_constant for v in node.operands):
            raise Refused("it joins a stream with a constant", hint="add or multiply the constant instead")
        edges = [self._operand(node, i) for i in range(len(node.operands))]
        if len({(track.stride, track.length) for _, track in edges}) > 1:
            rates = ", ".join(f"{t.length} elements every {t.stride} frames" for _, t in edges)
            raise Refused(f"its inputs have different rates: {rates}")
        latest = max(track.offset for _, track in edges)
        waited = [self._delayed(value, track, latest - track.offset, f"%{value.name}") for value, track in edges]
        made = self._add(node.op, *(value for value, _ in waited), node=node)
        track = joined([track for _, track in waited])
        either = isinstance(node.op, Mul)
        zero = np.logical_or.reduce([t.zero for _, t in waited]) if either else track.zero
        self._set(node.result, made, replace(track, zero=zero))

    def dense(self, node: Node) -> None:
        value, track = self._operand(node)
        if node.x.type.axes[-1] == "T":
            raise Refused("it mixes all frames of the clip", hint="a convolution over time can be streamed")
        self._set(node.result, self._add(node.op, value, *node.operands[1:], node=node), track.mapped(_unbiased(node)))

    def transpose(self, node: Node) -> None:
        value, track = self._operand(node)
        self._set(node.result, self._add(node.op, value, node=node), track)

    # --- ops that look at time ---

    def windowed(self, node: Node) -> None:
        value, track = self._operand(node)
        numbers = _window_numbers(node)
        if numbers is None:
            raise Refused(f"time is not a spatial axis of {node.x.type}")
        kernel, stride, dilation, before, after = numbers
        op = node.op
        assert isinstance(op, Conv | MaxPool | AvgPool)
        axis = node.x.type.axes.index("T")
        length = node.result.type.shape[axis]
        beyond = stride * (length - 1) + dilation * (kernel - 1) - before - (track.length - 1)
        if isinstance(op, AvgPool) and (beyond > after or ((before or beyond > 0) and not op.include_pad)):
            raise Refused("it averages over fewer frames at the ends of the clip", hint="count_include_pad=True")
        ahead = dilation * (kernel - 1) - before
        if self.strict and beyond > 0 and ahead > 0:
            raise Refused(f"it looks {beyond} frames ahead", "NMC-V002", "pad on the left only")
        value, track = self._delayed(value, track, max(0, -(track.offset + track.stride * ahead)), f"%{value.name}")
        lag = track.stride * dilation
        causal: dict[str, Any] = {
            "stride": _at(op.stride, axis - 2, 1),
            "dilation": _at(op.dilation, axis - 2, lag if kernel > 1 else 1),
            "pads": _at(op.pads, axis - 2, (lag * (kernel - 1), 0)),
        }
        behind = track.windowed(kernel, stride, dilation, before, length, _unbiased(node), isinstance(op, MaxPool))
        self._set(node.result, self._add(replace(op, **causal), value, *node.operands[1:], node=node), behind)

    def conv_transpose(self, node: Node) -> None:
        op, axis = node.op, node.x.type.axes.index("T")
        assert isinstance(op, ConvTranspose)
        weight = node.operands[1]
        assert weight is not None
        numbers = (weight.type.shape[axis], op.stride[axis - 2], op.pads[axis - 2], op.output_pads[axis - 2])
        if axis < 2 or numbers != (1, 1, (0, 0), 0):
            raise Refused("it makes several frames of one", hint="transposed convolutions over space alone are fine")
        value, track = self._operand(node)
        self._set(node.result, self._add(op, value, *node.operands[1:], node=node), track.mapped(_unbiased(node)))

    def pad(self, node: Node) -> None:
        value, track = self._operand(node)
        op, axis = node.op, node.x.type.axes.index("T")
        assert isinstance(op, Pad)
        before, after = op.pads[axis]
        if (before or after) and op.value != 0:
            raise Refused(f"it pads time with {op.value}")
        early = max(0, track.stride * before - track.offset)
        value, track = self._delayed(value, track, early, f"%{value.name}")
        rest = _at(op.pads, axis, (0, 0))
        made = self._add(replace(op, pads=rest), value, node=node) if any(map(any, rest)) else value
        self._set(node.result, made, track.padded(before, after).mapped(op.value == 0))

    def slice(self, node: Node) -> None:
        value, track = self._operand(node)
        op, axis = node.op, node.x.type.axes.index("T")
        assert isinstance(op, Slice)
        start, _, step = op.ranges[axis]
        rest = _at(op.ranges, axis, (0, self.length, 1))
        whole = all(r == (0, n, 1) for r, n in zip(rest, value.type.shape, strict=True))
        made = value if whole else self._add(Slice(rest), value, node=node)
        self._set(node.result, made, track.sliced(start, step, node.result.type.shape[axis]))

    def mean(self, node: Node) -> None:
        value, track = self._operand(node)
        op, axis = node.op, node.x.type.axes.index("T")
        assert isinstance(op, Mean)
        if axis not in op.dims:
            self._set(node.result, self._add(op, value, node=node), track)
            return
        rest = tuple(d for d in op.dims if d != axis)
        if rest:
            value = self._add(Mean(rest), value, node=node, suffix=".frame")
        clip = self._collect(value, track, node)
        made = self._add(Mean((axis,)), clip, node=node)
        self._set(node.result, made, None, track.collapsed())

    def _collect(self, value: Value, track: Track, node: Node) -> Value:
        """All elements of the clip tensor: the frames at which they pass by."""
        axis = value.type.axes.index("T")
        self.frames = max(self.frames, track.last + 1)
        if track.last >= self.length or track.offset < 0:
            raise Refused("its frames lie outside the stream")
        ranges = [(0, size, 1) for size in value.type.shape]
        ranges[axis] = (track.offset, track.last + 1, track.stride)
        return self.target.add(Slice(tuple(ranges)), value, name=f"{node.result.name}.clip", origin=node.result.origin)

    def reshape(self, node: Node) -> None:
        value, track = self._operand(node)
        op, x = node.op, node.x.type
        assert isinstance(op, Reshape)
        axis, out = x.axes.index("T"), op.axes.find("T")
        if out < 0:
            clip = self._collect(value, track, node)
            self._set(node.result, self._add(op, clip, node=node), None, track.collapsed())
            return
        ahead = [int(np.prod(shape[:i])) for shape, i in ((x.shape, axis), (op.shape, out))]
        if ahead[0] != ahead[1] or op.shape[out] != x.shape[axis]:
            raise Refused("it mixes time with other axes")
        made = self._add(Reshape(_at(op.shape, out, self.length), op.axes), value, node=node)
        self._set(node.result, made, track)

    # --- outputs ---

    def _output(self, name: str, value: Value) -> None:
        track, made = self._track(value), self._value(value)
        assert made is not None
        if track is None:
            settled = self.settled.get(id(value))
            if settled is not None:
                axis = value.type.axis("T")
                self.target.timing[name] = settled.timing(-1 if axis is None else axis)
            self.target.outputs[name] = made
            return
        axis = value.type.axes.index("T")
        made, track = self._delayed(made, track, max(0, -track.offset), f"%{made.name}")
        if self.strict and track.offset:
            self.problems.add("NMC-V002", f"output {name!r} comes {track.offset} frames late", hint="--causal delay")
        self.frames = max(self.frames, track.last + 1)
        ranges = [(0, size, 1) for size in made.type.shape]
        ranges[axis] = (track.offset, min(track.last + 1, self.length), track.stride)
        out = self.target.add(Slice(tuple(ranges)), made, name=f"{name}.clip", origin=value.origin)
        self.target.timing[name] = track.timing(axis)
        self.target.outputs[name] = out


HANDLERS: dict[type[Op], Callable[[_Builder, Node], None]] = {
    Activation: _Builder.elementwise,
    Add: _Builder.binary,
    AvgPool: _Builder.windowed,
    BatchNorm: _Builder.elementwise,
    Clip: _Builder.elementwise,
    Concat: _Builder.together,
    Conv: _Builder.windowed,
    ConvTranspose: _Builder.conv_transpose,
    Dense: _Builder.dense,
    MaxPool: _Builder.windowed,
    Mean: _Builder.mean,
    Mul: _Builder.binary,
    Pad: _Builder.pad,
    Relu: _Builder.elementwise,
    Reshape: _Builder.reshape,
    Slice: _Builder.slice,
    Transpose: _Builder.transpose,
}

"""From a causal clip graph to a frame graph: one frame in, one result out, time is the state of FIFOs.

    temporal layer    → fifo with a tap per kernel element, then the layer without padding over the window
    spatial layer     → the same layer without its time axis
    delay             → fifo with one tap
    mean over frames  → running_mean (or, on request, a mean over a window of the clip's length)
    flatten over time → fifo that holds the whole clip
    slices at the end → timings: at which frames the elements of an output appear

Memories start with zeros (−∞ in front of a maximum).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..diagnostics import Collector
from ..ir import Graph, Node, Value
from ..ir.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Divide,
    FakeQuantize,
    Fifo,
    Mask,
    MatMul,
    Maximum,
    MaxPool,
    Mean,
    Minimum,
    Mul,
    Normalize,
    Op,
    Pad,
    Power,
    Reshape,
    RunningMean,
    Slice,
    Softmax,
    Transpose,
)
from ..ir.ops.window import Ints
from .base import Context, Pass

NAME = "stream"
BROADCAST = (Add, Divide, Mask, MatMul, Maximum, Minimum, Mul, Power)  # their constants are as wide as their values


@dataclass(frozen=True)
class Stream(Pass):
    """Turn a causal clip graph into a frame graph.

    mean       running: mean over the clip so far; window: mean over the last frames, as many as the clip has elements
    max_fifo   frames a FIFO may hold, 0 = any number; longer ones are chained through one-tap delays, or refused
    chain      whether they may be chained
    zero_fill  a dilated temporal kernel becomes a FIFO without gaps and a kernel with zeros
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("causal",)
    gives: ClassVar[str] = "streaming"

    mean: str = "running"
    max_fifo: int = 0
    chain: bool = True
    zero_fill: bool = False

    def __post_init__(self) -> None:
        if self.mean not in ("running", "window"):
            raise ValueError(f"mean must be running or window, not {self.mean!r}")
        if self.max_fifo < 0 or self.max_fifo == 1:
            raise ValueError(f"max_fifo must be 0 (any) or at least 2, not {self.max_fifo}")

    def run(self, graph: Graph, context: Context) -> int:
        builder = _Builder(graph, self)
        builder.build()
        builder.problems.raise_if_any()
        made = builder.target
        graph.adopt(made)
        return len(made.nodes)


def _without(numbers: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return (*numbers[:index], *numbers[index + 1 :])


class _Builder:
    """Builds the frame graph. `values` maps clip values to frame values; `clips` names the frames of slices."""

    def __init__(self, source: Graph, options: Stream):
        self.source, self.options = source, options
        self.target = Graph(source.name, "streaming")
        self.target.timing = dict(source.timing)
        self.problems = Collector()
        self.values: dict[int, Value] = {}
        self.clips: dict[int, range] = {}

    def build(self) -> None:
        for value in self.source.inputs:
            axis = self.source.timing[value.name].axis
            frame = value.type.with_shape(_without(value.type.shape, axis), value.type.axes.replace("T", ""))
            self.values[id(value)] = self.target.add_input(value.name, frame)
        for node in self.source.nodes:
            self._node(node)
        for name, value in self.source.outputs.items():
            self.target.outputs[name] = self._value(value)

    def _node(self, node: Node) -> None:
        first = next((v for v in node.operands if v is not None and not v.is_constant), node.x)
        time = first.type.axis("T")
        if id(first) in self.clips:
            self.values[id(node.result)] = self._whole_clip(node)
        elif time is None or not self._flows(node):
            operands = (None if v is None else self._value(v) for v in node.operands)
            self.values[id(node.result)] = self._add(node.op, *operands, node=node)
        else:
            handler = HANDLERS.get(type(node.op), _Builder.alone)
            self.values[id(node.result)] = handler(self, node, time)

    def _flows(self, node: Node) -> bool:
        """Is the first operand a frame of the stream (its time axis gone), not a settled tensor with a time axis?"""
        operands = [v for v in node.operands if v is not None and not v.is_constant]
        return all("T" not in self.values[id(v)].type.axes for v in operands)

    def _value(self, value: Value) -> Value:
        return value if value.is_constant else self.values[id(value)]

    def _add(self, op: Op, *operands: Value | None, node: Node, suffix: str = "") -> Value:
        return self.target.add(op, *operands, name=node.result.name + suffix, origin=node.result.origin)

    # --- memories ---

    def _window(self, node: Node, x: Value, taps: Ints, fill: float = 0.0) -> Value:
        """Past frames of x along a new axis T: one fifo, or several in a chain where one would be too long."""
        limit = self.options.max_fifo
        if not limit or max(taps) < limit:
            return self._add(Fifo(taps, fill), x, node=node, suffix=".fifo")
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
                parts.insert(0, self._add(Fifo(near, fill), x, node=node, suffix=".fifo"))
            taps = tuple(tap for tap in taps if tap - base >= limit)
            if taps:
                x = self._drop_time(
                    self._add(Fifo((limit - 1,), fill), x, node=node, suffix=".chain"), node, ".chained"
                )
                base += limit - 1
        return parts[0] if len(parts) == 1 else self._add(Concat(2), *parts, node=node, suffix=".window")

    def _drop_time(self, value: Value, node: Node, suffix: str = "") -> Value:
        """Remove a time axis of length 1."""
        axis = value.type.axes.index("T")
        op = Reshape(_without(value.type.shape, axis), value.type.axes.replace("T", ""))
        return self._add(op, value, node=node, suffix=suffix)

    def delay(self, node: Node, time: int) -> Value:
        assert isinstance(node.op, Delay)
        window = self._window(node, self._value(node.x), (node.op.frames,))
        return self._drop_time(window, node)

    def _whole_clip(self, node: Node) -> Value:
        """A layer that reads all elements of a clip: its mean, or everything flattened."""
        x, frames = self.values[id(node.x)], self.clips[id(node.x)]
        clip = node.x.type
        if isinstance(node.op, Mean) and self.options.mean == "running":
            mean = self._add(RunningMean(frames[0], frames.step), x, node=node, suffix=".running")
            return self._add(Reshape(node.result.type.shape, clip.axes), mean, node=node)
        taps = tuple(frames[-1] - frame for frame in frames)
        window = self._window(node, x, taps)
        perm = tuple(window.type.axes.index(letter) for letter in clip.axes)
        if perm != tuple(range(len(perm))):
            window = self._add(Transpose(perm), window, node=node, suffix=".order")
        return self._add(node.op, window, node=node)

    # --- layers ---

    def windowed(self, node: Node, time: int) -> Value:
        op, x = node.op, self._value(node.x)
        assert isinstance(op, Conv | MaxPool | AvgPool)
        weight = node.operands[1] if isinstance(op, Conv) else None
        kernel = weight.type.shape[2:] if weight is not None else op.kernel if isinstance(op, MaxPool | AvgPool) else ()
        i = time - 2
        if kernel[i] == 1 and len(kernel) > 1:
            return self._spatial(node, x, weight, time)
        lag = op.dilation[i]
        taps = tuple(lag * back for back in reversed(range(kernel[i])))
        if weight is not None and self.options.zero_fill and lag > 1:
            weight, taps = self._zero_filled(node, weight, time, lag), tuple(reversed(range(taps[0] + 1)))
        window = self._window(node, x, taps, -np.inf if isinstance(op, MaxPool) else 0.0)
        at = {"dilation": 1, "pads": (0, 0)}
        changes = {name: (*getattr(op, name)[:i], new, *getattr(op, name)[i + 1 :]) for name, new in at.items()}
        rest = () if weight is None else (weight, *node.operands[2:])
        made = self._add(replace(op, **changes), window, *rest, node=node, suffix=".window")
        return self._drop_time(made, node)

    def _zero_filled(self, node: Node, weight: Value, time: int, lag: int) -> Value:
        shape = list(weight.type.shape)
        shape[time] = lag * (shape[time] - 1) + 1
        data = np.zeros(shape, weight.data.dtype)
        data[(slice(None),) * time + (slice(None, None, lag),)] = weight.data
        return self.target.constant(f"{node.result.name}.filled", data)

    def _spatial(self, node: Node, x: Value, weight: Value | None, time: int) -> Value:
        """A layer over space alone, without its time axis."""
        op, i = node.op, time - 2
        assert isinstance(op, Conv | MaxPool | AvgPool)
        names = ["stride", "pads", "dilation"] + ([] if isinstance(op, Conv) else ["kernel"])
        made = replace(op, **{name: _without(getattr(op, name), i) for name in names})
        if weight is None:
            return self._add(made, x, node=node)
        data = weight.data.reshape(_without(weight.type.shape, time))
        return self._add(made, x, self._constant(weight, data), *node.operands[2:], node=node)

    def _constant(self, value: Value, data: np.ndarray[Any, Any]) -> Value:
        return self.target.constant(value.name, data)

    def conv_transpose(self, node: Node, time: int) -> Value:
        op, weight = node.op, node.operands[1]
        assert isinstance(op, ConvTranspose) and weight is not None
        names = ("stride", "pads", "dilation", "output_pads")
        made = replace(op, **{name: _without(getattr(op, name), time - 2) for name in names})
        data = weight.data.reshape(_without(weight.type.shape, time))
        return self._add(made, self._value(node.x), self._constant(weight, data), *node.operands[2:], node=node)

    # --- moves ---

    def mean(self, node: Node, time: int) -> Value:
        assert isinstance(node.op, Mean)
        dims = tuple(d - (d > time) for d in node.op.dims)
        return self._add(Mean(dims), self._value(node.x), node=node)

    def reshape(self, node: Node, time: int) -> Value:
        axis = node.result.type.axes.index("T")
        op = Reshape(_without(node.result.type.shape, axis), node.result.type.axes.replace("T", ""))
        return self._add(op, self._value(node.x), node=node)

    def transpose(self, node: Node, time: int) -> Value:
        assert isinstance(node.op, Transpose)
        perm = tuple(i - (i > time) for i in node.op.perm if i != time)
        return self._add(Transpose(perm), self._value(node.x), node=node)

    def concat(self, node: Node, time: int) -> Value:
        assert isinstance(node.op, Concat)
        operands = (None if v is None else self._value(v) for v in node.operands)
        return self._add(Concat(node.op.dim - (node.op.dim > time)), *operands, node=node)

    def pad(self, node: Node, time: int) -> Value:
        """Zero frames after the clip are what the stream is fed; other axes are padded frame by frame."""
        assert isinstance(node.op, Pad)
        pads = _without(node.op.pads, time)
        x = self._value(node.x)
        return self._add(replace(node.op, pads=pads), x, node=node) if any(map(any, pads)) else x

    def slice(self, node: Node, time: int) -> Value:
        """Slices over time name the clip's elements; over other axes they are done frame by frame."""
        assert isinstance(node.op, Slice)
        x, ranges = self._value(node.x), _without(node.op.ranges, time)
        if node.op.ranges[time] != (0, node.x.type.shape[time], 1) or self._ends_here(node):
            self.clips[id(node.result)] = range(*node.op.ranges[time])
        whole = all(r == (0, n, 1) for r, n in zip(ranges, x.type.shape, strict=True))
        return x if whole else self._add(Slice(ranges), x, node=node)

    def _ends_here(self, node: Node) -> bool:
        return all(isinstance(user.op, Mean | Reshape) for user, _ in node.result.uses)

    def quantizer(self, node: Node, time: int) -> Value:
        assert isinstance(node.op, FakeQuantize)
        op = replace(node.op, axis=node.op.axis - (node.op.axis > time))
        return self._add(op, self._value(node.x), *node.operands[1:], node=node)

    def over_axes(self, node: Node, time: int) -> Value:
        """softmax and normalize, whose axes are counted without time."""
        op = node.op
        if isinstance(op, Softmax):
            op = replace(op, axis=op.axis - (op.axis > time))
        elif isinstance(op, Normalize):
            op = replace(op, axes=tuple(axis - (axis > time) for axis in op.axes))
        return self._add(op, self._value(node.x), node=node)

    def alone(self, node: Node, time: int) -> Value:
        """An op that treats every frame alone: constants lose their time axis."""
        rank = node.result.type.rank
        operands = []
        for value in node.operands:
            if value is None or not value.is_constant or not isinstance(node.op, BROADCAST):
                operands.append(None if value is None else self._value(value))
                continue
            axis = time - (rank - value.type.rank)
            shape = value.type.shape if axis < 0 else _without(value.type.shape, axis)
            operands.append(self._constant(value, value.data.reshape(shape)))
        return self._add(node.op, *operands, node=node)


HANDLERS: dict[type[Op], Callable[[_Builder, Node, int], Value]] = {
    AvgPool: _Builder.windowed,
    Concat: _Builder.concat,
    Conv: _Builder.windowed,
    ConvTranspose: _Builder.conv_transpose,
    Delay: _Builder.delay,
    FakeQuantize: _Builder.quantizer,
    MaxPool: _Builder.windowed,
    Mean: _Builder.mean,
    Normalize: _Builder.over_axes,
    Pad: _Builder.pad,
    Reshape: _Builder.reshape,
    Slice: _Builder.slice,
    Softmax: _Builder.over_axes,
    Transpose: _Builder.transpose,
}

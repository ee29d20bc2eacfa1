"""Ops over time. In a clip graph time is an axis; in a frame graph it is the state of these ops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, IllegalOp, Op, register, require, working
from .window import Ints


@register
@dataclass(frozen=True)
class Delay(Op):
    """In a clip: y[t] = x[t − frames] along dimension `dim`, zeros before. Example: %y = delay(%x) {dim=2, frames=3}"""

    mnemonic: ClassVar[str] = "delay"
    dim: int
    frames: int

    def infer(self, x: TensorType) -> TensorType:
        require(0 <= self.dim < x.rank and x.axes[self.dim] == "T", f"dim {self.dim} of {x} is not the time axis")
        require(self.frames >= 0, "a delay is not negative")
        return x

    def evaluate(self, x: Array) -> Array:
        pads = [(min(self.frames, x.shape[i]), 0) if i == self.dim else (0, 0) for i in range(x.ndim)]
        return np.pad(working(x), pads).take(range(x.shape[self.dim]), axis=self.dim)


class Stateful(Op):
    """An op of a frame graph that remembers: `advance` takes the state, the frame's number and the operands' arrays at
    that frame, and gives the result and the new state. The state before frame 0 is None."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Array:
        raise IllegalOp(f"{self.mnemonic} has a state: run the graph with a FrameSession")

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        raise NotImplementedError(self.mnemonic)


@register
@dataclass(frozen=True)
class Fifo(Stateful):
    """A window of past frames: w[n, c, i, …] = x[t − taps[i]], `fill` where that is before frame 0.

    x (N, C, *space) at frame t; the result has axis T after C, one entry per tap (a lag in frames, largest first).
    Example: %w = fifo(%x) {taps=(2, 1, 0)}
    """

    mnemonic: ClassVar[str] = "fifo"
    taps: Ints
    fill: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        require(x.axes[:2] == "NC" and "T" not in x.axes, f"fifo takes a frame with axes N, C, …, got {x}")
        require(len(self.taps) > 0 and min(self.taps) >= 0, f"taps {self.taps} must be lags of 0 or more")
        shape = (*x.shape[:2], len(self.taps), *x.shape[2:])
        return TensorType(shape, x.dtype, f"NCT{x.axes[2:]}")

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        depth = max(self.taps) + 1
        buffer = np.full((depth, *x.shape), self.fill) if state is None else state
        buffer = buffer.copy()
        buffer[frame % depth] = x
        return np.stack([buffer[(frame - lag) % depth] for lag in self.taps], axis=2), buffer


@register
@dataclass(frozen=True)
class RunningMean(Stateful):
    """Mean of the frames start, start + period, … up to now (0 before the first). Example: %y = running_mean(%x) \
{start=3, period=2}"""

    mnemonic: ClassVar[str] = "running_mean"
    start: int = 0
    period: int = 1

    def infer(self, x: TensorType) -> TensorType:
        require(x.is_float and "T" not in x.axes, f"running_mean takes a frame of floats, got {x}")
        require(self.start >= 0 and self.period >= 1, "start and period must be 0 or more, and 1 or more")
        return x

    def advance(self, state: Any, frame: int, x: Array, *constants: Array | None) -> tuple[Array, Any]:
        total, count = (np.zeros_like(x), 0) if state is None else state
        if frame >= self.start and (frame - self.start) % self.period == 0:
            total, count = total + x, count + 1
        return total / max(count, 1), (total, count)

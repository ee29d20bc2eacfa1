"""When the elements of a clip tensor pass by in a stream, and which of them are exactly the clip's.

A stream feeds one input frame at a time, then zero frames; every memory starts at zero. Between its first and last
element an edge carries the clip's values. Outside, where a clip layer sees zero padding, the stream carries what the
layers before make of zeros; only where that is certainly zero (or before frame 0) does a window that reaches out agree
with the clip. `Track` keeps both: which elements are `good`, at which frames the edge is `zero`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...runtime.program.timing import Timing

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Track:
    """Element j of the clip tensor is what the edge carries at frame stride · j + offset, for 0 ≤ j < len(good).

    good[j]  the stream's value there equals the clip's
    zero[t]  the edge is certainly zero at frame t (t < 0 counts as zero: memories start so)
    """

    offset: int
    stride: int
    good: Bools
    zero: Bools

    @classmethod
    def of_input(cls, length: int, frames: int) -> Track:
        """The network's input: `length` clip frames, then zeros up to `frames`."""
        return cls(0, 1, np.ones(length, np.bool_), np.arange(frames) >= length)

    @property
    def length(self) -> int:
        return len(self.good)

    @property
    def last(self) -> int:
        return self.offset + self.stride * (self.length - 1)

    def timing(self, axis: int) -> Timing:
        edges = tuple(np.flatnonzero(~self.good).tolist())
        return Timing(self.offset, self.stride, self.length, axis, edges)

    def delayed(self, frames: int) -> Track:
        """The same edge behind a delay line that starts with zeros."""
        zero = np.concatenate([np.ones(frames, np.bool_), self.zero])[: len(self.zero)]
        return replace(self, offset=self.offset + frames, zero=zero)

    def sliced(self, start: int, step: int, length: int) -> Track:
        """Elements start, start + step, … of the clip tensor: a matter of naming, the edge is the same."""
        good = self.good[start : start + step * (length - 1) + 1 : step]
        return replace(self, offset=self.offset + self.stride * start, stride=self.stride * step, good=good)

    def matches_padding(self, element: NDArray[np.int64], ignored: bool) -> Bools:
        """Is what a window meets at these elements what the clip has there?

        Outside the clip that is zero padding; with `ignored` it is padding that never counts (a maximum's −∞), which
        only memory before frame 0 holds.
        """
        inside = (element >= 0) & (element < self.length)
        right = self.good[np.clip(element, 0, self.length - 1)]
        frame = self.offset + self.stride * element
        before = frame < 0
        silent = self.zero[np.clip(frame, 0, len(self.zero) - 1)] & (not ignored)
        return np.asarray(np.where(inside, right, before | silent))

    def padded(self, before: int, after: int) -> Track:
        """`before` and `after` zero elements around the clip tensor, as the edge carries them."""
        element = np.arange(-before, self.length + after)
        good = self.matches_padding(element, ignored=False)
        return replace(self, offset=self.offset - self.stride * before, good=good)

    def windowed(
        self, kernel: int, stride: int, dilation: int, before: int, length: int, keeps_zero: bool, ignored: bool = False
    ) -> Track:
        """Behind a causal window whose taps are stride · dilation frames apart.

        Clip: y[j] = Σ_i w[i] · x[stride·j + dilation·i − before], 0 ≤ j < length. Stream: the newest tap is now, so
        y[j] is there when x[stride·j + dilation·(kernel−1) − before] is.
        """
        j, i = np.arange(length)[:, None], np.arange(kernel)[None]
        good = np.asarray(self.matches_padding(stride * j + dilation * i - before, ignored).all(axis=1))
        lag = self.stride * dilation
        zero = self.zero.copy() if keeps_zero else np.zeros(len(self.zero), np.bool_)
        for tap in range(1, kernel):
            zero[tap * lag :] &= self.zero[: max(0, len(zero) - tap * lag)]
        offset = self.offset + self.stride * (dilation * (kernel - 1) - before)
        return Track(offset, self.stride * stride, good, zero)

    def mapped(self, keeps_zero: bool) -> Track:
        """Behind something that treats each frame alone."""
        return self if keeps_zero else replace(self, zero=np.zeros(len(self.zero), np.bool_))

    def collapsed(self) -> Track:
        """All elements as one: what depends on the whole clip is there with its last element."""
        return replace(self, offset=self.last, stride=1, good=np.array([self.good.all()]))


def joined(tracks: Sequence[Track]) -> Track:
    """Several edges with the same timing, read together (a sum or concatenation)."""
    good = np.logical_and.reduce([track.good for track in tracks])
    zero = np.logical_and.reduce([track.zero for track in tracks])
    return replace(tracks[0], good=good, zero=zero)

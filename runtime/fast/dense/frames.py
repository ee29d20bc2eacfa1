"""Where the frames of a program's layers lie in memory.

Every stream has one row of bytes and one of int32. A frame (X, Y, C) lies in the bytes where 8 bits hold its integers,
as unsigned ones: `zero` stands for 0. It has a margin on all four sides that holds 0, so that no window asks where the
frame ends. Frames that a temporal layer reads are a ring of as many as it looks back, so nothing is ever moved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...program.akida import Layer, Triple
from ...program.akida_kinds import TEMPORAL, TRANSPOSED
from ...program.akida_shapes import padding
from .bounds import Range

Int32s = NDArray[np.int32]
NARROW_BITS, OFFSET = 8, 128
FOUR, ALIGNED = 4, 64  # channels that are multiplied together; entries that frames start at multiples of


class TooLarge(ValueError):
    """A frame with its margin has 2^31 entries or more."""


@dataclass(frozen=True)
class Frame:
    """A frame's place. Offsets count entries of the stream's row, bytes if `narrow`, else int32.

    margin  cells ((before, after) X, (before, after) Y)
    start   offset of the ring's first slot; `origin` is that of its cell (0, 0)
    pitch   entries from a cell to the next one in Y: C, rounded up to whole groups of four; `row` to the next one in X
    """

    shape: Triple
    narrow: bool
    zero: int
    margin: tuple[tuple[int, int], tuple[int, int]]
    slots: int
    start: int

    @property
    def pitch(self) -> int:
        return -(-self.shape[2] // FOUR) * FOUR

    @property
    def row(self) -> int:
        return (self.shape[1] + sum(self.margin[1])) * self.pitch

    @property
    def slot(self) -> int:
        """Entries of one slot."""
        return -(-(self.shape[0] + sum(self.margin[0])) * self.row // ALIGNED) * ALIGNED

    @property
    def stop(self) -> int:
        return self.start + self.slots * self.slot

    @property
    def origin(self) -> int:
        return self.start + self.margin[0][0] * self.row + self.margin[1][0] * self.pitch

    def cells(self, x: NDArray[np.int64], y: NDArray[np.int64]) -> Int32s:
        """Offsets from the origin of the cells at all x and all y, X first; those in the margin included."""
        return (x[:, None] * self.row + y * self.pitch).astype(np.int32).ravel()

    @property
    def inside(self) -> Int32s:
        """The cells of the frame itself."""
        return self.cells(np.arange(self.shape[0]), np.arange(self.shape[1]))

    @property
    def spread(self) -> tuple[int, int, int, int]:
        """Shape of all slots with their margins."""
        (a, b), (c, d) = self.margin
        return self.slots, a + self.shape[0] + b, c + self.shape[1] + d, self.pitch


class Memory:
    """Frames placed one behind another."""

    def __init__(self) -> None:
        self.used = {True: 0, False: 0}

    def place(self, shape: Triple, held: Range, readers: Iterable[Layer]) -> Frame:
        """A frame of integers within `held` (None: float32), for those layers to read."""
        margin, slots = ((0, 0), (0, 0)), 1
        for layer in readers:
            wanted = _margin(layer, shape)
            margin = tuple((max(a, c), max(b, d)) for (a, b), (c, d) in zip(margin, wanted, strict=True))
            if layer.kind in TEMPORAL:
                slots = max(slots, layer.parameters["fifo_size"])
        narrow = held.bits <= NARROW_BITS
        zero = OFFSET if narrow and held.low < 0 else 0
        frame = Frame(shape, narrow, zero, (margin[0], margin[1]), slots, self.used[narrow])
        if frame.slot > np.iinfo(np.int32).max:
            raise TooLarge(f"a frame of shape {shape} has, with its margin, 2^31 entries or more")
        self.used[narrow] = frame.stop
        return frame


def _margin(layer: Layer, shape: Triple) -> tuple[tuple[int, int], tuple[int, int]]:
    """Cells around its input that a layer reads."""
    p = layer.parameters
    if layer.kind in TRANSPOSED:
        return (1, 1), (1, 1)
    if "kernel_stride" not in p:
        return (0, 0), (0, 0)
    x, y = (padding(extent, p["kernel_size"], p["kernel_stride"], p["padding"]) for extent in shape[:2])
    return x, y

"""Where the elements of a value lie in a layer's frame: reshapes, transposes and slices move names, not numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ...runtime.program.akida import Triple
from .floats import Array

AXES = "HWC"


@dataclass(frozen=True)
class Place:
    """A value of the graph as (part of) what a layer gives.

    shape  the value's, without the samples axis
    index  int64 of that shape: the position of each element in the layer's frame, flattened (X, Y, C); None where the
           value in memory is the frame in the order C, X, Y
    """

    layer: str
    made: Triple
    shape: tuple[int, ...]
    index: Array | None = None

    @property
    def is_frame(self) -> bool:
        """Is it the layer's frame as (C, X, Y), or as (C, 1, …) where there is one pixel?"""
        x, y, c = self.made
        return self.index is None and (self.shape == (c, x, y) or (x == y == 1 and self.shape[0] == c))

    def positions(self) -> Array:
        """The position of each element in the flattened (X, Y, C) frame, of the value's shape."""
        return in_memory_order(self.made, "CHW").reshape(self.shape) if self.index is None else self.index

    def moved(self, index: Array) -> Place:
        """The place of a value whose elements have these positions."""
        same = index.size == np.prod(self.made) and np.array_equal(index.ravel(), in_memory_order(self.made, "CHW"))
        return Place(self.layer, self.made, index.shape, None if same else index)

    def reshaped(self, shape: tuple[int, ...]) -> Place:
        """The place of the same elements under another shape."""
        return Place(self.layer, self.made, shape, None if self.index is None else self.index.reshape(shape))

    def order(self) -> str | None:
        """The order of axes in which the frame lies in the value's memory, e.g. "CHW"; None if there is none."""
        if self.index is None:
            return "CHW"
        flat = self.index.ravel()
        orders = ("".join(letters) for letters in permutations(AXES))
        return next((order for order in orders if np.array_equal(flat, in_memory_order(self.made, order))), None)

    def channels(self) -> Array | None:
        """Channel numbers, if the value is a choice of the frame's channels as (C', X, Y) or (C'); else None."""
        x, y, c = self.made
        whole = np.arange(x * y * c).reshape(x, y, c).transpose(2, 0, 1)
        if self.shape[1:] not in ((x, y), ()) or (x * y > 1 and self.shape[1:] == ()):
            return None
        index = self.positions().reshape(-1, x, y)
        chosen = index[:, 0, 0] % c
        return chosen if np.array_equal(index, whole[chosen]) else None


def in_memory_order(made: Triple, order: str) -> Array:
    """Positions in the flattened (X, Y, C) frame, one after the other as they lie in memory in that order."""
    frame = np.arange(int(np.prod(made)), dtype=np.int64).reshape(made)
    return frame.transpose([AXES.index(letter) for letter in order]).ravel()

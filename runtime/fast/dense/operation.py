"""What compiled code knows of an operation: one record of int64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints

TILES, LOOPS, ADD, COPY, SCALE = range(5)
"""Kinds: sums in tiles, sums in int64 loops (each with what follows them), Add, a copy of channels, a Dequantizer."""
FUSED, POOLED, TOTALLED, SETTLED = range(4)
"""What follows the sums: the tail of tail.py, at once or after a pool of the largest; sums over all pixels; or all
steps one by one in int64."""
NONE, RELU, LUT, MAX, AVG = range(5)
"""Activations and pools."""
CHUNK = 64  # pixels whose sums are made before their tail follows

Step = dict[str, int]
"""The fields of an operation, 0 where there is none."""

_FRAME = ("narrow", "zero", "origin", "slot", "slots")
_FIELDS = (
    # The layer's number, where its counts go, and the range of its results.
    *("kind", "layer", "bottom", "top", "channels"),
    # Frames, as in frames.py: what it reads (Add: two) and what it writes.
    *(f"{way}_{name}" for way in ("from", "other", "to") for name in (*_FRAME, "pitch")),
    # Pixels, and where tables begin: of cells read and cells written, runs, weights, numbers (all in plan.Tables).
    *("pixels", "pixels_at", "other_at", "places_at", "inner", "runs", "runs_at", "cells", "temporal", "depthwise"),
    *("weights_at", "numbers_at", "integers_at", "floats_at", "shifts", "shifts_at"),
    # Tiles: pixels of one, groups of four input bytes in a run, vectors of channels, in so many blocks.
    *("then", "route", "tile", "groups", "vectors", "blocks"),
    # All steps one by one.
    *(
        "buffer",
        "post",
        "counts_inputs",
        "shifts_inputs",
        "entries",
        "entries_at",
        "activation",
        "pool",
        "size",
        "stride",
        "before_x",
        "before_y",
    ),
    *("sums_x", "sums_y", "to_x", "to_y"),
)


class Tables(NamedTuple):
    """What operations point into."""

    offsets: NDArray[np.int32]
    runs: Ints
    weights: NDArray[np.int8]
    numbers: NDArray[np.int32]
    integers: Ints
    floats: NDArray[np.float32]


OPERATION = np.dtype([(name, np.int64) for name in _FIELDS])

"""The largest of each window, and sums over all pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ..jit import compiled
from .routes import LANES
from .tail import CAP, FIELDS, FLOOR
from .values import Int32s, clamp

BUFFER = 0
"""The first column of the counts of a layer: clamps in a buffer (runtime/reference/akida_tail.py)."""


@compiled
def largest(op: Any, sums: Int32s | Ints, row: int, pooled: Int32s | Ints) -> None:
    """Of sums [pixel, row] to `pooled`. No window lies in the padding alone."""
    for x in range(op.to_x):
        first_x = x * op.stride - op.before_x
        for y in range(op.to_y):
            first_y = y * op.stride - op.before_y
            mine = pooled[(x * op.to_y + y) * row : (x * op.to_y + y + 1) * row]
            first = True
            for i in range(max(first_x, 0), min(first_x + op.size, op.sums_x)):
                for j in range(max(first_y, 0), min(first_y + op.size, op.sums_y)):
                    cell = sums[(i * op.sums_y + j) * row : (i * op.sums_y + j + 1) * row]
                    for f in range(np.uint64(row)):
                        mine[f] = cell[f] if first else max(mine[f], cell[f])
                    first = False


@compiled
def total(op: Any, sums: Int32s, numbers: NDArray[np.int32], totals: Ints, counts: Ints) -> None:
    """Rectify sums [pixel, vector, 16], add up each channel's, saturate. `numbers` as in tail.py."""
    row = LANES * op.vectors
    lanes = np.zeros(LANES, np.int64)
    for v in range(op.vectors):
        floor = numbers[(len(FIELDS) * v + FLOOR) * LANES : (len(FIELDS) * v + FLOOR + 1) * LANES]
        cap = numbers[(len(FIELDS) * v + CAP) * LANES : (len(FIELDS) * v + CAP + 1) * LANES]
        lanes[:] = 0
        for p in range(op.pixels):
            at = np.uint64(p * row + v * LANES)
            for f in range(np.uint64(LANES)):
                lanes[f] += np.int64(min(max(sums[at + f], floor[f]), cap[f]))
        for f in range(min(LANES, op.channels - v * LANES)):
            totals[v * LANES + f] = clamp(lanes[f], op.post)
            counts[BUFFER] += totals[v * LANES + f] != lanes[f]

"""Sums that 32 bits may not hold, or of inputs that 8 bits do not hold, in int64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arith import Ints
from ..jit import compiled
from .operation import Tables
from .pools import BUFFER
from .values import Bytes, Int32s, clamp, read, slot


@compiled
def count_inputs(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, counts: Ints) -> None:
    """Count the inputs that leave their buffer once they are shifted, of a FIFO in all its frames."""
    values, clamps = np.empty(op.inner, np.int64), 0
    for back in range(op.runs if op.temporal else 1):
        start = op.from_origin + slot(frame - back, op.from_slots, op.from_slot)
        for entry in range(op.entries):
            read(narrow, wide, op.from_narrow, op.from_zero, start + tables.offsets[op.entries_at + entry], values)
            for c in range(op.inner):
                x = values[c] << tables.integers[op.shifts_at + (entry * op.inner + c) % op.shifts]
                clamps += x != clamp(x, op.buffer)
    counts[BUFFER] += clamps


@compiled
def loops(op: Any, tables: Tables, runs: Ints, narrow: Bytes, wide: Int32s, sums: Ints) -> None:
    """The sums of all pixels [pixel, channel], `runs` being where the runs begin."""
    channels, inner, depthwise = op.channels, op.inner, op.depthwise
    size = 1 if depthwise else channels
    values = np.empty(inner, np.int64)
    for p in range(op.pixels):
        mine = sums[p * channels : (p + 1) * channels]
        for f in range(channels):
            mine[f] = 0
        for cell in range(op.runs * op.cells):
            ahead = runs[cell // op.cells] + cell % op.cells * op.from_pitch
            at = op.from_origin + tables.offsets[op.pixels_at + p] + ahead
            read(narrow, wide, op.from_narrow, op.from_zero, at, values)
            for c in range(inner):
                x = values[c] << tables.integers[op.shifts_at + (cell * inner + c) % op.shifts]
                x = clamp(x, op.buffer) if op.shifts_inputs else x
                first = op.weights_at + (cell * inner + c) * size
                if depthwise:
                    mine[c] += x * tables.weights[first]
                elif x:
                    for f in range(np.uint64(channels)):
                        mine[f] += x * tables.weights[np.uint64(first) + f]

"""Operations without weights: Add, copies of channels, Dequantizers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ..jit import compiled
from .operation import Tables
from .pools import BUFFER
from .settle import OUTPUT, ZEROS
from .values import Bytes, Int32s, clamp, read, shift, slot, write

Floats = NDArray[np.float32]


@compiled
def add(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, counts: Ints) -> None:
    left_start = op.from_origin + slot(frame, op.from_slots, op.from_slot)
    right_start = op.other_origin + slot(frame, op.other_slots, op.other_slot)
    start, channels, first = op.to_origin + slot(frame, op.to_slots, op.to_slot), op.channels, op.integers_at
    buffer, bottom, top = op.buffer, op.bottom, op.top
    a, b, results = np.empty(channels, np.int64), np.empty(channels, np.int64), np.empty(channels, np.int64)
    a_shift, b_shift = tables.integers[first : first + channels], tables.integers[first + channels :]
    exponent = tables.integers[first + 2 * channels :]
    clamps, clipped, zeros = 0, 0, 0
    for p in range(op.pixels):
        read(narrow, wide, op.from_narrow, op.from_zero, left_start + tables.offsets[op.pixels_at + p], a)
        read(narrow, wide, op.other_narrow, op.other_zero, right_start + tables.offsets[op.other_at + p], b)
        for c in range(channels):
            left, right = a[c] << a_shift[c], b[c] << b_shift[c]
            held_left, held_right = clamp(left, buffer), clamp(right, buffer)
            total = clamp(held_left + held_right, buffer)
            moved = shift(total, exponent[c])
            results[c] = min(max(moved, bottom), top)
            clamps += held_left != left
            clamps += held_right != right
            clamps += total != held_left + held_right
            clipped += results[c] != moved
            zeros += results[c] == 0
        write(narrow, wide, op.to_narrow, op.to_zero, start + tables.offsets[op.places_at + p], results)
    counts[BUFFER] += clamps
    counts[OUTPUT] += clipped
    counts[ZEROS] += zeros


@compiled
def copy(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, counts: Ints) -> None:
    source = op.from_origin + slot(frame, op.from_slots, op.from_slot)
    start = op.to_origin + slot(frame, op.to_slots, op.to_slot)
    values, zeros = np.empty(op.channels, np.int64), 0
    for p in range(op.pixels):
        read(narrow, wide, op.from_narrow, op.from_zero, source + tables.offsets[op.pixels_at + p], values)
        for c in range(len(values)):
            zeros += values[c] == 0
        write(narrow, wide, op.to_narrow, op.to_zero, start + tables.offsets[op.places_at + p], values)
    counts[ZEROS] += zeros


@compiled
def scale(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, floats: Floats, counts: Ints) -> None:
    """A Dequantizer: one float32 product for each result."""
    source = op.from_origin + slot(frame, op.from_slots, op.from_slot)
    values, zeros = np.empty(op.channels, np.int64), 0
    for p in range(op.pixels):
        read(narrow, wide, op.from_narrow, op.from_zero, source + tables.offsets[op.pixels_at + p], values)
        place = op.to_origin + tables.offsets[op.places_at + p]
        for c in range(len(values)):
            product = np.float32(np.float32(values[c]) * tables.floats[op.floats_at + c])
            zeros += product == 0
            floats[place + c] = product
    counts[ZEROS] += zeros

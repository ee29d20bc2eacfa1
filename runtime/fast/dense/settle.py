"""All steps after the sums, one by one in int64, as the reference has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arith import Ints
from ..jit import compiled
from .operation import AVG, LUT, MAX, RELU, Tables
from .pools import BUFFER, largest
from .values import Bytes, Int32s, clamp, shift, slot, write

SCALED, OUTPUT, ZEROS = range(1, 4)
"""The other columns of the counts: two more clamps of runtime/reference/akida_tail.py, and results that are 0."""
LUT_ENTRIES, LUT_BITS = 2048, 11


@compiled
def settle(
    op: Any, frame: int, tables: Tables, sums: Ints, pooled: Ints, narrow: Bytes, wide: Int32s, counts: Ints
) -> None:
    """Steps 2 to 9 of docs/akida.md, from the exact sums [pixel, channel] to the results in the frame."""
    channels, found, first = op.channels, op.pixels, op.integers_at
    counts[BUFFER] += _with_bias(sums[: found * channels], tables.integers[first : first + channels], op.buffer)
    if op.pool == MAX:
        largest(op, sums, channels, pooled)
        sums, found = pooled, op.to_x * op.to_y
    if op.activation == RELU:
        _rectify(sums[: found * channels], tables.integers[first + channels : first + 2 * channels])
    elif op.activation == LUT:
        numbers = tables.integers[first + 4 * channels : first + 6 * channels + LUT_ENTRIES]
        counts[SCALED] += _look_up(sums[: found * channels], channels, numbers, op.post)
    if op.pool == AVG:
        counts[BUFFER] += _total(sums[: found * channels], pooled[:channels], op.post)
        sums, found = pooled, 1
    finish(op, frame, tables, sums[: found * channels], narrow, wide, counts)


@compiled
def _with_bias(sums: Ints, bias: Ints, bits: int) -> int:
    """Saturate, add the bias, saturate, in place; how often something changed."""
    clamps, channels = 0, np.uint64(len(bias))
    for p in range(np.uint64(len(sums)) // channels):
        for f in range(channels):
            exact = sums[p * channels + f]
            held = clamp(exact, bits)
            total = held + bias[f]
            kept = clamp(total, bits)
            clamps += held != exact
            clamps += kept != total
            sums[p * channels + f] = kept
    return clamps


@compiled
def _rectify(sums: Ints, cap: Ints) -> None:
    channels = np.uint64(len(cap))
    for p in range(np.uint64(len(sums)) // channels):
        for f in range(channels):
            sums[p * channels + f] = min(max(sums[p * channels + f], 0), cap[f])


@compiled
def _look_up(sums: Ints, channels: int, numbers: Ints, bits: int) -> int:
    """`numbers` are the channels' scales, their shifts, and the table; how often something was clamped."""
    scale, exponent, table = numbers[:channels], numbers[channels : 2 * channels], numbers[2 * channels :]
    clamps = 0
    for p in range(len(sums) // channels):
        for f in range(channels):
            exact = sums[p * channels + f] * scale[f]
            scaled = clamp(exact, bits)
            moved = shift(scaled, exponent[f])
            index = clamp(moved, LUT_BITS)
            clamps += scaled != exact
            clamps += index != moved
            sums[p * channels + f] = table[index + LUT_ENTRIES // 2]
    return clamps


@compiled
def _total(sums: Ints, totals: Ints, bits: int) -> int:
    """Add up all pixels, saturate; how often that changed something."""
    clamps, channels = 0, np.uint64(len(totals))
    totals[:] = 0
    for p in range(np.uint64(len(sums)) // channels):
        for f in range(channels):
            totals[f] += sums[p * channels + f]
    for f in range(channels):
        held = clamp(totals[f], bits)
        clamps += held != totals[f]
        totals[f] = held
    return clamps


@compiled
def finish(op: Any, frame: int, tables: Tables, sums: Ints, narrow: Bytes, wide: Int32s, counts: Ints) -> None:
    """Steps 7 to 9, from [result, channel] to the frame."""
    channels, first, post, bottom, top = op.channels, op.integers_at, op.post, op.bottom, op.top
    factor = tables.integers[first + 2 * channels : first + 3 * channels]
    exponent = tables.integers[first + 3 * channels : first + 4 * channels]
    start = op.to_origin + slot(frame, op.to_slots, op.to_slot)
    results, clamps, clipped, zeros = np.empty(channels, np.int64), 0, 0, 0
    for p in range(len(sums) // channels):
        for f in range(channels):
            exact = sums[p * channels + f] * factor[f]
            scaled = clamp(exact, post)
            moved = shift(scaled, exponent[f])
            results[f] = min(max(moved, bottom), top)
            clamps += scaled != exact
            clipped += results[f] != moved
            zeros += results[f] == 0
        write(narrow, wide, op.to_narrow, op.to_zero, start + tables.offsets[op.places_at + p], results)
    counts[SCALED] += clamps
    counts[OUTPUT] += clipped
    counts[ZEROS] += zeros

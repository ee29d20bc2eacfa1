"""One frame of some streams through all operations of a plan, compiled: the tiles, and what has no tiles."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ..jit import compiled
from .elementwise import add, copy, scale
from .loops import count_inputs, loops
from .operation import ADD, CHUNK, COPY, FUSED, LOOPS, POOLED, SCALE, SETTLED, TILES, TOTALLED, Tables
from .pools import largest, total
from .routes import LANES
from .settle import SCALED, finish, settle
from .tail import FIELDS, run_tail
from .tiles import key, run_tile
from .values import Bytes, Int32s, slot

Array = np.ndarray[Any, np.dtype[Any]]


class Scratch(NamedTuple):
    """What one thread holds on the way: codes, sums in int32 and in int64, results of pools, and where runs begin."""

    codes: NDArray[np.uint8]
    sums: NDArray[np.int32]
    wide_sums: Ints
    pooled: Ints
    runs: Ints
    tile: Ints


@compiled
def advance(
    low: int,
    high: int,
    frame: int,
    steps: Array,
    tables: Tables,
    narrow: Bytes,
    wide: Int32s,
    floats: NDArray[np.float32],
    scratch: Scratch,
    counts: Ints,
) -> None:
    """Streams low … high − 1 through frame number `frame`.

    narrow, wide  their memory [stream, entry]; floats is `wide` as float32
    counts        int64 [layer, 4], added to; a last row is for what is not counted
    """
    for stream in range(low, high):
        bytes_, ints = narrow[stream], wide[stream]
        for i in range(len(steps)):
            op, mine = steps[i], counts[steps[i].layer]
            if op.kind == TILES or op.kind == LOOPS:
                _neural(op, frame, tables, bytes_, ints, scratch, mine)
            elif op.kind == ADD:
                add(op, frame, tables, bytes_, ints, mine)
            elif op.kind == COPY:
                copy(op, frame, tables, bytes_, ints, mine)
            elif op.kind == SCALE:
                scale(op, frame, tables, bytes_, ints, floats[stream], mine)


@compiled
def _neural(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, scratch: Scratch, counts: Ints) -> None:
    """The sums of a layer and what follows them."""
    _find_runs(op, frame, tables, scratch.runs)
    if op.kind == LOOPS:
        if op.counts_inputs:
            count_inputs(op, frame, tables, narrow, wide, counts)
        loops(op, tables, scratch.runs, narrow, wide, scratch.wide_sums)
    else:
        _tiles(op, frame, tables, narrow, wide, scratch, counts)
    row = LANES * op.vectors
    if op.then == POOLED:
        behind = op.pixels * row
        largest(op, scratch.sums[:behind], row, scratch.sums[behind:])
        pooled = scratch.sums.ctypes.data + 4 * behind
        for v in range(op.vectors):
            _tail(op, frame, tables, narrow, wide, pooled + 4 * LANES * v, v, 0, op.to_x * op.to_y, counts)
    elif op.then == TOTALLED:
        numbers = tables.numbers[op.numbers_at : op.numbers_at + len(FIELDS) * row]
        total(op, scratch.sums, numbers, scratch.pooled[: op.channels], counts)
        finish(op, frame, tables, scratch.pooled[: op.channels], narrow, wide, counts)
    elif op.then == SETTLED:
        if op.kind == TILES:
            _widen(op, scratch)
        settle(op, frame, tables, scratch.wide_sums, scratch.pooled, narrow, wide, counts)


@compiled
def _find_runs(op: Any, frame: int, tables: Tables, runs: Ints) -> None:
    """Where the runs of an operation begin in this frame, from `from_origin` on."""
    for r in range(op.runs):
        if op.temporal:
            runs[r] = slot(frame - op.runs + 1 + r, op.from_slots, op.from_slot)
        else:
            runs[r] = tables.runs[op.runs_at + r] + slot(frame, op.from_slots, op.from_slot)


@compiled
def _widen(op: Any, scratch: Scratch) -> None:
    """The sums of tiles, [pixel, channel] in whole vectors, as int64 without what fills the last vector."""
    for p in range(op.pixels):
        for f in range(op.channels):
            scratch.wide_sums[p * op.channels + f] = scratch.sums[p * LANES * op.vectors + f]


@compiled
def _tiles(op: Any, frame: int, tables: Tables, narrow: Bytes, wide: Int32s, scratch: Scratch, counts: Ints) -> None:
    """The sums of all pixels to scratch.sums [pixel, channel]; or a chunk at a time, and its tail behind it."""
    source, pixels = narrow.ctypes.data + op.from_origin, tables.offsets.ctypes.data + 4 * op.pixels_at
    weights, numbers = tables.weights.ctypes.data + op.weights_at, tables.numbers.ctypes.data + 4 * op.numbers_at
    runs, stride, vector = scratch.runs.ctypes.data, 4 * LANES * op.vectors, 0
    chunk = min(CHUNK, op.pixels) if op.then == FUSED else op.pixels
    for block in range(op.blocks):
        width = op.vectors // op.blocks + (block < op.vectors % op.blocks)
        kind, sums = key(op.route, op.tile, width), scratch.sums.ctypes.data + 4 * LANES * vector
        for start in range(0, op.pixels, chunk):
            stop = min(start + chunk, op.pixels)
            # Where pixel 0 would have its sums. The first pixel of a tile may lie before `start`.
            zero = sums - min(start, stop - op.tile) * stride
            from_here = source, pixels, runs, op.runs, op.groups, weights, numbers, zero, stride
            run_tile(scratch.tile[0], kind, (start, stop, *from_here))  # pyright: ignore[reportCallIssue]
            if op.then == FUSED:
                for v in range(width):
                    at = zero + start * stride + 4 * LANES * v
                    _tail(op, frame, tables, narrow, wide, at, vector + v, start, stop, counts)
        vector += width
        weights += op.runs * width * (LANES if op.depthwise else 4 * LANES * op.groups)
        numbers += 4 * LANES * len(FIELDS) * width
        if op.depthwise:
            source += LANES


@compiled
def _tail(
    op: Any,
    frame: int,
    tables: Tables,
    narrow: Bytes,
    wide: Int32s,
    sums: int,
    vector: int,
    start: int,
    stop: int,
    counts: Ints,
) -> None:
    """From the sums of a vector of channels, for results start … stop − 1, to where these belong."""
    target, size = (narrow.ctypes.data, 1) if op.to_narrow else (wide.ctypes.data, 4)
    first = op.to_origin + slot(frame, op.to_slots, op.to_slot) + LANES * vector
    numbers = tables.numbers.ctypes.data + 4 * (op.numbers_at + LANES * len(FIELDS) * vector)
    places = tables.offsets.ctypes.data + 4 * (op.places_at + start)
    lanes = min(LANES, op.channels - LANES * vector)
    results = numbers, target + first * size, places, lanes, 1 - op.to_narrow, op.bottom, op.top, op.to_zero
    where = sums, 4 * LANES * op.vectors, stop - start
    run_tail((*where, *results, counts.ctypes.data + 8 * SCALED))  # pyright: ignore[reportCallIssue]

"""What the host feeds, compiled: codes, or values of the source model that become codes, to their frames.

Frames are flat, [stream, element]; `steps` says how far apart in them neighbours in X, Y and C are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ..jit import compiled
from .operation import Tables
from .settle import OUTPUT, ZEROS
from .values import Bytes, slot

Steps = tuple[int, int, int]
Values = NDArray[np.float32] | NDArray[np.float64]
FAR = 2.0**53  # as in runtime/encode.py
FAR32 = np.float32(2.0**40)  # as in runtime/reference/akida.py


@compiled
def feed(op: Any, row: int, frame: int, tables: Tables, codes: Ints, narrow: Bytes, counts: Ints) -> None:
    """Codes [element] that fit, in the order of the layer's frame, to a stream whose memory begins at `row`."""
    start = row + op.to_origin + slot(frame, op.to_slots, op.to_slot)
    zeros = 0
    for p in range(op.pixels):
        place = start + tables.offsets[op.places_at + p]
        for c in range(op.channels):
            code = codes[p * op.channels + c]
            zeros += code == 0
            narrow[place + c] = code + op.to_zero
    counts[ZEROS] += zeros


@compiled
def encode(
    op: Any,
    row: int,
    frame: int,
    tables: Tables,
    values: Values,
    scale: float,
    zero_point: int,
    steps: Steps,
    codes: Bytes,
    narrow: Bytes,
    counts: Ints,
) -> int:
    """clip(round_half_even(x / scale) + zero_point) of values [element], as `feed`; how many the clip changed.

    codes: room for as many bytes as there are values.
    """
    bottom, top, zero = op.bottom, op.top, op.to_zero
    clipped, zeros = 0, 0
    for i in range(len(values)):
        quotient = min(max(np.float64(values[i]) / scale, -FAR), FAR)
        exact = np.int64(np.rint(quotient)) + zero_point
        code = min(max(exact, bottom), top)
        clipped += code != exact
        zeros += code == 0
        codes[i] = code + zero
    counts[ZEROS] += zeros
    start = row + op.to_origin + slot(frame, op.to_slots, op.to_slot)
    along_x, along_y, along_c = steps
    rows, pitch = op.to_x, op.to_pitch
    for x in range(rows):
        for c in range(op.channels):
            place = np.uint64(start + tables.offsets[op.places_at + x * op.to_y] + c)
            at = np.uint64(x * along_x + c * along_c)
            for y in range(np.uint64(op.to_y)):
                narrow[place + y * np.uint64(pitch)] = codes[at + y * np.uint64(along_y)]
    return clipped


@compiled
def quantize(
    op: Any, row: int, frame: int, tables: Tables, values: NDArray[np.float32], narrow: Bytes, counts: Ints
) -> None:
    """A Quantizer: float32 values [element], in the order of the layer's frame, to their codes."""
    start = row + op.to_origin + slot(frame, op.to_slots, op.to_slot)
    for p in range(op.pixels):
        place = start + tables.offsets[op.places_at + p]
        for c in range(op.channels):
            product = np.float32(values[p * op.channels + c] * tables.floats[op.floats_at + c])
            near = np.float64(min(max(product, -FAR32), FAR32))
            whole = np.trunc(near)
            # Ties away from 0; the fraction is exact.
            code = np.int64(whole + np.copysign(np.float64(abs(near - whole) >= 0.5), near))
            code += tables.integers[op.integers_at + c]
            result = min(max(code, op.bottom), op.top)
            counts[OUTPUT] += result != code
            counts[ZEROS] += result == 0
            narrow[place + c] = result + op.to_zero

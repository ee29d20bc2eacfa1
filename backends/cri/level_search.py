"""How far the levels of an activation reach, by what they make of a layer's own result on calibration samples."""

from __future__ import annotations

import numpy as np

from ...compiler.ir.ops.base import Array
from ...runtime import arith

FRACTIONS = np.linspace(0.5, 1.25, 31)
SHIFTS = np.linspace(-0.25, 0.25, 9)
ELEMENTS = 1 << 19
MANTISSA = 24


def search_levels(found: Array, wanted: Array, reach: Array, levels: int) -> tuple[Array, Array]:
    """(range, shift of the bias) per channel with the least squared error of the levels.

    found   what the layer gives, (samples, channels, …); wanted: the activation that it should be; reach: ranges to
            start from, (channels)
    """
    stride = max(1, found.size // ELEMENTS)
    x, y = (np.moveaxis(array[::stride], 1, 0).reshape(array.shape[1], -1) for array in (found, wanted))
    best, shift = reach, np.zeros(len(reach))
    best = _least(x, y, [(reach * f, shift) for f in FRACTIONS], levels)[0]
    _, shift = _least(x, y, [(best, best / levels * s) for s in sorted(SHIFTS, key=abs)], levels)
    return _least(x, y, [(best * f, shift) for f in np.linspace(0.95, 1.05, 5)], levels)


def _least(x: Array, y: Array, tried: list[tuple[Array, Array]], levels: int) -> tuple[Array, Array]:
    """Per channel the (range, shift) with the least error; the first of equals."""
    least, result = np.full(len(x), np.inf), tried[0]
    for reach, shift in tried:
        step = (reach / levels)[:, None]
        level = np.clip(np.floor((x + shift[:, None]) / step + 0.5), 0, levels)
        error = arith.round_mantissa(((level * step - y) ** 2).sum(axis=1), MANTISSA)
        better = error < least
        least = np.where(better, error, least)
        result = np.where(better, reach, result[0]), np.where(better, shift, result[1])
    return result

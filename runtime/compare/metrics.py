"""How close integers, times a scale, are to the float numbers that they stand for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arith import Floats

BEST = 200.0
# A channel gets a scale of its own where it has so many values that one scale cannot bend to them.
ENOUGH = 16


@dataclass(frozen=True)
class Closeness:
    """What lies between wanted numbers y and found numbers ŷ.

    sqnr_db    10 · log10(Σ y² / Σ (y − ŷ)²), kept within ±200; equal numbers have 200
    cosine     Σ y·ŷ / √(Σ y² · Σ ŷ²); 1 where both are all zeros, 0 where one is
    max_error  largest |y − ŷ|; peak: largest |y|
    """

    sqnr_db: float
    cosine: float
    max_error: float
    peak: float


def closeness(wanted: ArrayLike, found: ArrayLike) -> Closeness:
    """The closeness of two arrays of one shape."""
    y, z = np.asarray(wanted, np.float64), np.asarray(found, np.float64)
    error = y - z
    signal, other, noise = (float(np.square(array).sum()) for array in (y, z, error))
    ratio = BEST if noise == 0 else -BEST if signal == 0 else 10 * math.log10(signal / noise)
    both = math.sqrt(signal) * math.sqrt(other)
    cosine = float((y * z).sum()) / both if both else float(signal == other)
    largest = (float(np.abs(array).max(initial=0.0)) for array in (error, y))
    return Closeness(min(max(ratio, -BEST), BEST), cosine, *largest)


def fitted_scale(wanted: ArrayLike, integers: ArrayLike, axis: int) -> tuple[Floats, bool]:
    """The scale s of each channel along `axis` for which Σ (y − s·n)² is least, as an array that broadcasts, and
    whether there is one for each channel. With fewer than 16 values a channel, all channels share one."""
    y, n = np.asarray(wanted, np.float64), np.asarray(integers, np.float64)
    each = y.size >= ENOUGH * y.shape[axis]
    axes = tuple(i for i in range(y.ndim) if i != axis % y.ndim) if each else tuple(range(y.ndim))
    powers = np.square(n).sum(axis=axes, keepdims=True)
    return (y * n).sum(axis=axes, keepdims=True) / np.where(powers > 0, powers, 1.0), each

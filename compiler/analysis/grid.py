"""Weights that are whole numbers times one real number, as those of a quantized model are."""

from __future__ import annotations

import numpy as np

from ..ir.ops.base import Array

# Relative to a weight: what rounding it to float32, and scaling it by a folded batch norm, leaves open.
NOISE = 2.0**-22
PROBES = 24
BLOCK = 1 << 22


def weight_units(rows: Array, most: int = 127) -> Array:
    """For each column of weights (R, F) the largest unit of which all are multiples by at most `most` (or −most − 1).

    NaN where there is none, and for a column of zeros.
    """
    magnitudes = np.abs(np.asarray(rows, np.float64)).reshape(len(rows), -1)
    found = np.full(magnitudes.shape[1], np.nan)
    size = max(1, BLOCK // max(len(magnitudes), 1))
    for start in range(0, magnitudes.shape[1], size):
        part = slice(start, start + size)
        found[part] = _units(magnitudes[:, part], np.asarray(rows)[:, part], most)
    return found


def _units(magnitudes: Array, rows: Array, most: int) -> Array:
    peaks = magnitudes.max(axis=0, initial=0.0)
    lowest = -rows.min(axis=0, initial=0.0) >= peaks  # is the weight of largest magnitude negative?
    found = np.full(len(peaks), np.nan)
    probes = magnitudes[:: max(1, len(magnitudes) // PROBES)]
    for k in range(1, most + 2):
        left = np.flatnonzero(np.isnan(found) & (peaks > 0) & (lowest | (k <= most)))
        unit = peaks[left] / k
        for some in (probes, magnitudes):
            fits = _are_multiples(some[:, left], unit)
            left, unit = left[fits], unit[fits]
        found[left] = unit
    return found


def _are_multiples(magnitudes: Array, unit: Array) -> Array:
    """Columns that are multiples of their unit, up to noise."""
    quotient = magnitudes / unit
    return np.asarray((np.abs(quotient - np.rint(quotient)) <= NOISE * quotient).all(axis=0))

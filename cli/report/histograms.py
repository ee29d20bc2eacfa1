"""Histograms of integers and of floats, ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.arith import Ints

BINS = 48

Array = np.ndarray[Any, np.dtype[Any]]
Facts = dict[str, Any]


def of_integers(values: Ints, low: int, high: int, counts: Ints | None = None) -> Facts:
    """Integers within low … high in at most 48 bins of like width; `counts` says how often each of `values` occurs.

    {"low", "high", "bins": [count, …], "values", "least", "largest"}; the last two are None where there are no values.
    """
    flat = np.asarray(values, np.int64).ravel()
    span = high - low + 1
    bins = min(span, BINS)
    place = (flat - low) * bins // span
    made = np.bincount(place, minlength=bins)
    if counts is not None:
        made = np.zeros(bins, np.int64)
        np.add.at(made, place, counts)
    least, largest = (int(flat.min()), int(flat.max())) if flat.size else (None, None)
    whole = {"low": low, "high": high, "bins": made.tolist(), "values": int(made.sum())}
    return {**whole, "least": least, "largest": largest}


def of_floats(values: Array) -> Facts:
    """As `of_integers`, from the least to the largest value; what is not finite is counted apart, as `not_finite`."""
    flat = np.asarray(values, np.float64).ravel()
    finite = flat[np.isfinite(flat)]
    least, largest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    place = (finite - least) / (largest - least) * BINS if largest > least else np.zeros(len(finite))
    bins = np.bincount(np.minimum(place.astype(np.int64), BINS - 1), minlength=BINS)
    facts = {"low": least, "high": largest, "bins": bins.tolist(), "values": len(finite)}
    return {**facts, "least": least, "largest": largest, "not_finite": len(flat) - len(finite)}

"""Ranges by relative entropy: how much of the distribution of the values is lost by clipping and rounding it.

For a histogram of bins and a number of them that the range covers, P is the histogram up to there with everything
beyond in its last bin, and Q is what is left of the covered bins when they are merged into as many groups as there are
levels and spread over the bins of the group again that are not empty. The range with the least Σ P log(P / Q) is taken
(Migacz, "8-bit inference with TensorRT", 2017).
"""

from __future__ import annotations

import numpy as np

from ...runtime import arith
from ..ir.ops.base import Array

EMPTY = 1e-4  # share of one count that stands for none in Q
MANTISSA = 20


def kl_shares(counts: Array, levels: int, shares: Array) -> Array:
    """The share of its bins that each histogram's range is to cover: (C) for counts (C, bins), out of `shares`,
    ascending; of equally good ones the largest."""
    bins = counts.shape[1]
    best, least = np.ones(len(counts)), np.full(len(counts), np.inf)
    for share in shares[::-1]:
        lost = arith.round_mantissa(_divergence(counts, max(1, round(share * bins)), levels), MANTISSA)
        best, least = np.where(lost < least, share, best), np.minimum(lost, least)
    return best


def _divergence(counts: Array, covered: int, levels: int) -> Array:
    """Σ P log(P / Q) for a range of so many bins, (C); 0 for a histogram without counts."""
    inside = counts[:, :covered].astype(np.float64)
    wanted = inside.copy()
    wanted[:, -1] += counts[:, covered:].sum(axis=1)
    group = np.arange(covered) * min(levels, covered) // covered
    firsts = np.flatnonzero(np.diff(group, prepend=-1))
    total = np.add.reduceat(inside, firsts, axis=1)
    filled = np.add.reduceat((inside > 0).astype(np.float64), firsts, axis=1)
    merged = np.where(inside > 0, (total / np.maximum(filled, 1))[:, group], 0.0)
    merged = np.maximum(merged, EMPTY)
    p = wanted / np.maximum(wanted.sum(axis=1, keepdims=True), 1)
    q = merged / merged.sum(axis=1, keepdims=True)
    return (p * np.log(np.where(p > 0, p, 1.0) / q)).sum(axis=1)

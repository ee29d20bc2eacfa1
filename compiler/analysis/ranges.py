"""How far activations reach, from calibration samples: the ranges that quantization spreads its levels over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...runtime import arith
from ..ir import Graph, observe
from ..ir.ops.base import Array
from .entropy import kl_shares

METHODS = ("minmax", "percentile", "mse", "kl")
BINS = 2048
FRACTIONS = np.linspace(0.2, 1.0, 81)
# Statistics keep fewer bits than float64 holds, so that the order of a BLAS's additions cannot reach an integer.
MANTISSA = 32


@dataclass
class Extent:
    """Smallest and largest value per channel (axis C where there is one, else position 1), shape (C)."""

    low: Array
    high: Array


def by_channel(array: Array, channel: int | None) -> Array:
    """The array as (C, everything else), with statistics' precision; without a channel axis C is 1."""
    if channel is None:
        return arith.round_mantissa(array.reshape(1, -1), MANTISSA)
    return arith.round_mantissa(np.moveaxis(array, channel, 0).reshape(array.shape[channel], -1), MANTISSA)


def extents(graph: Graph, samples: Mapping[str, Array], channels: Mapping[str, int | None]) -> dict[str, Extent]:
    """Extents of the values named in `channels` (name → position of the channel axis, None: of the whole) over all
    samples."""
    found: dict[str, Extent] = {}

    def visit(name: str, array: Array) -> None:
        if name not in channels:
            return
        flat = by_channel(array, channels[name])
        low, high = flat.min(axis=1), flat.max(axis=1)
        if name in found:
            low, high = np.minimum(low, found[name].low), np.maximum(high, found[name].high)
        found[name] = Extent(low, high)

    observe(graph, samples, visit)
    return found


def histograms(
    graph: Graph, samples: Mapping[str, Array], channels: Mapping[str, int | None], highs: Mapping[str, Array]
) -> dict[str, Array]:
    """Counts of the positive values in BINS equal bins over (0, high], per channel: shape (C, BINS)."""
    counts = {name: np.zeros((len(highs[name]), BINS), np.int64) for name in channels}

    def visit(name: str, array: Array) -> None:
        if name not in channels:
            return
        flat = by_channel(array, channels[name])
        high = np.where(highs[name] > 0, highs[name], 1.0)[:, None]
        index = np.clip(np.ceil(flat / high * BINS).astype(np.int64) - 1, 0, BINS - 1)
        index += np.arange(len(flat))[:, None] * BINS
        counts[name] += np.bincount(index[flat > 0], minlength=counts[name].size).reshape(counts[name].shape)

    observe(graph, samples, visit)
    return counts


def percentile_fraction(counts: Array, percent: float) -> Array:
    """Fraction of `high` below which `percent` of the positive values lie, per channel."""
    total = np.cumsum(counts, axis=1)
    reached = total >= np.maximum(1, np.ceil(total[:, -1:] * percent / 100))
    return (np.argmax(reached, axis=1) + 1) / BINS


def mse_fraction(counts: Array, levels: int) -> Array:
    """Fraction of `high` with the least mean squared error of clip(round(x / step), 0, levels) · step, per channel."""
    centers = (np.arange(BINS) + 0.5) / BINS
    best, error = np.ones(len(counts)), np.full(len(counts), np.inf)
    for fraction in FRACTIONS[::-1]:
        step = fraction / levels
        rounded = np.minimum(np.floor(centers / step + 0.5), levels) * step
        squared = (counts * (centers - rounded) ** 2).sum(axis=1)
        better = squared < error * (1 - 1e-9)
        best, error = np.where(better, fraction, best), np.where(better, squared, error)
    return best


def fraction(counts: Array, method: str, levels: int, percent: float) -> Array:
    """Fraction of `high` that a method other than minmax takes, per channel."""
    if method == "kl":
        return kl_shares(counts, levels, FRACTIONS)
    return mse_fraction(counts, levels) if method == "mse" else percentile_fraction(counts, percent)


def activation_ranges(
    graph: Graph,
    samples: Mapping[str, Array],
    channels: Mapping[str, int | None],
    method: str,
    levels: int,
    percent: float = 99.9,
) -> dict[str, Array]:
    """The value that the highest of `levels` levels stands for, per channel, for non-negative values.

    A channel that is 0 on all samples gets the largest range of its tensor (1 if all are 0).
    """
    highs = {name: extent.high for name, extent in extents(graph, samples, channels).items()}
    result: dict[str, Array] = dict(highs)
    if method != "minmax":
        for name, counts in histograms(graph, samples, channels, highs).items():
            share = fraction(counts, method, levels, percent)
            result[name] = arith.round_mantissa(highs[name] * share, 24)
    for name, values in result.items():
        spare = values.max(initial=0.0) or 1.0
        result[name] = np.where(values > 0, values, spare)
    return result

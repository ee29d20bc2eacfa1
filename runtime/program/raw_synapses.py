"""Synapse lists as users write them, read the way the vendor's simulator reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .cri import IntArray, Table, source_blocks
from .diagnostics import bad_file


@dataclass(frozen=True)
class ReadSynapses:
    """A table, and how many entries of the raw lists it does not hold as written."""

    table: Table
    clamped: int
    truncated: int
    replaced: int


def read_synapses(indptr: ArrayLike, target: ArrayLike, weight: ArrayLike) -> ReadSynapses:
    """Raw lists to a table: source s has the entries indptr[s] to indptr[s+1], in the order they were given.

    Weights pass through float32, lose their fraction (towards 0) and are clamped to int16; of several entries with the
    same source and target the last one counts. The result lists each source's targets in ascending order; weights of
    0 stay. NMC-F013 where a weight is NaN or infinite.
    """
    bounds, posts, given = np.asarray(indptr, np.int64), np.asarray(target, np.int32), np.asarray(weight)
    if bounds[0] != 0 or np.any(np.diff(bounds) < 0) or not bounds[-1] == len(posts) == len(given):
        raise ValueError("indptr, target and weight do not fit together")
    if not np.all(np.isfinite(given)):
        raise bad_file("NMC-F013", "a synapse weight is NaN or infinite", hint="give finite weights")
    count = np.zeros(len(bounds) - 1, np.int64)
    targets, weights = [np.zeros(0, np.int32)], [np.zeros(0, np.int16)]
    clamped = truncated = 0
    for low, high in source_blocks(bounds):
        part = slice(bounds[low], bounds[high])
        whole = np.trunc(given[part].astype(np.float32))
        inside = np.clip(whole, -(2**15), 2**15 - 1)
        clamped += int(np.count_nonzero(inside != whole))
        truncated += int(np.count_nonzero(whole != given[part]))
        source = np.repeat(np.arange(high - low), np.diff(bounds[low : high + 1]))
        last = _last_of_each(source, posts[part])
        count[low:high] = np.bincount(source[last], minlength=high - low)
        targets.append(posts[part][last])
        weights.append(inside[last].astype(np.int16))
    table = Table(np.append(0, np.cumsum(count)), np.concatenate(targets), np.concatenate(weights))
    return ReadSynapses(table, clamped, truncated, replaced=len(posts) - table.synapses)


def _last_of_each(source: IntArray, target: NDArray[np.int32]) -> IntArray:
    """Positions of the entries that count, by source, then target: of equal pairs the one given last."""
    order = np.lexsort((target, source))  # stable: entries with equal keys stay in the order they were given
    new = (np.diff(source[order]) != 0) | (np.diff(target[order]) != 0)
    return order[np.append(new, True)[: len(order)]]

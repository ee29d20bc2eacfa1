"""Synapse lists as users write them, read the way the vendor's simulator reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .cri import Table
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
    bounds = np.asarray(indptr, np.int64)
    given = np.asarray(weight)
    if not np.all(np.isfinite(given)):
        raise bad_file("NMC-F013", "a synapse weight is NaN or infinite", hint="give finite weights")
    whole = np.trunc(given.astype(np.float32))
    clamped = np.clip(whole, -(2**15), 2**15 - 1)
    source = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    posts = np.asarray(target, np.int32)
    order = np.lexsort((posts, source))  # stable: entries with equal keys stay in the order they were given
    source, posts = source[order], posts[order]
    last = np.append((np.diff(source) != 0) | (np.diff(posts) != 0), True)[: len(order)]
    counts = np.bincount(source[last], minlength=len(bounds) - 1)
    table = Table(np.append(0, np.cumsum(counts)), posts[last], clamped[order][last].astype(np.int16))
    return ReadSynapses(
        table,
        clamped=int(np.count_nonzero(clamped != whole)),
        truncated=int(np.count_nonzero(whole != given)),
        replaced=len(order) - table.synapses,
    )

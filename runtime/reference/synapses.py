"""The input sum of one timestep: a scatter over the synapses of the sources that are active."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arith import Ints
from ..program.cri import Table
from .neuron import Bools

CHUNK = 1 << 18  # synapses handled at once: their index arrays stay in the cache, and memory stays bounded


def add_input(sums: Ints, table: Table, active: Bools) -> int:
    """sums[b, n] += weights of the synapses to n whose source is active in sample b; returns how many those were.

    sums int64 [B, n], C order, changed in place; active bool [B, sources]. Duplicate synapses all count.
    """
    if sums.shape[1] == 0:
        return 0
    neurons, flat = sums.shape[1], sums.reshape(-1)
    events = 0
    for sample, first, degree in _runs(table, active):
        # Synapse numbers of all runs in a row: each run's first number, then counting up within the run.
        start = np.repeat(first - (np.cumsum(degree) - degree), degree)
        synapse = start + np.arange(len(start))
        place = np.repeat(sample * neurons, degree) + table.target[synapse]
        np.add.at(flat, place, table.weight[synapse].astype(np.int64))
        events += len(synapse)
    return events


def _runs(table: Table, active: Bools) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(sample, first synapse, number of synapses) of each active source, in pieces of about CHUNK synapses."""
    sample, source = np.nonzero(active)
    first = table.indptr[source]
    degree = table.indptr[source + 1] - first
    stop = np.cumsum(degree)
    low = 0
    while low < len(source):
        done = stop[low - 1] if low else 0
        high = max(low + 1, int(np.searchsorted(stop, done + CHUNK, side="right")))
        yield sample[low:high], first[low:high], degree[low:high]
        low = high

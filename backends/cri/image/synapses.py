"""Synapse rows: which entries a source has, how many row pairs they take, and the words themselves.

A target's column is its slot mod 16, and an entry must stand in its target's column: a source takes as many pairs of
rows as it has targets in its fullest column, one more if it reports spikes and all columns are equally full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.cri import IntArray, Table, source_blocks
from ....runtime.program.cri_image import COLUMNS, SPIKE, TARGET_ROW_SHIFT, Words, word_of_column

INT16 = 2**15 - 1
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Entries:
    """The entries of sources low … high−1, by source: source (from `low`), slot of the target, weight other than 0."""

    low: int
    high: int
    source: IntArray
    slot: IntArray
    weight: IntArray

    @property
    def counts(self) -> IntArray:
        """Entries per source and column."""
        key = self.source * COLUMNS + self.slot % COLUMNS
        return np.bincount(key, minlength=(self.high - self.low) * COLUMNS).reshape(-1, COLUMNS)


def entries(table: Table, slot: IntArray) -> Iterator[Entries]:
    """What has to be stored of a table, in blocks of sources; `slot` is the slot of each neuron.

    Weights of 0 are left out. The hardware adds up repeated synapses, so they become one, or as many as it takes
    where the sum exceeds int16.
    """
    for low, high in source_blocks(table.indptr):
        part = slice(table.indptr[low], table.indptr[high])
        source = np.repeat(np.arange(high - low), np.diff(table.indptr[low : high + 1]))
        target, weight = table.target[part], table.weight[part].astype(np.int64)
        again = np.any((target[1:] <= target[:-1]) & (source[1:] == source[:-1]))
        place = slot[target]
        if again:
            source, place, weight = _merged(source, place, weight, len(slot))
        elif not weight.all():
            source, place, weight = source[weight != 0], place[weight != 0], weight[weight != 0]
        yield Entries(low, high, source, place, weight)


def _merged(source: IntArray, slot: IntArray, weight: IntArray, slots: int) -> tuple[IntArray, IntArray, IntArray]:
    """Sums of the weights by source and slot, each sum as entries within int16."""
    extent = max(slots, int(slot.max(initial=0)) + 1)
    key, order = _sorted(source * extent + slot)
    first = np.flatnonzero(np.diff(key, prepend=-1))
    key, total = key[first], np.add.reduceat(weight[order], first)
    need = np.where(total > 0, -(-total // INT16), -(total // (INT16 + 1)))
    part = np.repeat(np.arange(len(key)), need)
    nth = np.arange(len(part)) - np.repeat(np.cumsum(need) - need, need)
    whole = np.where(total > 0, INT16, -INT16 - 1)
    last = total - whole * (need - 1)
    return key[part] // extent, key[part] % extent, np.where(nth < need[part] - 1, whole[part], last[part])


def _sorted(key: IntArray) -> tuple[IntArray, IntArray]:
    """Numbers from 0 on in ascending order, and the place of each before; equal ones keep their order.

    Sorting numbers that carry their own place is several times faster than a stable argsort.
    """
    bits = len(key).bit_length()
    both = np.sort(key << bits | np.arange(len(key)))
    return both >> bits, both & ((1 << bits) - 1)


def pair_counts(table: Table, slot: IntArray, reports: Bools) -> IntArray:
    """Row pairs of each source, int64 [sources]; 0 for one that has nothing to store. `reports`: bool [sources]."""
    result = np.zeros(table.sources, np.int64)
    for block in entries(table, slot):
        counts, here = block.counts, slice(block.low, block.high)
        pairs = counts.max(axis=1)
        result[here] = pairs + (reports[here] & (counts.min(axis=1) == pairs))
    return result


def fill(words: Words, table: Table, slot: IntArray, first: IntArray, pairs: IntArray) -> None:
    """Write the synapses of every source s to words[first[s] : first[s] + pairs[s]] (uint32 [all pairs, 16])."""
    flat = words.reshape(-1)
    for block in entries(table, slot):
        key = block.source * COLUMNS + block.slot % COLUMNS
        counts = block.counts.reshape(-1)
        rank = np.empty(len(key), np.int64)
        rank[_sorted(key)[1]] = np.arange(len(key)) - np.repeat(np.cumsum(counts) - counts, counts)
        pair = first[block.low : block.high][block.source] + rank
        entry = (block.slot // COLUMNS << TARGET_ROW_SHIFT) | (block.weight & 0xFFFF)
        flat[pair * COLUMNS + word_of_column(block.slot % COLUMNS)] = entry


def fill_spikes(words: Words, slot: IntArray, first: IntArray, pairs: IntArray, reports: Bools) -> None:
    """Write the spike entry of every neuron that reports: into the first free place of a column that has one.

    Neurons next to each other use different columns, and so different queues to the host.
    """
    for neuron in np.flatnonzero(reports).tolist():
        own = words[first[neuron] : first[neuron] + pairs[neuron]]
        column = (slot[neuron] + np.arange(COLUMNS)) % COLUMNS
        free = own[-1, word_of_column(column)] == 0  # a column is filled from its first row on
        word = int(word_of_column(column)[free.argmax()])
        own[int((own[:, word] == 0).argmax()), word] = SPIKE | int(slot[neuron])

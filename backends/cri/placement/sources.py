"""Which sources reach each neuron, sources that reach the same neurons taken together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.cri import CriProgram, IntArray, Table, source_blocks
from .types import COLUMNS

Indices = NDArray[np.int32]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Lists:
    """List i is items[indptr[i]:indptr[i+1]]."""

    indptr: IntArray
    items: Indices

    def __getitem__(self, i: int) -> Indices:
        return self.items[self.indptr[i] : self.indptr[i + 1]]

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.indptr)


@dataclass(frozen=True)
class Sources:
    """Sources in classes: all axons, or all neurons, with the same targets and, or without, a spike entry.

    A layer without weights of 0 has one class for each position of its input. Sources without targets are in no class.

    targets  the neurons that each class reaches
    reached  the classes that reach each neuron, in ascending order
    count    int64 [classes], how many sources a class holds
    least    int64 [classes], pairs of rows that each of them takes at least
    """

    targets: Lists
    reached: Lists
    count: IntArray
    least: IntArray

    @property
    def classes(self) -> int:
        return len(self.count)


def scrambled(count: int, seed: int) -> Words:
    """`count` different 64-bit words without visible order, the same on every machine.

    The mixer is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
    """
    word = (np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 40)) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor)
    return word ^ (word >> np.uint64(31))


def least_pairs(entries: IntArray) -> IntArray:
    """Pairs of rows that sources with so many entries take at least; of one without any the core reads one pair."""
    return np.maximum(-(-entries // COLUMNS), 1)


def collect(program: CriProgram) -> Sources:
    """The sources of a program. Synapses of weight 0 do not count, repeated ones count once.

    Sets of targets are told apart by 64-bit sums. Different sets that happen to have equal sums would be balanced as
    if they were one, which costs rows at worst.
    """
    neurons = len(program.neuron_model)
    spikes = np.zeros(neurons, np.int64)
    for readout in program.readouts:
        spikes[readout.neuron] = 1
    axons = _classes(program.axons, np.zeros(program.axons.sources, np.int64), neurons)
    others = _classes(program.neurons, spikes, neurons)
    targets = _joined(axons.targets, others.targets)
    reached = transposed(targets, neurons)
    entries = np.bincount(reached.items, minlength=len(targets.lengths))
    entries += np.concatenate([axons.spikes, others.spikes])
    return Sources(targets, reached, np.concatenate([axons.count, others.count]), least_pairs(entries))


def transposed(lists: Lists, count: int) -> Lists:
    """`count` lists: list i holds the numbers of the lists that hold i, in ascending order, each once."""
    lengths = lists.lengths
    bits = len(lengths).bit_length()
    keys = np.empty(len(lists.items), np.int64)
    for low, high in source_blocks(lists.indptr):
        part = slice(lists.indptr[low], lists.indptr[high])
        number = np.repeat(np.arange(low, high), lengths[low:high])
        keys[part] = (lists.items[part].astype(np.int64) << bits) | number
    keys.sort()
    again = keys[1:] == keys[:-1]
    if again.any():
        keys = keys[np.append(True, ~again)]
    indptr = np.searchsorted(keys, np.arange(count + 1) << bits)
    keys &= (1 << bits) - 1
    return Lists(indptr, keys.astype(np.int32))


@dataclass(frozen=True)
class _Classes:
    """The classes of one table: their targets, how many sources and how many spike entries they have."""

    targets: Lists
    count: IntArray
    spikes: IntArray


def _classes(table: Table, spikes: IntArray, neurons: int) -> _Classes:
    words, total = scrambled(neurons, 0), np.zeros(table.sources, np.uint64)
    lengths = np.zeros(table.sources, np.int64)
    for low, high in source_blocks(table.indptr):
        part = slice(table.indptr[low], table.indptr[high])
        counts, at = table.weight[part] != 0, table.indptr[low : high + 1] - table.indptr[low]
        total[low:high] = _sums(words[table.target[part]] * counts, at)
        lengths[low:high] = _sums(counts.astype(np.uint64), at)
    used = np.flatnonzero(lengths)
    total += spikes.astype(np.uint64)
    _, first, count = np.unique(total[used], return_index=True, return_counts=True)
    order = np.argsort(first)
    chosen = used[first[order]]
    inside = np.zeros(table.sources, np.bool_)
    inside[chosen] = True
    items = [np.zeros(0, np.int32)]
    for low, high in source_blocks(table.indptr):
        part = slice(table.indptr[low], table.indptr[high])
        counts = np.repeat(inside[low:high], np.diff(table.indptr[low : high + 1])) & (table.weight[part] != 0)
        items.append(table.target[part][counts])
    targets = Lists(np.append(0, np.cumsum(lengths[chosen])), np.concatenate(items))
    return _Classes(targets, count[order], spikes[chosen])


def _sums(values: Words, indptr: IntArray) -> Words:
    """The sum over each list, modulo 2^64."""
    running = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=running[1:])
    return running[indptr[1:]] - running[indptr[:-1]]


def _joined(a: Lists, b: Lists) -> Lists:
    return Lists(np.append(a.indptr, b.indptr[1:] + a.indptr[-1]), np.concatenate([a.items, b.items]))

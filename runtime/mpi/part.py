"""What one rank has of a CRI program: its neurons, and all synapses that lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..program.cri import CriProgram, IntArray, Table, source_blocks

Owner = NDArray[np.int32]


@dataclass(frozen=True)
class Tables:
    """The synapses that lead to the neurons of a rank: those from axons, `Part.heard` and then `Part.ghosts`, and those
    among the neurons. They are apart from the `Part`, since an engine may need them only to begin with."""

    axons: Table
    neurons: Table


@dataclass(frozen=True)
class Part:
    """Who is in one rank, and whom it talks to. Its neurons are numbered anew, in the order of the program.

    own      int64 [k], which neurons of the program they are
    heard    int64 [a], axons of the program that have synapses to them, and what else belongs to the same elements of
             inputs, ascending
    ghosts   int64 [g], neurons of other ranks that have synapses to them, ascending
    sends    by rank: which own neurons have synapses to neurons of that rank, int64, ascending
    hears    by rank: which ghosts are neurons of that rank, int64, ascending. The neurons that a rank's `sends` has
             for another are those that the other's `hears` has for it, in the same order
    """

    own: IntArray
    heard: IntArray
    ghosts: IntArray
    sends: dict[int, IntArray]
    hears: dict[int, IntArray]


def part_of(program: CriProgram, owner: Owner, rank: int) -> tuple[Part, Tables]:
    """The part of a rank and its synapses; `owner` is the rank of each neuron, int32 [n]."""
    own = np.flatnonzero(owner == rank)
    local = np.full(len(owner), -1, np.int32)
    local[own] = np.arange(len(own))
    axons, inside, outside = _Rows(), _Rows(), _Rows()
    for block in _blocks(program.axons, local):
        axons.add(block)
    for block in _blocks(program.neurons, local):
        mine = local[block.source] >= 0
        inside.add(block.chosen(mine))
        outside.add(block.chosen(~mine))
    reached = [np.unique((source << 32) + owner[target]) for source, target in _leaving(program.neurons, local)]
    pairs = np.unique(np.concatenate([np.zeros(0, np.int64), *reached]))
    ghosts, heard = outside.sources, _whole_elements(program, axons.sources)
    part = Part(
        own=own,
        heard=heard,
        ghosts=ghosts,
        sends=_by_rank(pairs & 0xFFFFFFFF, pairs >> 32),
        hears=_by_rank(owner[ghosts], np.arange(len(ghosts))),
    )
    return part, Tables(_joined(axons.table(heard), outside.table(ghosts)), inside.table(own))


@dataclass(frozen=True)
class _Block:
    """Synapses of some sources: their numbers in the program, ascending, targets as numbered here, weights."""

    source: IntArray
    target: NDArray[np.int32]
    weight: NDArray[np.int16]

    def chosen(self, which: NDArray[np.bool_]) -> _Block:
        return _Block(self.source[which], self.target[which], self.weight[which])


class _Rows:
    """Synapses block by block, and how many each source has."""

    def __init__(self) -> None:
        self._source: list[IntArray] = [np.zeros(0, np.int64)]
        self._degree: list[IntArray] = [np.zeros(0, np.int64)]
        self._target: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
        self._weight: list[NDArray[np.int16]] = [np.zeros(0, np.int16)]

    def add(self, block: _Block) -> None:
        source, degree = np.unique(block.source, return_counts=True)
        self._source.append(source)
        self._degree.append(degree)
        self._target.append(block.target)
        self._weight.append(block.weight)

    @property
    def sources(self) -> IntArray:
        """Those that have a synapse."""
        return np.concatenate(self._source)

    def table(self, sources: IntArray) -> Table:
        """With a row for each of these, ascending; all that have a synapse are among them."""
        degree = np.zeros(len(sources), np.int64)
        degree[np.searchsorted(sources, self.sources)] = np.concatenate(self._degree)
        indptr = np.append(0, np.cumsum(degree))
        return Table(indptr, np.concatenate(self._target), np.concatenate(self._weight))


def _blocks(table: Table, local: NDArray[np.int32]) -> Iterator[_Block]:
    """The synapses to own neurons, in blocks of whole sources."""
    for low, high in source_blocks(table.indptr):
        first, stop = int(table.indptr[low]), int(table.indptr[high])
        target = local[table.target[first:stop]]
        kept = np.flatnonzero(target >= 0)
        source = np.searchsorted(table.indptr[low : high + 1], first + kept, side="right") - 1 + low
        yield _Block(source, target[kept], table.weight[first:stop][kept])


def _leaving(table: Table, local: NDArray[np.int32]) -> Iterator[tuple[IntArray, NDArray[np.int32]]]:
    """(own neuron, neuron of the program) for each synapse that leads to another rank, in blocks."""
    for low, high in source_blocks(table.indptr):
        own = low + np.flatnonzero(local[low:high] >= 0)
        degree = table.indptr[own + 1] - table.indptr[own]
        source = np.repeat(own, degree)
        start = np.repeat(table.indptr[own] - (np.cumsum(degree) - degree), degree)
        target = table.target[start + np.arange(len(start))]
        away = local[target] < 0
        yield local[source[away]].astype(np.int64), target[away]


def _whole_elements(program: CriProgram, axons: IntArray) -> IntArray:
    """These axons, and those of the other bits of the same input elements."""
    used, before = np.zeros(program.axons.sources, np.bool_), -1
    used[axons] = True
    while np.count_nonzero(used) != before:  # again where inputs share axons
        before = np.count_nonzero(used)
        for entry in program.inputs:
            bits = used[entry.first : entry.first + entry.axons].reshape(-1, entry.bits)
            bits |= bits.any(axis=1, keepdims=True)
    return np.flatnonzero(used)


def _by_rank(rank: NDArray[np.integer], numbers: IntArray) -> dict[int, IntArray]:
    """The numbers of each rank that has any, in their order."""
    return {int(one): numbers[rank == one] for one in np.unique(rank)}


def _joined(above: Table, below: Table) -> Table:
    """One table with the rows of both."""
    return Table(
        np.append(above.indptr, above.indptr[-1] + below.indptr[1:]),
        np.concatenate([above.target, below.target]),
        np.concatenate([above.weight, below.weight]),
    )

"""The synapses of a table dealt out to cores: by the core of their targets, then by source and by how late they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.cri import IntArray, Table, source_blocks
from .synapses import synapse_blocks


@dataclass(frozen=True)
class Piece:
    """The synapses of one core, in groups by (source, late): group i has synapses indptr[i] … indptr[i+1] − 1. Sources
    ascend, and within a source `late`; targets are numbers on the core."""

    source: IntArray
    late: IntArray
    indptr: IntArray
    target: NDArray[np.int32]
    weight: NDArray[np.int16]

    def chosen(self, groups: NDArray[np.bool_]) -> Piece:
        """The groups for which `groups`, bool [groups], holds."""
        degree = np.diff(self.indptr)
        here = np.repeat(groups, degree)
        indptr = np.append(0, np.cumsum(degree[groups]))
        return Piece(self.source[groups], self.late[groups], indptr, self.target[here], self.weight[here])

    def table(self, number: IntArray, sources: int) -> Table:
        """A table in which group i belongs to source number[i]; numbers ascend."""
        degree = np.zeros(sources, np.int64)
        degree[number] = np.diff(self.indptr)
        return Table(np.append(0, np.cumsum(degree)), self.target, self.weight)


def deal(
    table: Table, cores: int, core: IntArray, local: IntArray, late: Callable[[IntArray, IntArray], IntArray]
) -> list[Piece]:
    """The piece of each core; targets of a group ascend.

    core, local  int64 [neurons], the core of each target, and its number there
    late         gives, for sources and targets, numbers from 0 on
    """
    parts: list[list[tuple[IntArray, ...]]] = [[] for _ in range(cores)]
    for first, source, target in synapse_blocks(table):
        wait, home = late(source, target), core[target]
        span = int(wait.max(initial=0)) + 1
        key = (home * table.sources + source) * span + wait
        order = np.lexsort((local[target], key))
        bounds = np.searchsorted(home[order], np.arange(cores + 1))
        for number in np.unique(home).tolist():
            mine = order[bounds[number] : bounds[number + 1]]
            begin = np.flatnonzero(np.diff(key[mine], prepend=-1))
            degree = np.diff(np.append(begin, len(mine)))
            groups = source[mine[begin]], wait[mine[begin]], degree
            parts[number].append((*groups, local[target[mine]].astype(np.int32), table.weight[first + mine]))
    return [_joined(part) for part in parts]


def in_order(table: Table, order: IntArray) -> Table:
    """The sources of a table in another order: source i of the result is source order[i]."""
    degree = np.diff(table.indptr)[order]
    indptr = np.append(0, np.cumsum(degree))
    target, weight = np.empty(table.synapses, np.int32), np.empty(table.synapses, np.int16)
    for low, high in source_blocks(indptr):
        here = np.arange(indptr[low], indptr[high])
        at = here + np.repeat(table.indptr[order[low:high]] - indptr[low:high], degree[low:high])
        target[here], weight[here] = table.target[at], table.weight[at]
    return Table(indptr, target, weight)


def _joined(parts: list[tuple[IntArray, ...]]) -> Piece:
    empty = tuple(np.zeros(0, kind) for kind in (np.int64, np.int64, np.int64, np.int32, np.int16))
    source, late, degree, target, weight = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
    return Piece(source, late, np.append(0, np.cumsum(degree)), target, weight)

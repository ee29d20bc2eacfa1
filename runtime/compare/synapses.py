"""Synapses of two CRI programs, told apart by where they come from and lead to, whatever the numbers of neurons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arith import Ints
from ..program.cri import CriProgram, Population, Table

Array = np.ndarray[Any, np.dtype[Any]]
Pairs = Sequence[tuple[Population, Population]]


def synapse_differences(
    first: CriProgram, second: CriProgram, pairs: Pairs
) -> Iterator[tuple[str, Population, tuple[str, str]]]:
    """What is not the same among the synapses that reach populations, each given as it is in both programs: "axons" or
    "neurons" for where they come from, the population, and both sides as text. Sources are told by the input, schedule
    entry or population that they belong to, and their place there."""
    for what in ("axons", "neurons"):
        tables = getattr(first, what), getattr(second, what)
        ids: dict[str, int] = {}
        owners = _owners(first, what, ids), _owners(second, what, ids)
        for p, texts in _by_population(tables, owners, pairs, list(ids)):
            yield what, p, texts


def _by_population(
    tables: tuple[Table, Table],
    owners: tuple[Ints, Ints],
    pairs: Pairs,
    names: list[str],
) -> Iterator[tuple[Population, tuple[str, str]]]:
    """The populations whose synapses differ, with both sides as text. `names` are the owners' by number."""
    ours, theirs = tables
    wired = np.array_equal(ours.indptr, theirs.indptr) and np.array_equal(ours.target, theirs.target)
    if wired and np.array_equal(*owners) and all(p.first == q.first for p, q in pairs):
        # Large tables are not sorted where only weights may differ.
        changed = np.flatnonzero(ours.weight != theirs.weight)
        for p, _ in pairs:
            at = changed[_reaches(ours.target[changed], p)]
            if len(at):
                count = int(np.count_nonzero(_reaches(ours.target, p)))
                yield p, _weights(_rows(ours, owners[0], p, at), _rows(theirs, owners[1], p, at), count, names)
        return
    for p, q in pairs:
        mine, other = _sorted(ours, owners[0], p), _sorted(theirs, owners[1], q)
        if np.array_equal(mine, other):
            continue
        if len(mine) == len(other) and np.array_equal(mine[:, :-1], other[:, :-1]):
            at = np.flatnonzero(mine[:, -1] != other[:, -1])
            yield p, _weights(mine[at], other[at], len(mine), names)
        else:
            yield p, _sets(mine, other)


def _owners(program: CriProgram, what: str, ids: dict[str, int]) -> Ints:
    """For each axon or neuron the number of the input, schedule phase or population that it belongs to, and its place
    there: (sources, 2). `ids` has the numbers by name."""
    if what == "axons":
        ranges = [(p.name, p.first, p.first + p.count) for p in program.schedule]
        ranges += [(entry.name, entry.first, entry.first + entry.axons) for entry in program.inputs]
    else:
        ranges = [(p.name, p.first, p.stop) for p in program.populations]
    owners = np.stack([np.full(getattr(program, what).sources, -1), np.arange(getattr(program, what).sources)], axis=1)
    for name, first, stop in ranges:
        owners[first:stop, 0] = ids.setdefault(name, len(ids))
        owners[first:stop, 1] = np.arange(stop - first)
    return owners


def _reaches(target: Array, p: Population) -> Array:
    return (target >= p.first) & (target < p.stop)


def _rows(table: Table, owners: Ints, p: Population, at: Ints) -> Ints:
    """Synapses by number as rows (owner of the source, place there, target in the population, weight)."""
    source = owners[np.searchsorted(table.indptr, at, side="right") - 1]
    return np.column_stack([source, table.target[at] - p.first, table.weight[at]]).astype(np.int64)


def _sorted(table: Table, owners: Ints, p: Population) -> Ints:
    """The rows of all synapses that reach the population, sorted."""
    rows = _rows(table, owners, p, np.flatnonzero(_reaches(table.target, p)))
    return rows[np.lexsort(rows.T[::-1])]


def _weights(ours: Ints, theirs: Ints, count: int, names: list[str]) -> tuple[str, str]:
    """Rows that differ in their weights alone, among `count` in all."""
    owner, place, target, weight = ours[0].tolist()
    source = f"{names[owner]}[{place}]" if owner >= 0 else f"source {place}"
    largest = int(np.abs(ours[:, -1] - theirs[:, -1]).max())
    what = f"{len(ours)} of {count} weights differ, by up to {largest}; the first, from {source} to [{target}], is"
    return f"{what} {weight}", str(int(theirs[0, -1]))


def _sets(ours: Ints, theirs: Ints) -> tuple[str, str]:
    both = np.concatenate([ours, theirs])
    _, which, times = np.unique(both, axis=0, return_inverse=True, return_counts=True)
    alone = times[which.reshape(-1)] == 1
    sides = np.count_nonzero(alone[: len(ours)]), np.count_nonzero(alone[len(ours) :])
    return f"{len(ours)}, {sides[0]} of them only here", f"{len(theirs)}, {sides[1]} of them only here"

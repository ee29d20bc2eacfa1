"""Synapse tables from the parts that populations are made of, and what may stand in them.

A part is a set of synapses from spike sources to the elements of a population, no two between the same pair: a list
(`affine.Entries`), or the rule of a layer (`unroll.Fan`). A table is laid out first, then every part writes its
synapses where they belong, so that nothing is as large as the table but the table itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ...compiler.diagnostics import limit
from ...compiler.ir.ops.base import Array
from ...runtime.program.budget import take_memory, take_synapses
from ...runtime.program.cri import Population, Profile, Table

INT16 = 32767
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Progress = Callable[[int, int], object]


def silent(done: int, total: int) -> None:
    """A progress that nobody follows."""


class Part(Protocol):
    """Synapses with a weight other than 0, each pair of source and target once."""

    def degrees(self, columns: int) -> Ints:
        """Synapses of each of `columns` sources."""
        ...

    def fill(self, start: Ints, target: Array, weight: Array, first: int = 0, shift: int = 0) -> None:
        """Write the synapses of source s to target[start[s]:…] and weight[start[s]:…], targets ascending.

        Targets are moved by `first`, weights multiplied by 2^shift; sources with a negative start are left out.
        """
        ...

    def reach(self, peak: Ints, rows: int) -> tuple[Ints, Ints]:
        """Per target (of `rows`), the largest sum of positive and of negative contributions (as a positive number) if
        source s sends at most peak[s]."""
        ...

    def span(self) -> tuple[int, int]:
        """The lowest and the highest target."""
        ...

    def oversized(self, most: Ints) -> int:
        """How many synapses have |weight| > most[source]."""
        ...

    def largest(self) -> int:
        """The largest |weight|."""
        ...


@dataclass(frozen=True)
class Placed:
    """A part and its place in a table: source s of the part is source number[s] of the table, or in no table if
    number[s] < 0; targets count from `first`; weights are multiplied by 2^shift."""

    part: Part
    number: Ints
    first: int = 0
    shift: int = 0


def table(placed: Sequence[Placed], sources: int, progress: Progress = silent) -> Table:
    """CSR over all parts. Within a source the parts come in the order given, so they must stand by ascending targets
    where they share a source. `progress` is called with (synapses written, synapses) after each part. NmcError
    NMC-R050, R051 for what is beyond the command's limits."""
    counts = [_counts(item, sources) for item in placed]
    indptr = np.cumsum(np.concatenate([[0], sum(counts, np.zeros(sources, np.int64))]))
    synapses = int(indptr[-1])
    take_synapses(synapses)
    take_memory(6 * synapses, f"a table of {synapses:,} synapses")
    target, weight = np.empty(synapses, np.int32), np.empty(synapses, np.int16)
    cursor = indptr[:-1].copy()
    for item, count in zip(placed, counts, strict=True):
        if count.any():
            start = np.where(item.number >= 0, cursor[item.number], -1)
            item.part.fill(start, target, weight, item.first, item.shift)
            cursor += count
            progress(int((cursor - indptr[:-1]).sum()), synapses)
    return Table(indptr, target, weight)


def _counts(item: Placed, sources: int) -> Ints:
    """How many synapses a part has at each source of the table."""
    count, here = np.zeros(sources, np.int64), item.number >= 0
    count[item.number[here]] = item.part.degrees(len(item.number))[here]
    return count


def check_weights(name: str, origin: Sequence[str], parts: Sequence[Part], most: Ints) -> None:
    """NmcError NMC-C002 unless |weight| ≤ most[source] for every synapse; `most` is less for bit planes than INT16."""
    over = sum(part.oversized(most) for part in parts)
    if over:
        raise limit(
            "NMC-C002",
            f"{over} synapses into %{name} exceed int16",
            where=", ".join(origin),
            why=f"the largest weight is {max(p.largest() for p in parts)}; from an input ±{most.min()} is allowed",
            hint="fewer weight bits (quantize-cri{weight_bits=6}) or a smaller pool in front of the layer",
        )


def check_range(profile: Profile, made: Population, reach: Array) -> None:
    """NmcError NMC-C003 if a potential may reach what the profile's width does not hold."""
    if len(reach) and int(reach.max()) >= 2 ** (profile.width - 1):
        raise limit(
            "NMC-C003",
            f"potentials of %{made.name} may reach ±{int(reach.max())}",
            where=", ".join(made.origin),
            why=f"profile {profile.name!r} holds {profile.width} bits",
            hint="fewer timesteps or fewer weight bits",
        )

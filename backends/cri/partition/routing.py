"""Routing tables of the network between the cores of one FPGA: which spikes of a core go where.

A table has 256 entries, one for 512 neurons (slots) each: a level, clusters, and cores within every cluster that is
named. So an entry is good for all that its neurons reach, and for no more than a product of clusters and cores: spikes
may also come to cores that have no relay axon for them, which drop them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....compiler.diagnostics import unsupported
from ....runtime.program.cri import IntArray
from ....runtime.program.cri_cores import Core, Cores
from ..placement import Placement
from .capacity import CORES_PER_FPGA

ENTRIES, SPAN = 256, 512
CLUSTER = 4
"""Cores of a cluster; an FPGA has as many clusters."""
NONE, LOCAL, IN_CLUSTER, ACROSS = range(4)
"""Levels: nowhere, to the core itself, to cores of its cluster, to cores of several clusters."""


@dataclass(frozen=True)
class Route:
    """One entry: bit k of `clusters` is cluster k, bit j of `cores` is core j of each of them."""

    level: int = NONE
    clusters: int = 0
    cores: int = 0

    @property
    def word(self) -> int:
        """The 10 bits: level, clusters, cores."""
        return self.level << 8 | self.clusters << 4 | self.cores

    @property
    def destinations(self) -> list[int]:
        """All cores that spikes go to."""
        every = range(CORES_PER_FPGA)
        return [k for k in every if self.clusters >> k // CLUSTER & 1 and self.cores >> k % CLUSTER & 1]


def route(own: int, destinations: list[int]) -> Route:
    """The narrowest entry of core `own` that reaches these cores."""
    if not destinations:
        return Route()
    clusters = sum({1 << k // CLUSTER for k in destinations})
    cores = sum({1 << k % CLUSTER for k in destinations})
    within = clusters == 1 << own // CLUSTER
    level = LOCAL if destinations == [own] else IN_CLUSTER if within else ACROSS
    return Route(level, clusters, cores)


def routing_tables(cores: Cores, placements: tuple[Placement, ...]) -> tuple[tuple[Route, ...], ...]:
    """The table of each core, ENTRIES entries; NMC-C032 (unsupported) for more cores than an FPGA has."""
    count = len(cores.cores)
    if count > CORES_PER_FPGA:
        raise unsupported(
            "NMC-C032",
            f"there are no routing tables for {count} cores",
            why=f"what is published routes spikes among the {CORES_PER_FPGA} cores of one FPGA",
            hint="fewer cores",
        )
    return tuple(_table(k, core, placed) for k, (core, placed) in enumerate(zip(cores.cores, placements, strict=True)))


def _table(own: int, core: Core, placed: Placement) -> tuple[Route, ...]:
    reached: list[list[int]] = [[] for _ in range(ENTRIES)]
    for pair in np.unique(_entry(core, placed) * CORES_PER_FPGA + core.links.core).tolist():
        reached[pair // CORES_PER_FPGA].append(pair % CORES_PER_FPGA)
    return tuple(route(own, destinations) for destinations in reached)


def _entry(core: Core, placed: Placement) -> IntArray:
    """The entry that each link goes by."""
    return placed.slot[core.links.source] // SPAN


def surplus(cores: Cores, placements: tuple[Placement, ...], tables: tuple[tuple[Route, ...], ...]) -> int:
    """Spikes that come to a core without a relay axon for them, if every neuron fires once."""
    total = 0
    for core, placed, table in zip(cores.cores, placements, tables, strict=True):
        sent = np.array([len(entry.destinations) for entry in table])
        total += int(sent[placed.slot // SPAN].sum()) - len(core.links.source)
    return total

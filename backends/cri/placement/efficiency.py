"""How many rows the synapses of a program take in a placement, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray, Table
from ..image.encode import reporting, source_pairs
from ..image.synapses import entries
from .sources import least_pairs
from .types import COLUMNS, Placement

SYNAPSE_ROWS = 2**23 - 2**15
"""Rows of 8 entries that the synapses of one core may take: all that are addressed less those of the pointers."""


@dataclass(frozen=True)
class LayerRows:
    """What the synapses of some sources take.

    sources  how many they are; `empty` of them have no entry
    entries  synapses, and one spike entry for each neuron that an output reads
    rows     that the core reads if every source is active once: 2 · max(targets in one column), 2 for an empty source
    least    the same if every source's targets were spread evenly: 2 · ceil(entries / 16)
    """

    name: str
    sources: int
    empty: int
    entries: int
    rows: int
    least: int

    @property
    def efficiency(self) -> float:
        """Entries per place in the rows; 1 for a layer without sources."""
        return 2 * self.entries / (COLUMNS * self.rows) if self.rows else 1.0


@dataclass(frozen=True)
class Efficiency:
    """Rows by layer: the axons of each input and phase, then the neurons of each population."""

    layers: tuple[LayerRows, ...]

    @property
    def rows(self) -> int:
        return sum(layer.rows for layer in self.layers)

    @property
    def least(self) -> int:
        return sum(layer.least for layer in self.layers)

    @property
    def stored(self) -> int:
        """Rows of the memory image, where all empty sources share one pair."""
        return self.rows - 2 * sum(layer.empty for layer in self.layers) + 2

    @property
    def share(self) -> float:
        """`rows` as a share of the rows that one core has for synapses."""
        return self.rows / SYNAPSE_ROWS


def efficiency(program: CriProgram, placement: Placement) -> Efficiency:
    """Rows that the synapses of a program take in a placement, and the least that any placement takes.

    Axons that several inputs or phases use count for the first of them, axons that none uses for "other axons".
    """
    slot, layers = placement.slot, []
    axon_pairs, neuron_pairs = source_pairs(program, placement)
    counts, free = _fanout(program.axons, slot), np.ones(len(axon_pairs), np.bool_)
    owners = [(entry.name, entry.first, entry.axons) for entry in program.inputs]
    owners += [(phase.name, phase.first, phase.count) for phase in program.schedule]
    for name, first, count in (*owners, ("other axons", 0, len(free))):
        own = np.flatnonzero(free[first : first + count]) + first
        free[own] = False
        if len(own):
            layers.append(_layer(name, counts[own], axon_pairs[own]))
    counts = _fanout(program.neurons, slot) + reporting(program)
    for population in program.populations:
        own = slice(population.first, population.stop)
        layers.append(_layer(population.name, counts[own], neuron_pairs[own]))
    return Efficiency(tuple(layers))


def _fanout(table: Table, slot: IntArray) -> IntArray:
    """Synapses of each source as they are stored: repeated ones as one, none of weight 0."""
    parts = [np.bincount(block.source, minlength=block.high - block.low) for block in entries(table, slot)]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _layer(name: str, counts: IntArray, pairs: IntArray) -> LayerRows:
    empty, rows, least = int((counts == 0).sum()), 2 * int(pairs.sum()), 2 * int(least_pairs(counts).sum())
    return LayerRows(name, len(counts), empty, int(counts.sum()), rows, least)

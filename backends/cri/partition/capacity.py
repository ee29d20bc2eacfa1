"""What one core holds, what a program on it takes, and advice where that is too much."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray, Table
from ....runtime.program.cri_image import COLUMNS, MAX_PAIRS
from ..image.fit import MAX_SLOTS
from ..image.synapses import pair_counts
from ..limits import CORE
from ..placement import Placement, natural, place
from ..placement.efficiency import SYNAPSE_ROWS
from ..placement.sources import least_pairs

CORES_PER_FPGA = 16
SYSTEM_FPGAS = 40
"""FPGAs of the published system."""
ROW = COLUMNS // 2
"""Entries of one row."""


@dataclass(frozen=True)
class Capacity:
    """The limits of one core.

    slots       neurons, padding included
    rows        HBM rows of synapses
    source_rows rows of a single source
    """

    slots: int = MAX_SLOTS
    axons: int = CORE.axons
    models: int = CORE.models
    rows: int = SYNAPSE_ROWS
    source_rows: int = 2 * MAX_PAIRS


WORDS = {
    "slots": ("neurons with padding", "a smaller network, or fewer different thresholds and leaks"),
    "axons": ("axons", "a smaller input, or a partition with shorter borders between the cores"),
    "models": ("neuron models", "share thresholds and leaks between layers"),
    "rows": ("rows of synapses", "fewer channels, smaller kernels, or a better placement (docs/cri_placement.md)"),
    "source_rows": ("rows of one source", "fewer output channels in the layers that read it, or a better placement"),
}
"""What each number of `Capacity` counts, and what makes it smaller."""
NAMES = tuple(entry.name for entry in fields(Capacity))


@dataclass(frozen=True)
class Need:
    """One number of `Capacity` for one core."""

    name: str
    count: int
    most: int

    @property
    def over(self) -> int:
        """How many too many, at least 0."""
        return max(self.count - self.most, 0)

    @property
    def what(self) -> str:
        return WORDS[self.name][0]

    @property
    def advice(self) -> str:
        return WORDS[self.name][1]


def needs(program: CriProgram, capacity: Capacity, sent: IntArray | None = None) -> tuple[tuple[Need, ...], Placement]:
    """What a program takes on one core, beside what the core has, and the placement for which that holds.

    The placement is natural order, or a better one where rows and nothing else is missing then.

    sent  entries for other cores in the rows of each neuron, int64 [neurons]; none by default
    """
    entries = reported(program) if sent is None else sent + reported(program)
    placed = natural(program)
    found = _needs(program, capacity, entries, placed)
    over = {need.name for need in found if need.over}
    if over and over <= {"rows", "source_rows"}:
        placed = place(program)
        found = _needs(program, capacity, entries, placed)
    return found, placed


def _needs(program: CriProgram, capacity: Capacity, entries: IntArray, placed: Placement) -> tuple[Need, ...]:
    axons = source_rows(program.axons, placed.slot, np.zeros(program.axons.sources, np.int64))
    neurons = source_rows(program.neurons, placed.slot, entries)
    found = {
        "slots": placed.padded,
        "axons": program.axons.sources,
        "models": len(placed.groups),
        "rows": int(axons.sum() + neurons.sum()) + 2,  # sources without synapses share a pair
        "source_rows": int(max(axons.max(initial=0), neurons.max(initial=0))),
    }
    return tuple(Need(name, found[name], getattr(capacity, name)) for name in NAMES)


def reported(program: CriProgram) -> IntArray:
    """1 for every neuron that an output reads: it has a spike entry. int64 [neurons]."""
    result = np.zeros(len(program.neuron_model), np.int64)
    for readout in program.readouts:
        result[readout.neuron] = 1
    return result


def source_rows(table: Table, slot: IntArray, more: IntArray) -> IntArray:
    """Rows of each source, which has `more` entries that stand in any column; 0 for one without entries."""
    pairs = pair_counts(table, slot, np.zeros(table.sources, np.bool_))
    entries = np.diff(table.indptr) + more
    # Synapses of weight 0 and repeated ones take no place, so that a source without pairs may have only `more`.
    entries = np.where(pairs > 0, entries, more)
    return 2 * np.where(more > 0, np.maximum(pairs, least_pairs(entries)), pairs)


def cores_needed(program: CriProgram, capacity: Capacity) -> int:
    """Cores that a program takes at least: by its neurons, its axons, and its rows if they were all full."""
    placed = natural(program).padded
    synapses = (np.diff(table.indptr) for table in (program.axons, program.neurons))
    rows = sum(2 * int(least_pairs(degree[degree > 0]).sum()) for degree in synapses)
    limits = ((placed, capacity.slots), (program.axons.sources, capacity.axons), (rows, capacity.rows))
    return max(1, *(-(-count // most) for count, most in limits))

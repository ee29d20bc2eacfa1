"""What one core of the CRI machine holds in its memory, and the words in it (docs/cri_image.md).

Words are numpy uint32 as in the file: word j of a 256-bit HBM row is its bits 32j+31 … 32j. Rows come in pairs of 16
words, the even row first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cri import IntArray, NeuronModel, Profile

Words = NDArray[np.uint32]
COLUMNS = 16
PAIR_BYTES = 64
MAX_PAIRS = 256
"""Row pairs of one source: the length field of a pointer has 9 bits and holds rows − 1."""
HBM_ROWS = 1 << 23
LENGTH_SHIFT = 23
"""A pointer: bits 31 … 23 number of rows − 1, bits 22 … 0 first row."""
TARGET_ROW_SHIFT = 16
OPCODE_SHIFT = 29
SPIKE = 0b100 << OPCODE_SHIFT
"""A spike entry has bit 31 set and a neuron in its bits 16 … 0; a synapse has opcode 0, target row and weight."""
SPIKE_NEURON = (1 << 17) - 1


@dataclass(frozen=True)
class Layout:
    """First HBM row of each region in one build, and how many axons the host sends in one packet."""

    axon_base: int = 0
    neuron_base: int = 1 << 14
    synapse_base: int = 1 << 15
    axons_per_packet: int = 512


@dataclass(frozen=True)
class CriImage:
    """The memory of one core.

    inputs           number of axons; the network parameter num_inputs
    slots            number of neurons with padding; the network parameter num_outputs. Slot h is column h % 16, row
                     h // 16
    parameters       84-bit words, one per parameter set, by ascending slots
    axon_pointers    uint32, 16 for every pair of rows that is read, the first `inputs` in use
    neuron_pointers  likewise, the first `slots` in use
    synapses         uint32 [pairs, 16], from row layout.synapse_base on
    """

    profile: Profile
    layout: Layout
    inputs: int
    slots: int
    parameters: tuple[int, ...]
    axon_pointers: Words
    neuron_pointers: Words
    synapses: Words


@dataclass(frozen=True)
class Footprint:
    """How a program lies in the memory of a core.

    axon_pairs, neuron_pairs   row pairs that are read when the source is active, int64 [axons], [neurons]
    column                     column of each neuron, int64 [neurons]
    padding                    model and column of each padding neuron; they have thresholds too, and may fire
    models                     parameter sets
    """

    axon_pairs: IntArray
    neuron_pairs: IntArray
    column: IntArray
    padding: tuple[tuple[NeuronModel, int], ...]
    models: int

    @property
    def slots(self) -> int:
        return len(self.column) + len(self.padding)


def pointer_words(count: int) -> int:
    """Pairs of pointer rows that the core reads in every timestep for this many sources."""
    return count // COLUMNS + 1


def word_of_column(column: IntArray) -> IntArray:
    """Place of a column's entry among the 16 words of a pair: column 0 is the upper end of the odd row."""
    return COLUMNS - 1 - column


@dataclass(frozen=True)
class ParameterSlot:
    """What one parameter word says: the model of all neurons in rows below `boundary` that no word before it has.

    delay, dual and shadow are fields of later builds that nmc leaves at 0.
    """

    model: NeuronModel
    boundary: int
    legacy: bool = False
    delay: int = 0
    dual: int = 0
    shadow: int = 0


# Upper and lower bit of each field of a parameter word. Builds of 2024 have the 17-bit number of the first slot after
# the group from bit 33 on: the same bits, since that number is a multiple of 16.
_FIELDS = {
    "leak": (83, 78),
    "shift": (77, 72),
    "code": (71, 70),
    "threshold": (69, 34),
    "boundary": (33, 21),
    "delay": (20, 17),
    "refractory": (16, 14),
    "dual": (13, 13),
    "shadow": (12, 9),
    "soft": (8, 8),
    "legacy": (7, 7),
}
_SIGNED = ("shift", "threshold")
PARAMETER_BITS = 84


def field_range(name: str) -> range:
    """The numbers that a field of a parameter word holds."""
    upper, lower = _FIELDS[name]
    size = 1 << (upper - lower + 1)
    return range(-size // 2, size // 2) if name in _SIGNED else range(size)


def parameter_word(slot: ParameterSlot) -> int:
    """The 84 bits of a parameter set. ValueError where a number does not fit its field."""
    word = 0
    for name, (_, lower) in _FIELDS.items():
        value, held = _value(slot, name), field_range(name)
        if value not in held:
            raise ValueError(f"{name} {value} is outside {held.start} to {held.stop - 1}")
        word |= (value % len(held)) << lower
    return word


def parameter_slot(word: int) -> ParameterSlot:
    """The inverse of `parameter_word`."""
    found: dict[str, int] = {}
    for name, (upper, lower) in _FIELDS.items():
        value = (word >> lower) & ((1 << (upper - lower + 1)) - 1)
        found[name] = value if value in field_range(name) else value - len(field_range(name))
    numbers = {name: found.pop(name) for name in ("code", "threshold", "leak", "shift", "refractory")}
    model = NeuronModel(**numbers, soft=bool(found.pop("soft")))
    return ParameterSlot(model, found.pop("boundary"), bool(found.pop("legacy")), **found)


def _value(slot: ParameterSlot, name: str) -> int:
    return int(getattr(slot.model if hasattr(slot.model, name) else slot, name))

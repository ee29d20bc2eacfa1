"""From a program and the places of its neurons to the memory of one core (docs/cri_image.md)."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray
from ....runtime.program.cri_image import (
    COLUMNS,
    LENGTH_SHIFT,
    CriImage,
    ParameterSlot,
    Words,
    parameter_word,
    pointer_words,
)
from ..placement.natural import natural
from ..placement.types import Placement
from .fit import check_fit, layout_of
from .synapses import Bools, fill, fill_spikes, pair_counts

LEGACY = "hw_l6_legacy"


def encode_image(program: CriProgram, placement: Placement | None = None) -> CriImage:
    """The image of a program whose profile is a build of the hardware; neurons in natural order by default.

    The first pair of rows in the synapse region is all zeros and belongs to all sources without synapses. Axons come
    next, then neurons by slot. Neurons that an output reads report their spikes.

    NMC-C020 (exit code 3): no hardware. Exit code 5, all that does not fit: NMC-C004 (rows of a source), C005 (axons,
    neurons, models, rows in all), C021 (a parameter).
    """
    layout = layout_of(program.profile)
    placed = natural(program) if placement is None else placement
    slot = placed.slot
    axon_pairs, neuron_pairs = _needed(program, slot)
    used = 1 + int(axon_pairs.sum() + neuron_pairs.sum())
    check_fit(program, placed, layout, (axon_pairs, neuron_pairs), 2 * used)
    axon_first = _starts(axon_pairs, 1)
    by_slot = np.argsort(slot)
    neuron_first = np.empty(len(slot), np.int64)
    neuron_first[by_slot] = _starts(neuron_pairs[by_slot], 1 + int(axon_pairs.sum()))
    synapses = np.zeros((used, COLUMNS), np.uint32)
    fill(synapses, program.axons, slot, axon_first, axon_pairs)
    fill(synapses, program.neurons, slot, neuron_first, neuron_pairs)
    fill_spikes(synapses, slot, neuron_first, neuron_pairs, reporting(program))
    base, axons = layout.synapse_base, np.arange(len(axon_pairs))
    return CriImage(
        profile=program.profile,
        layout=layout,
        inputs=program.axons.sources,
        slots=placed.padded,
        parameters=_parameters(placed, program.profile.name == LEGACY),
        axon_pointers=_pointers(len(axons), axons, axon_first, axon_pairs, base),
        neuron_pointers=_pointers(placed.padded, slot, neuron_first, neuron_pairs, base),
        synapses=synapses,
    )


def source_pairs(program: CriProgram, placement: Placement) -> tuple[IntArray, IntArray]:
    """Row pairs that the core reads when an axon, or a neuron, is active: int64 [axons], int64 [neurons], 1 or more."""
    axons, neurons = _needed(program, placement.slot)
    return np.maximum(axons, 1), np.maximum(neurons, 1)


def _needed(program: CriProgram, slot: IntArray) -> tuple[IntArray, IntArray]:
    """The same, 0 for sources without synapses."""
    silent = np.zeros(program.axons.sources, np.bool_)
    return pair_counts(program.axons, slot, silent), pair_counts(program.neurons, slot, reporting(program))


def reporting(program: CriProgram) -> Bools:
    """The neurons that some output reads: bool [neurons]."""
    result = np.zeros(len(program.neuron_model), np.bool_)
    for readout in program.readouts:
        result[readout.neuron] = True
    return result


def _starts(pairs: IntArray, first: int) -> IntArray:
    return first + np.cumsum(pairs) - pairs


def _pointers(count: int, place: IntArray, first: IntArray, pairs: IntArray, base: int) -> Words:
    """The pointers of `count` sources and those behind them that the core reads along; the rest is the zero pair."""
    result = np.full(COLUMNS * pointer_words(count), 1 << LENGTH_SHIFT | base, np.uint32)
    here = pairs > 0
    result[place[here]] = (2 * pairs[here] - 1) << LENGTH_SHIFT | (base + 2 * first[here])
    return result


def _parameters(placement: Placement, legacy: bool) -> tuple[int, ...]:
    slots = (ParameterSlot(group.model, group.stop // COLUMNS, legacy) for group in placement.groups)
    return tuple(map(parameter_word, slots))

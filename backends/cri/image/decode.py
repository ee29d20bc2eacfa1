"""From the memory of one core back to a network, with every word that makes no sense told."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ....runtime.program.cri import IntArray, source_blocks
from ....runtime.program.cri_image import (
    COLUMNS,
    LENGTH_SHIFT,
    OPCODE_SHIFT,
    SPIKE,
    SPIKE_NEURON,
    TARGET_ROW_SHIFT,
    CriImage,
    ParameterSlot,
    parameter_slot,
)
from ....runtime.program.problems import Problems
from ..export.hs_api_network import Network, Synapses
from .synapses import Bools

NOT_MODELLED = ("delay", "dual", "shadow")


def decode_image(image: CriImage, slot: IntArray) -> Network:
    """The network of an image: `slot` int64 [neurons] says which slot each neuron is, all different and below
    `image.slots`; the other slots are padding. Targets ascend within a source; `outputs` are the neurons that report.

    NmcError (exit code 4) with everything found: NMC-F041 (a pointer, entry or parameter), F043 (not modelled).
    """
    problems = Problems()
    found = [parameter_slot(word) for word in image.parameters]
    _check_parameters(image, found, problems)
    first, pairs = _spans(image, problems)
    problems.stop()
    owner = _owners(image, first, pairs, problems)
    problems.stop()
    reader = _Reader(image, owner, slot, problems)
    reader.run()
    problems.stop()
    number = np.searchsorted([entry.boundary for entry in found], slot // COLUMNS, side="right")
    from_axons, from_neurons = reader.synapses(image.inputs)
    models = tuple(entry.model for entry in found)
    return Network(None, from_axons, from_neurons, models, number, np.flatnonzero(reader.reports))


def _check_parameters(image: CriImage, found: list[ParameterSlot], problems: Problems) -> None:
    boundaries = [0, *(entry.boundary for entry in found)]
    rises = all(low < high for low, high in pairwise(boundaries))
    whole = COLUMNS * boundaries[-1] == image.slots
    what = f"boundary rows {boundaries[1:]} must rise to {image.slots // COLUMNS}"
    problems.need(rises and whole, "F041", "parameters", what)
    half = 1 << (image.profile.width - 1)
    for number, entry in enumerate(found):
        where, threshold = f"parameters/{number}", entry.model.threshold
        inside = -half <= threshold < half
        problems.need(inside, "F041", where, f"threshold {threshold} exceeds {image.profile.width} bits")
        soft = image.profile.soft_reset or not entry.model.soft
        problems.need(soft, "F041", where, f"{image.profile.name} has no soft reset")
        rests = image.profile.refractory or not entry.model.refractory
        problems.need(rests, "F041", where, f"{image.profile.name} has no refractory periods")
        for name in NOT_MODELLED:
            value = int(getattr(entry, name))
            problems.need(value == 0, "F043", where, f"{name} is {value}, which is not modelled")


def _spans(image: CriImage, problems: Problems) -> tuple[IntArray, IntArray]:
    """First pair, counted from the synapse base, and number of pairs of each source: all axons, then all slots."""
    used = image.axon_pointers[: image.inputs], image.neuron_pointers[: image.slots]
    pointer = np.concatenate(used).astype(np.int64)
    row = (pointer & ((1 << LENGTH_SHIFT) - 1)) - image.layout.synapse_base
    rows = (pointer >> LENGTH_SHIFT) + 1
    whole = (row % 2 == 0) & (rows % 2 == 0) & (row >= 0) & (row + rows <= 2 * len(image.synapses))
    wrong = np.flatnonzero(~whole)
    if len(wrong):
        what = f"{_source(image, wrong[0])} points to {rows[wrong[0]]} rows from {row[wrong[0]]} of the region on"
        count = f"{len(wrong):,} pointers do not name pairs of rows in the synapse region: "
        problems.need(False, "F041", "pointers", count + what)
    return row // 2, rows // 2


def _owners(image: CriImage, first: IntArray, pairs: IntArray, problems: Problems) -> IntArray:
    """The source that each pair of rows belongs to, −1 for a pair of zeros; int64 [pairs]."""
    edges = np.zeros((2, len(image.synapses) + 1), np.int64)
    source = np.arange(len(first))
    for at, sign in ((first, 1), (first + pairs, -1)):
        np.add.at(edges[0], at, sign)
        np.add.at(edges[1], at, sign * source)
    # Where exactly one source claims a pair, the sum of the claimants' numbers is that source.
    claims, owner = np.cumsum(edges[:, :-1], axis=1)
    used = image.synapses.any(axis=1)
    for holds, what in ((claims == 0, "belong to no source"), (claims > 1, "belong to several sources")):
        wrong = np.flatnonzero(used & holds)
        if len(wrong):
            problems.need(False, "F041", "synapses", f"{len(wrong):,} row pairs {what}, the first is {wrong[0]:,}")
    return np.where(used, owner, -1)


def _source(image: CriImage, number: int) -> str:
    return f"axon {number}" if number < image.inputs else f"slot {number - image.inputs}"


class _Reader:
    """Reads the entries of all sources.

    reports  bool [neurons]: has a spike entry
    """

    def __init__(self, image: CriImage, owner: IntArray, slot: IntArray, problems: Problems):
        self.image, self.slot, self.problems = image, slot, problems
        self.neuron = np.full(image.slots, -1, np.int64)
        self.neuron[slot] = np.arange(len(slot))
        self.reports = np.zeros(len(slot), np.bool_)
        pair = np.flatnonzero(owner >= 0)
        self._pairs = pair[np.argsort(owner[pair], kind="stable")]
        self._sources = image.inputs + image.slots
        self._per_source = np.bincount(owner[pair], minlength=self._sources)
        self._wrong: dict[tuple[str, str], tuple[int, str]] = {}

    def run(self) -> None:
        degree = np.zeros(self._sources, np.int64)
        targets, weights = [np.zeros(0, np.int32)], [np.zeros(0, np.int16)]
        bounds = np.append(0, np.cumsum(self._per_source))
        for low, high in source_blocks(bounds * COLUMNS):
            part = self._pairs[bounds[low] : bounds[high]]
            at, word = np.nonzero(self.image.synapses[part])
            source = np.repeat(np.arange(low, high), self._per_source[low:high])[at]
            entry = self.image.synapses[part[at], word].astype(np.int64)
            source, target, weight = self._synapses(source, entry, COLUMNS - 1 - word)
            order = np.lexsort((target, source))
            degree[low:high] += np.bincount(source - low, minlength=high - low)
            targets.append(target[order].astype(np.int32))
            weights.append(weight[order].astype(np.int16))
        self._degree, self._target, self._weight = degree, np.concatenate(targets), np.concatenate(weights)
        for (code, what), (count, example) in self._wrong.items():
            self.problems.need(False, code, "synapses", f"{count:,} {what}, the first of {example}")

    def _synapses(self, source: IntArray, entry: IntArray, column: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Source, target neuron and weight of the synapses among some entries; spike entries go to `reports`."""
        opcode = entry >> OPCODE_SHIFT
        spikes = entry >= SPIKE
        self._refuse("F043", "entries for other cores (opcode 1 to 3)", (opcode != 0) & ~spikes, source)
        self._read_spikes(source[spikes], entry[spikes])
        here = opcode == 0
        source, entry, column = source[here], entry[here], column[here]
        target = (entry >> TARGET_ROW_SHIFT) * COLUMNS + column
        inside = target < self.image.slots
        neuron = np.where(inside, self.neuron[np.where(inside, target, 0)], -1)
        self._refuse("F041", "synapses reach padding, or no slot", neuron < 0, source)
        padding = source >= self.image.inputs
        padding[padding] = self.neuron[source[padding] - self.image.inputs] < 0
        self._refuse("F041", "synapses come from padding", padding, source)
        return source, neuron, ((entry & 0xFFFF) ^ 0x8000) - 0x8000

    def _read_spikes(self, source: IntArray, entry: IntArray) -> None:
        own = source - self.image.inputs
        wrong = (own != (entry & SPIKE_NEURON)) | (entry & (SPIKE - 1) > SPIKE_NEURON) | (own < 0)
        wrong[~wrong] = self.neuron[own[~wrong]] < 0
        self._refuse("F041", "spike entries name no neuron, or another than their source", wrong, source)
        neuron, count = np.unique(self.neuron[own[~wrong]], return_counts=True)
        twice = neuron[(count > 1) | self.reports[neuron]]
        self._refuse("F041", "neurons have several spike entries", np.ones(len(twice), np.bool_), self.slot[twice])
        self.reports[neuron] = True

    def _refuse(self, code: str, what: str, wrong: Bools, source: IntArray) -> None:
        if wrong.any():
            count, example = self._wrong.get((code, what), (0, _source(self.image, int(source[wrong][0]))))
            self._wrong[code, what] = count + int(wrong.sum()), example

    def synapses(self, axons: int) -> tuple[Synapses, Synapses]:
        """The synapses of all axons and of all neurons."""
        bounds = np.append(0, np.cumsum(self._degree))
        from_axons = Synapses(bounds[: axons + 1], self._target[: bounds[axons]], self._weight[: bounds[axons]])
        first, lengths = bounds[axons + self.slot], self._degree[axons + self.slot]
        indptr = np.append(0, np.cumsum(lengths))
        target, weight = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int16)
        for low, high in source_blocks(indptr):
            here = np.arange(indptr[low], indptr[high])
            order = here + np.repeat(first[low:high] - indptr[low:high], lengths[low:high])
            target[here], weight[here] = self._target[order], self._weight[order]
        return from_axons, Synapses(indptr, target, weight)

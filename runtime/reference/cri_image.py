"""The CRI machine run from its memory: pointers to rows, rows to columns, as the core walks through them."""

from __future__ import annotations

import numpy as np

from ..arith import Ints
from ..program.cri_image import (
    COLUMNS,
    LENGTH_SHIFT,
    OPCODE_SHIFT,
    SPIKE,
    SPIKE_NEURON,
    TARGET_ROW_SHIFT,
    CriImage,
    Words,
    parameter_slot,
    pointer_words,
)
from .neuron import Bools, Parameters, fit, start, taken
from .noise import refuse_noise


class ImageMachine:
    """One core with potential 0 in all neurons.

    v         potentials, int64 [rows, 16]: slot h is row h // 16, column h % 16
    accesses  pairs of HBM rows read so far, counted one by one
    """

    def __init__(self, image: CriImage):
        """NmcError NMC-R008 (unsupported) where a neuron has noise."""
        self.image = image
        self.parameters = _parameters(image)
        refuse_noise(self.parameters.shift, image.profile, "a program is simulated with noise, an image is not")
        self.waiting = self.parameters.at_rest((image.slots,))
        self.v = np.zeros((image.slots // COLUMNS, COLUMNS), np.int64)
        self.accesses = 0

    def step(self, axons: Bools) -> tuple[Bools, list[int]]:
        """One timestep: `axons` bool [inputs] are active. Which slots fired, bool [slots], and the neurons reported
        to the host, in the order of their spike entries."""
        profile, flat = self.image.profile, self.v.reshape(-1)
        fired, kept, self.waiting, _ = start(flat, self.waiting, self.parameters, profile)
        sums, reported = np.zeros(self.v.shape, np.int64), list[int]()
        for pointers, active in ((self.image.axon_pointers, axons), (self.image.neuron_pointers, fired)):
            self.accesses += pointer_words(len(active))
            for pointer in pointers[: len(active)][active].tolist():
                reported += self._read(pointer, sums)
        self.v = fit(kept + taken(sums.reshape(-1), self.waiting), profile)[0].reshape(self.v.shape)
        return fired, reported

    def _read(self, pointer: int, sums: Ints) -> list[int]:
        """Add the synapses in the rows of one source to `sums`; the neurons in its spike entries."""
        first = (pointer & ((1 << LENGTH_SHIFT) - 1)) - self.image.layout.synapse_base
        pairs = self.image.synapses[first // 2 : (first + (pointer >> LENGTH_SHIFT) + 1) // 2]
        self.accesses += len(pairs)
        entries = pairs[:, ::-1]  # the last word of a pair is column 0
        spikes = entries >> OPCODE_SHIFT >= SPIKE >> OPCODE_SHIFT
        weight = np.where(spikes, 0, _signed(entries))
        row = np.where(spikes, 0, entries >> TARGET_ROW_SHIFT).astype(np.int64)
        np.add.at(sums, (row, np.arange(COLUMNS)), weight)
        return (entries[spikes] & SPIKE_NEURON).tolist()


def _signed(entries: Words) -> Ints:
    """The low 16 bits as a signed number."""
    return entries.astype(np.uint16).view(np.int16).astype(np.int64)


def _parameters(image: CriImage) -> Parameters:
    """Every slot has the first parameter set whose boundary lies above its row."""
    found = [parameter_slot(word) for word in image.parameters]
    row = np.arange(image.slots) // COLUMNS
    number = np.searchsorted([entry.boundary for entry in found], row, side="right")
    return Parameters.of_models([entry.model for entry in found], number)

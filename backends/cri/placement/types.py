"""Where the neurons of a program stand on the hardware."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray, NeuronModel

COLUMNS = 16
BLOCK = 32
"""Neurons that share a word of potentials in every column: parameters change only at multiples of it."""


@dataclass(frozen=True)
class Group:
    """Slots of one parameter set: from where the group before it stops to `stop` − 1; stop is a multiple of BLOCK."""

    model: NeuronModel
    stop: int


@dataclass(frozen=True)
class Placement:
    """The hardware index of each neuron: slot h is column h % 16, row h // 16.

    slot     int64 [neurons], all different; a neuron's slot lies in the group of its model
    padded   number of slots, a multiple of BLOCK; slots that no neuron has are padding neurons without synapses
    groups   by ascending slots, the last one stops at `padded`; no two have equal models
    """

    slot: IntArray
    padded: int
    groups: tuple[Group, ...]

    @property
    def neuron(self) -> IntArray:
        """The neuron of each slot, −1 for padding: int64 [padded]."""
        result = np.full(self.padded, -1, np.int64)
        result[self.slot] = np.arange(len(self.slot))
        return result


def model_groups(program: CriProgram) -> tuple[list[NeuronModel], IntArray]:
    """The distinct models that neurons have, in ascending order of their values, and the group number of each neuron.

    Models that are equal by value are one group, and a model without neurons is none.
    """
    used = np.unique(program.neuron_model)
    distinct = sorted({program.models[int(i)] for i in used})
    number = np.zeros(256, np.int64)  # what the uint8 of neuron_model can name
    number[used] = [distinct.index(program.models[int(i)]) for i in used]
    return distinct, number[program.neuron_model]

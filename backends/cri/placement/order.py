"""Orders of neurons in which neighbours have many sources in common: filled in turn, the columns are nearly even."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray, Population
from .sources import Sources
from .types import COLUMNS
from .wave import wave


def sequences(program: CriProgram, sources: Sources) -> list[IntArray]:
    """Orders of all neurons to begin with, no two the same: int64 [neurons] each.

    The order of the program; population after population, each row-major or channel-innermost (the channels of one
    position, which share their sources, are neighbours then); and the wave's, which finds such neighbours where the
    numbers of the neurons say nothing.
    """
    natural = np.arange(len(program.neuron_model))
    best = [natural[:0]]
    for population in program.populations:
        synapses = _Synapses(sources, population)
        best.append(min(_orders(population), key=synapses.pairs))
    found = [natural]
    for order in (np.concatenate(best), wave(sources)):
        if not any(np.array_equal(order, other) for other in found):
            found.append(order)
    return found


def _orders(population: Population) -> Iterator[IntArray]:
    natural = np.arange(population.first, population.stop)
    yield natural
    if len(population.shape) > 1:
        yield np.moveaxis(natural.reshape(population.shape), 0, -1).reshape(-1)


class _Synapses:
    """The synapses into one population, to try orders on."""

    def __init__(self, sources: Sources, population: Population) -> None:
        indptr = sources.reached.indptr[population.first : population.stop + 1]
        part = sources.reached.items[indptr[0] : indptr[-1]]
        high = int(part.max(initial=-1)) + 1
        low = int(part.min(initial=high))
        self.first, self.degrees, self.count = population.first, np.diff(indptr), sources.count[low:high]
        self.place = (part.astype(np.int64) - low) * COLUMNS

    def pairs(self, order: IntArray) -> int:
        """Pairs of rows that these synapses take, by themselves, if `order` fills the columns in turn."""
        column = np.empty(len(order), np.int64)
        column[order - self.first] = np.arange(len(order)) % COLUMNS
        load = np.bincount(self.place + np.repeat(column, self.degrees), minlength=len(self.count) * COLUMNS)
        return int(load.reshape(-1, COLUMNS).max(axis=1, initial=0) @ self.count)

"""Spikes that wait: chains of relay neurons behind a source whose spikes are read later than one timestep after it.

A population of depth k reads, for step t of the network, in timestep t + k − 1. A source of depth d fires for that step
in timestep t + d, seen through n states in t + d − n. Stage s of the source's chain, s = k − 1 − (d − n), repeats it in
time; stage 0 is the source itself. All readers share one chain, which holds no more than what some of them read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..affine import Entries
from ..tables import Ints
from .columns import Columns, Source


@dataclass(frozen=True)
class Stage:
    """Where the elements of a source are read: number[e] is the axon (stage 0 of an input) or neuron of an element's
    first bit, −1 where nobody reads that element so late; the other bits follow it."""

    axons: bool
    number: Ints


@dataclass(frozen=True)
class Chained:
    """One stage of relays: synapses from the axons or neurons of the stage before to 0, 1, … of its own."""

    stage: int
    axons: bool
    synapses: Entries


class Relays:
    """The chains: first `need` for every reader, then `place` each chain, then ask `numbers` for every reader."""

    def __init__(self, columns: Columns):
        self.columns = columns
        self.axon: dict[int, int] = {}  # the first axon of each input, by its number among the sources
        for number, source in enumerate(columns.sources):
            if source.is_input:
                self.axon[number] = sum(s.size * s.bits for s in columns.sources[:number])
        self.waits = np.zeros(columns.total, np.int64)
        self.stages: dict[int, list[Stage]] = {}

    def need(self, used: Ints, depth: int) -> None:
        """A reader of this depth reads these columns."""
        total = self.columns.total
        for number, states in self.columns.split(used):
            source = self.columns.sources[number]
            own = used - states * total
            own = own[(own >= source.first) & (own < source.first + source.size)]
            self.waits[own] = np.maximum(self.waits[own], self._stage(source, states, depth))

    def _stage(self, source: Source, states: int, depth: int) -> int:
        return depth - 1 - (source.depth - states)

    def place(self, number: int, first: int) -> list[Chained]:
        """Give the relays of a source the neurons from `first` on; a population's own neurons lie before them."""
        source = self.columns.sources[number]
        begin = self.axon[number] if source.is_input else first - source.size
        chain = self.stages[number] = [Stage(source.is_input, begin + np.arange(source.size) * source.bits)]
        waits = self.waits[source.first : source.first + source.size]
        made = []
        for stage in range(1, int(waits.max(initial=0)) + 1):
            held = np.flatnonzero(waits >= stage)
            before = (chain[-1].number[held][:, None] + np.arange(source.bits)).reshape(-1)
            rows = np.arange(len(before))
            made.append(Chained(stage, chain[-1].axons, Entries(rows, before, np.ones(len(rows), np.int64))))
            number_of = np.full(source.size, -1)
            number_of[held] = first + np.arange(len(held)) * source.bits
            chain.append(Stage(False, number_of))
            first += len(rows)
        return made

    def numbers(self, used: Ints, depth: int, count: int) -> tuple[Ints, Ints]:
        """For a reader of this depth: the axon, and the neuron, of the first bit of each of `count` columns; −1 where
        there is none."""
        total = self.columns.total
        axon, neuron = (np.full(-(-count // max(total, 1)) * total, -1) for _ in range(2))
        for number, states in self.columns.split(used):
            source = self.columns.sources[number]
            stage = self.stages[number][self._stage(source, states, depth)]
            begin = states * total + source.first
            (axon if stage.axons else neuron)[begin : begin + source.size] = stage.number
        return axon[:count], neuron[:count]

"""What a CRI run keeps of every timestep: no more than outputs, spike counts and wanted traces need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from .arith import Ints
from .encode import Bools
from .program.cri import CriProgram, Population, Readout


class Machine(Protocol):
    """What a recording asks of a machine."""

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons, int64 [batch, len(neurons)]."""
        ...


class Recording:
    """One batch, timestep by timestep: `see` after each step of the machine.

    `spikes`, int64 [batch, n], are those of every neuron so far. What the populations in `traced` do is kept step
    by step where the program is one of a spiking network.
    """

    def __init__(self, program: CriProgram, batch: int, traced: Sequence[Population]):
        self.program, self.batch, self.traced = program, batch, traced
        self.spikes = np.zeros((batch, len(program.neuron_model)), np.int64)
        self.integers = {r.name: np.zeros((batch, *_kept(r)), np.int64) for r in program.readouts}
        self._trains = {p.name: np.zeros((batch, *traced_shape(program, p)), np.int64) for p in traced}

    def see(self, step: int, fired: Bools, machine: Machine) -> None:
        """What happened in timestep `step`: which neurons fired, and the potentials after it."""
        self.spikes += fired
        for readout in self.program.readouts:
            first, rows = (readout.first, readout.rows) if readout.rows else (0, self.program.steps)
            if first <= step < first + rows:
                self._read(readout, self.integers[readout.name], step - first, rows, fired, machine)
        for p in self.traced if self.program.timesteps else ():
            if p.window[0] <= step <= p.window[1]:
                self._trains[p.name][:, step - p.window[0]] = fired[:, p.first : p.stop].reshape(self.batch, *p.shape)

    def _read(self, readout: Readout, made: Ints, row: int, rows: int, fired: Bools, machine: Machine) -> None:
        if readout.kind == "potential":
            if row == rows - 1:
                made[:] = machine.read(readout.neuron)
            return
        values = fired[:, readout.neuron] if readout.kind in ("spikes", "count") else machine.read(readout.neuron)
        if readout.by_step:
            made[:, row] = values
        else:
            made += values

    def output(self, readout: Readout) -> Ints:
        """The integers of an output, int64 (batch, *shape)."""
        return (self.integers[readout.name] + readout.offset).reshape(self.batch, *readout.shape)

    def trace(self, p: Population) -> Ints:
        """What a population did: int64 (batch, T, *shape), or spike counts (batch, *shape)."""
        if self.program.timesteps:
            return self._trains[p.name]
        return self.spikes[:, p.first : p.stop].reshape(self.batch, *p.shape)


def _kept(readout: Readout) -> tuple[int, ...]:
    return (readout.rows, len(readout.neuron)) if readout.by_step else (len(readout.neuron),)


def traced_populations(program: CriProgram) -> tuple[Population, ...]:
    """The populations that a trace shows: of a spiking network those that may fire, else all."""
    return tuple(p for p in program.populations if not program.timesteps or p.kind != "readout")


def traced_shape(program: CriProgram, population: Population) -> tuple[int, ...]:
    """The shape of a population's trace for one sample."""
    return (program.timesteps, *population.shape) if program.timesteps else population.shape

"""Populations of a spiking network put one after the other into a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....compiler.diagnostics import limit
from ....runtime.program.cri import CriProgram, Input, NeuronModel, Population, Profile, Readout
from ....runtime.program.cri_check import MAX_MODELS
from ..control import Control
from ..tables import INT16, Ints, Placed, Progress, check_range, check_weights, silent, table
from .columns import Columns
from .neurons import Planned, largest_potentials, models_of
from .relays import Chained, Relays


class Builder:
    """Grows the tables; populations come in the order of their neurons."""

    def __init__(self, profile: Profile, columns: Columns, relays: Relays, steps: int):
        self.profile, self.columns, self.relays, self.steps = profile, columns, relays, steps
        self.control = Control(columns.axons)
        # No population gets input in more timesteps than the run has.
        self._longest = steps + max((source.depth for source in columns.sources), default=0)
        self.populations: list[Population] = []
        self.models: list[tuple[list[NeuronModel], Ints]] = []
        self.from_axons: list[Placed] = []
        self.from_neurons: list[Placed] = []
        self._first: dict[int, int] = {}

    def neurons(self, made: Planned) -> Ints:
        """Numbers of the neurons of a population that was added."""
        return self._first[id(made)] + np.arange(made.size)

    def add(self, made: Planned) -> None:
        """A population with the synapses from what it reads, and its bias. NMC-C002, NMC-C003."""
        entry = self._population(made)
        parts, bits = made.synapses.parts, np.resize(self.columns.bits, made.columns)
        check_weights(made.name, made.origin, parts, INT16 >> (bits - 1))
        check_range(self.profile, entry, largest_potentials(made, self._longest))
        start = made.depth - 1
        self.control.add(f"{made.name}.bias", entry.first, made.synapses.const, start, start + self.steps - 1)
        axon, neuron = self.relays.numbers(made.used, made.depth, made.columns)
        for numbers, placed in ((axon, self.from_axons), (neuron, self.from_neurons)):
            for bit in range(int(bits[numbers >= 0].max(initial=0))):
                number = np.where((numbers >= 0) & (bits > bit), numbers + bit, -1)
                placed += [Placed(part, number, entry.first, bit) for part in parts]

    def add_relay(self, made: Planned, chained: Chained) -> None:
        """A population that repeats the sources of a chain."""
        entry = self._population(made)
        every = np.arange(chained.synapses.highest() + 1)
        (self.from_axons if chained.axons else self.from_neurons).append(Placed(chained.synapses, every, entry.first))

    def _population(self, made: Planned) -> Population:
        first = self.populations[-1].stop if self.populations else 0
        self._first[id(made)] = first
        # What a readout holds of a step is there in the timestep in which that step's input arrives.
        begin, levels = (made.depth - 1, 0) if made.kind == "readout" else (made.depth, 1)
        window = (begin, begin + self.steps - 1)
        self.populations.append(Population(made.name, made.kind, first, made.shape, levels, window, made.origin))
        self.models.append(models_of(self.profile, made))
        return self.populations[-1]

    # --- assembly ---

    def program(
        self,
        inputs: tuple[Input, ...],
        readouts: tuple[Readout, ...],
        provenance: dict[str, Any],
        progress: Progress = silent,
    ) -> CriProgram:
        neurons = self.populations[-1].stop if self.populations else 0
        models, neuron_model = self._slots()
        axons = self.columns.axons + self.control.count
        controls = Placed(self.control.entries(), np.arange(axons))
        ends = [entry.window[1] for entry in self.populations] + [r.first + r.rows - 1 for r in readouts]
        return CriProgram(
            profile=self.profile,
            models=models,
            neuron_model=neuron_model,
            axons=table([*self.from_axons, controls], axons, progress),
            neurons=table(self.from_neurons, neurons, progress),
            populations=tuple(self.populations),
            inputs=inputs,
            schedule=tuple(self.control.schedule),
            readouts=readouts,
            steps=max(ends, default=0) + 1,
            provenance=provenance,
        )

    def _slots(self) -> tuple[tuple[NeuronModel, ...], np.ndarray[Any, np.dtype[np.uint8]]]:
        """The distinct models in ascending order, and the slot of every neuron."""
        models = sorted({model for found, _ in self.models for model in found})
        if len(models) > MAX_MODELS:
            what = f"the network needs {len(models)} neuron models, a program holds {MAX_MODELS}"
            raise limit("NMC-C005", what, hint="one threshold and one leak for a layer")
        slot = {model: number for number, model in enumerate(models)}
        each = [np.array([slot[model] for model in found], np.uint8)[which] for found, which in self.models]
        return tuple(models), np.concatenate([np.zeros(0, np.uint8), *each])

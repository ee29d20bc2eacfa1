"""From the core and the extra timesteps of every neuron to what each core holds (docs/cri_partition.md).

A synapse whose target runs as late as its source stays as it is. One whose target runs g timesteps later, g ≥ 1, starts
from a relay axon on the target's core. A link feeds it: from the source itself (g = 1), which takes one timestep, or
from a chain of g − 1 relay neurons beside the source.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ....compiler.diagnostics import limit
from ....runtime.program.cri import CriProgram, Input, IntArray, NeuronModel, Population, Readout, Table
from ....runtime.program.cri_check import MAX_MODELS
from ....runtime.program.cri_cores import Core, Cores, Links
from ..placement.sources import scrambled
from ..spiking.neurons import MEMORYLESS, model_of
from ..spiking.outputs import unique
from .capacity import reported
from .cut import Piece, deal, in_order
from .synapses import population_of, synapse_blocks


def build(program: CriProgram, cores: int, core: IntArray, extra: IntArray) -> Cores:
    """Cores for the core and the extra timesteps of each neuron, int64 [neurons].

    All neurons of a population have the same extra timesteps. A synapse to another core leads to a later neuron.
    """
    return _Build(program, cores, core, extra).run()


class _Build:
    """members                   the neurons of each core, in the order of their numbers there
    local                     int64 [neurons], the number of each neuron on its core
    from_neurons, from_axons  the synapses that arrive on each core
    stages                    int64 [neurons], relay neurons that each neuron has
    relay                     int64 [neurons, stages], their numbers on the core of the neuron, −1 for none
    """

    def __init__(self, program: CriProgram, cores: int, core: IntArray, extra: IntArray):
        self.program, self.cores, self.core, self.extra = program, cores, core, extra
        self.owner = population_of(program)
        order = _order(program, self.owner, core, extra)
        self.members = [order[core[order] == k] for k in range(cores)]
        self.local = np.zeros(len(core), np.int64)
        for own in self.members:
            self.local[own] = np.arange(len(own))
        late = extra[order]
        found = deal(in_order(program.neurons, order), cores, core, self.local, lambda s, t: extra[t] - late[s])
        self.from_neurons = [replace(piece, source=order[piece.source]) for piece in found]
        self.from_axons = deal(program.axons, cores, core, self.local, lambda s, t: extra[t])
        self.stages = np.zeros(len(core), np.int64)
        for piece in self.from_neurons:
            np.maximum.at(self.stages, piece.source, piece.late - 1)
        self.relay = np.full((len(core), int(self.stages.max(initial=0))), -1)

    def run(self) -> Cores:
        populations = [self._populations(k) for k in range(self.cores)]
        linked = [self._relay_axons(k) for k in range(self.cores)]
        made = tuple(self._core(k, populations[k], linked) for k in range(self.cores))
        return Cores(self.program, made, self.core, self.local, self.extra)

    # --- neurons ---

    def _populations(self, k: int) -> tuple[Population, ...]:
        """The populations of a core: parts of those of the program, then relays; gives the relays their numbers."""
        own, made, stop, names = self.members[k], [], 0, {p.name for p in self.program.populations}
        for number, p in enumerate(self.program.populations):
            part = own[self.owner[own] == number]
            if len(part):
                whole = np.array_equal(part, np.arange(p.first, p.stop))
                made.append(self._part(p, stop, p.shape if whole else (len(part),), part[0], 0))
                stop += len(part)
        for number, p in enumerate(self.program.populations):
            part = own[self.owner[own] == number]
            for stage in range(1, int(self.stages[part].max(initial=0)) + 1):
                held = part[self.stages[part] >= stage]
                self.relay[held, stage - 1] = stop + np.arange(len(held))
                relay = replace(p, name=unique(f"{p.name}.wait{stage}", names), kind="relay")
                made.append(self._part(relay, stop, held.shape, held[0], stage))
                stop += len(held)
        return tuple(made)

    def _part(self, p: Population, first: int, shape: tuple[int, ...], neuron: int, stage: int) -> Population:
        late = int(self.extra[neuron]) + stage
        return replace(p, first=first, shape=shape, window=(p.window[0] + late, p.window[1] + late))

    def _models(self, k: int, neurons: int) -> tuple[tuple[NeuronModel, ...], NDArray[np.uint8]]:
        """The models that a core needs, and which of them each neuron has."""
        used, own = np.unique(self.program.neuron_model[self.members[k]], return_inverse=True)
        models = tuple(self.program.models[m] for m in used.tolist())
        relay = model_of(self.program.profile, 1, MEMORYLESS, False)
        relays = neurons - len(self.members[k])
        models = models if relay in models or not relays else (*models, relay)
        if len(models) > MAX_MODELS:
            raise limit("NMC-C005", f"core {k} needs {len(models)} neuron models", hint="fewer cores")
        last = np.full(relays, models.index(relay) if relays else 0, np.uint8)
        return models, np.concatenate([own.reshape(-1).astype(np.uint8), last])

    # --- synapses ---

    def _relay_axons(self, k: int) -> Piece:
        piece = self.from_neurons[k]
        return piece.chosen(piece.late > 0)

    def _core(self, k: int, populations: tuple[Population, ...], linked: list[Piece]) -> Core:
        own, fed, relayed = self.members[k], self.from_axons[k], linked[k]
        neurons, axons = populations[-1].stop if populations else 0, len(fed.source) + len(relayed.source)
        models, neuron_model = self._models(k, neurons)
        count = np.arange(len(fed.source))
        parts = fed.table(count, len(count)), relayed.table(np.arange(len(relayed.source)), len(relayed.source))
        steps = self.program.steps + int(self.extra.max(initial=0))
        reports = np.flatnonzero(reported(self.program)[own])
        program = replace(
            self.program,
            models=models,
            neuron_model=neuron_model,
            axons=_stacked(*parts),
            neurons=self._chained(k, neurons),
            populations=populations,
            inputs=(Input("axons", (steps, axons), 0, 1, 1.0, 0, every=1),)[: axons > 0],
            schedule=(),
            readouts=(_spikes(reports),)[: len(reports) > 0],
            steps=steps,
        )
        none = np.full(len(relayed.source), -1)
        neuron = np.concatenate([own, np.full(neurons - len(own), -1)])
        return Core(
            program=program,
            neuron=neuron,
            axon=np.concatenate([fed.source, none]),
            delay=np.concatenate([fed.late, 0 * none]),
            links=self._links(k, linked),
        )

    def _chained(self, k: int, neurons: int) -> Table:
        """Synapses that stay on the core as they are, and those from each stage of a chain of relays to the next."""
        piece, own = self.from_neurons[k], self.members[k]
        direct = piece.chosen(piece.late == 0)
        table = direct.table(self.local[direct.source], neurons)
        if not self.relay.shape[1]:
            return table
        chain = np.column_stack([self.local[own], self.relay[own]])
        source, target = chain[:, :-1][chain[:, 1:] >= 0], chain[:, 1:][chain[:, 1:] >= 0]
        order = np.argsort(source, kind="stable")
        source, target = source[order], target[order]
        # Relays have the highest numbers, so targets still ascend.
        at, degree = table.indptr[source + 1], np.bincount(source, minlength=neurons)
        return Table(
            table.indptr + np.append(0, np.cumsum(degree)),
            np.insert(table.target, at, target.astype(np.int32)),
            np.insert(table.weight, at, np.int16(1)),
        )

    def _links(self, k: int, linked: list[Piece]) -> Links:
        """Links from the neurons of core k to the relay axons of all cores."""
        source, core, axon = [], [], []
        for target, piece in enumerate(linked):
            mine = np.flatnonzero(self.core[piece.source] == k)
            neuron, late = piece.source[mine], piece.late[mine]
            chained = self.relay[neuron, np.maximum(late - 2, 0)] if self.relay.shape[1] else neuron
            source.append(np.where(late == 1, self.local[neuron], chained))
            core.append(np.full(len(mine), target))
            axon.append(len(self.from_axons[target].source) + mine)
        return Links(*map(np.concatenate, (source, core, axon)))


def _order(program: CriProgram, owner: IntArray, core: IntArray, extra: IntArray) -> IntArray:
    """Neurons by population, those together whose spikes go to the same cores, so that one route is good for all."""
    count = int(core.max(initial=0)) + 1
    words, sent = scrambled(count, 2), np.zeros(len(core), np.uint64)
    for _, source, target in synapse_blocks(program.neurons):
        away = extra[target] > extra[source]
        pairs = np.unique(source[away] * count + core[target[away]])
        np.add.at(sent, pairs // count, words[pairs % count])
    return np.lexsort((np.arange(len(core)), sent, owner))


def _spikes(neurons: IntArray) -> Readout:
    return Readout("spikes", "count", neurons.shape, neurons, np.zeros_like(neurons), np.ones(len(neurons)))


def _stacked(a: Table, b: Table) -> Table:
    """The sources of two tables one after the other."""
    indptr = np.append(a.indptr, a.indptr[-1] + b.indptr[1:])
    return Table(indptr, np.concatenate([a.target, b.target]), np.concatenate([a.weight, b.weight]))

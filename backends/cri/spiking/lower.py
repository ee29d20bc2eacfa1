"""From the integer frame graph of a spiking network to the table: populations, relays, synapses, biases, readout.

Every population takes one timestep: one of depth k does in timestep t + k what the network does in step t, because a
spike that arrives in timestep τ can make a neuron fire in τ + 1. A bias is a control axon that fires in timesteps
k − 1 … k + T − 2, so that it arrives with the input of every step, and in no other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Graph
from ....compiler.ir.ops import MaxPool, Quantize, Spike
from ....runtime.program.cri import CriProgram, Input, Profile, Readout
from ..tables import Ints, Progress, silent
from .builder import Builder
from .columns import Columns, Source
from .depths import Edge, depths
from .neurons import Planned
from .outputs import Wanted, choose, unique, wanted_outputs
from .populations import inhibit_themselves, planned_pool, planned_relay, planned_spikes
from .refusals import check_neurons, check_time, loop_problem
from .relays import Chained, Relays


class SpikingLowering:
    """One run, for one profile. `planned` holds the populations by the number of their neurons among the sources."""

    def __init__(self, graph: Graph, profile: Profile):
        self.graph, self.profile = graph, profile
        self.problems = Collector()
        self.steps = check_time(graph, self.problems)  # T, of the network
        self.columns = Columns(graph, self.problems)
        self.names: set[str] = set()
        self.planned: dict[int, Planned] = {}
        self.wanted: list[Wanted] = []
        self.readouts: list[Planned] = []

    def run(self, provenance: dict[str, Any], progress: Progress = silent) -> CriProgram:
        """NmcError NMC-C001 with all that the machine cannot hold, NMC-C002, C003, C005 for what is too large."""
        self._plan()
        self.problems.raise_if_any()
        self._set_depths()
        self.problems.raise_if_any()
        relays = self._relays()
        builder = Builder(self.profile, self.columns, relays, self.steps)
        self._build(builder, relays)
        inputs = tuple(self._input(number, relays.axon[number]) for number in relays.axon)
        readouts = tuple(self._readout(w, builder, relays) for w in self.wanted)
        return builder.program(inputs, readouts, provenance, progress)

    # --- what there is ---

    def _plan(self) -> None:
        for number, source in enumerate(self.columns.sources):
            if isinstance(source.node.op, Spike):
                name = unique(source.node.result.name, self.names)
                self.planned[number] = planned_spikes(name, source.node, self.columns)
            elif isinstance(source.node.op, MaxPool):
                name = unique(source.node.result.name, self.names)
                self.planned[number] = planned_pool(name, source.node, self.columns, self.problems)
        self.wanted = wanted_outputs(self.graph, self.problems)
        readouts: dict[object, Planned] = {}
        for wanted in self.wanted:
            choose(wanted, self.columns, readouts, self.names)
        self.readouts = list(readouts.values())

    @property
    def readers(self) -> list[tuple[int, Planned]]:
        """All populations by number; those of outputs come after the sources."""
        return [*self.planned.items(), *enumerate(self.readouts, len(self.columns.sources))]

    def _set_depths(self) -> None:
        sources, edges = self.columns.sources, []
        for number, made in self.readers:
            made.settle()
            edges += [Edge(source, number, states) for source, states in self.columns.split(made.used)]
            made.reach = self.columns.reach(made.synapses)
            check_neurons(self.profile, made, self.problems)
        inputs = [number for number, source in enumerate(sources) if source.is_input]
        found, loops = depths(len(sources) + len(self.readouts), inputs, edges)
        for loop in loops:
            loop_problem([sources[number].node for number in loop], self.problems)
        for number, made in self.readers:
            made.depth = found[number]
        for number, made in self.planned.items():
            sources[number].depth = made.depth

    def _relays(self) -> Relays:
        """What has to wait: for populations, and for outputs of trains of different depths, all read with the last."""
        relays = Relays(self.columns)
        for _, made in self.readers:
            relays.need(made.used, made.depth)
        for wanted in self.wanted:
            if wanted.column is not None:
                ends = (self.columns.sources[n].depth - states for n, states in self.columns.split(wanted.column))
                wanted.depth = max(ends, default=0)
                relays.need(wanted.column, wanted.depth + 1)
        return relays

    # --- where it lies ---

    def _build(self, builder: Builder, relays: Relays) -> None:
        """All populations get their neurons, each followed by its relays; then they get their synapses."""
        order: list[tuple[Planned, Chained | None]] = []
        first = 0
        for number, source in enumerate(self.columns.sources):
            if number in self.planned:
                made = self.planned[number]
                if made.soft and self.profile.compare == ">":
                    inhibit_themselves(made, source.first, self.columns.total)
                order.append((made, None))
                first += made.size
            for chained in relays.place(number, first):
                order.append((self._relay(source, chained), chained))
                first += order[-1][0].size
        order += [(made, None) for made in self.readouts]
        for made, chained in order:
            if chained is None:
                builder.add(made)
            else:
                builder.add_relay(made, chained)

    def _relay(self, source: Source, chained: Chained) -> Planned:
        """The population of one stage, with the shape of its source where it repeats all of it."""
        node, count = source.node, len(chained.synapses.row)
        name = node.x.name if source.is_input else node.result.name
        whole = source.bits == 1 and count == source.size
        shape = node.result.type.shape[1:] if whole else (count,)
        name = unique(f"{name}.relay{chained.stage}", self.names)
        return planned_relay(name, node.result.origin, shape, source.depth + chained.stage)

    def _input(self, number: int, first: int) -> Input:
        node = self.columns.sources[number].node
        op, name, shape = node.op, node.x.name, node.x.type.shape[1:]
        assert isinstance(op, Quantize)
        held = self.graph.timing[name].axis < 0
        entry = Input(name, shape if held else (self.steps, *shape), first, op.bits, op.scale, op.zero_point)
        return replace(entry, repeat=self.steps) if held else replace(entry, every=1)

    def _readout(self, wanted: Wanted, builder: Builder, relays: Relays) -> Readout:
        """An output: trains are seen when they fire, potentials in the timestep before, when their input arrives."""
        shape = wanted.node.result.type.shape[1:]
        if wanted.column is not None:
            count = int(wanted.column.max(initial=0)) + 1
            neurons: Ints = relays.numbers(wanted.column, wanted.depth + 1, count)[1][wanted.column]
            kind, first = "spikes" if wanted.by_step else "count", wanted.depth
        else:
            assert wanted.population is not None
            neurons, first = builder.neurons(wanted.population), wanted.population.depth - 1
            kind = "potentials" if wanted.by_step or not wanted.after_last else "potential"
        whole = (self.steps, *shape) if wanted.by_step else shape
        offset = np.zeros(len(neurons), np.int64)
        return Readout(wanted.name, kind, whole, neurons, offset, wanted.scale, first, self.steps, wanted.mean)

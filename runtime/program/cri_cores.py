"""A CRI program cut over several cores: what each core holds, and which spikes go from core to core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .cri import CriProgram, IntArray


@dataclass(frozen=True)
class Links:
    """Spikes that leave a core, and those that come back to it: when its neuron source[i] fires in a timestep, axon
    axon[i] of core[i] is active in the next. int64 [links] each; a core that several links of a neuron name is its own
    or another."""

    source: IntArray
    core: IntArray
    axon: IntArray


@dataclass(frozen=True)
class Core:
    """One core.

    program  its neurons, axons and synapses, as a program of its own. The train input `axons` says which axons are
             active when; those that links feed come last. The output `spikes` counts those of the neurons that outputs
             of the whole program read
    neuron   int64 [neurons], which neuron of the whole program each one is, −1 for a relay neuron
    axon     int64 [axons], which axon of the whole program each one repeats, −1 for a relay axon
    delay    int64 [axons], how many timesteps later it does so
    """

    program: CriProgram
    neuron: IntArray
    axon: IntArray
    delay: IntArray
    links: Links


@dataclass(frozen=True)
class Cores:
    """A program and its cores.

    core, local  int64 [neurons], the core of each neuron of the program, and its number there
    extra        int64 [neurons]: what the neuron does in timestep t of the program it does in timestep t + extra
    """

    program: CriProgram
    cores: tuple[Core, ...]
    core: IntArray
    local: IntArray
    extra: IntArray

    @property
    def latency(self) -> int:
        """Timesteps by which the run is longer than that of the program."""
        return int(self.extra.max(initial=0))

    @property
    def outputs(self) -> dict[str, int]:
        """Extra timesteps of each output, by name: those of the latest neuron that it reads."""
        return {r.name: int(self.extra[r.neuron].max(initial=0)) for r in self.program.readouts}

    @property
    def relay_neurons(self) -> int:
        return sum(int(np.count_nonzero(core.neuron < 0)) for core in self.cores)

    @property
    def relay_axons(self) -> int:
        return sum(len(core.links.axon) for core in self.cores)

    @property
    def messages(self) -> int:
        """Messages to other cores if every neuron fires once."""
        return sum(int(np.count_nonzero(core.links.core != k)) for k, core in enumerate(self.cores))

"""One rank's timestep: fire, send, work on what is there already, hear, settle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ..arith import Ints
from ..cri_engines import why_not_fast
from ..encode import Bools
from ..program.cri import CriProgram
from ..program.diagnostics import usage
from ..reference.neuron import Parameters, fit, start, taken
from ..reference.noise import Noise, noisy, perturbation, refuse_noise
from ..reference.synapses import add_input
from .exchange import Exchange
from .part import Part, Tables


class Halves(Protocol):
    """The neurons of a rank in `batch` samples, and the pieces of a timestep in the order in which they are called.

    Counters are those of `CriMachine` for these neurons and the synapses that lead to them.
    """

    synaptic_events: int
    spikes: int
    out_of_range: int

    @property
    def batch(self) -> int: ...
    def read(self, neurons: Ints) -> Ints: ...
    def fire(self) -> Bools:
        """Test, reset and leak; which neurons fired, bool [batch, k]."""
        ...

    def take_own(self) -> None:
        """Add up what arrives from those that fired."""
        ...

    def take_axons(self, active: Bools, first: int) -> None:
        """Add up what arrives from axons: active[:, i], bool [batch, …], is about axon first + i."""
        ...

    def settle(self) -> None:
        """Add the sums to the potentials."""
        ...


class RankMachine:
    """The part of one rank as a machine; every rank must make the same steps."""

    def __init__(self, halves: Halves, exchange: Exchange):
        self._halves, self._exchange = halves, exchange

    @property
    def batch(self) -> int:
        return self._halves.batch

    @property
    def synaptic_events(self) -> int:
        return self._halves.synaptic_events

    @property
    def spikes(self) -> int:
        return self._halves.spikes

    @property
    def out_of_range(self) -> int:
        return self._halves.out_of_range

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons of the rank, int64 [batch, len(neurons)]."""
        return self._halves.read(neurons)

    def step(self, axons: Bools) -> Bools:
        """One timestep: `axons`, bool [batch, axons that the rank hears]; returns which of its neurons fired."""
        fired = self._halves.fire()
        self._exchange.start(fired)
        self._halves.take_axons(axons, 0)
        self._halves.take_own()
        self._halves.take_axons(self._exchange.finish(self.batch), axons.shape[1])
        self._halves.settle()
        return fired


class ReferenceHalves:
    """`Halves` in plain numpy: `CriMachine.step` in pieces."""

    def __init__(self, program: CriProgram, part: Part, tables: Tables, batch: int, noise: Noise | None):
        self._profile, self._own, self._tables = program.profile, part.own, tables
        self._all = len(program.neuron_model)
        self._parameters = Parameters.of_models(program.models, program.neuron_model[part.own])
        some = noisy(Parameters.of(program).shift, program.profile).any()
        self._noise = noise if some else None
        self._v = np.zeros((batch, len(part.own)), np.int64)
        self._fired, self._total = np.zeros(self._v.shape, np.bool_), np.zeros_like(self._v)
        self._waiting = self._parameters.at_rest(self._v.shape)
        self.synaptic_events = self.spikes = self.out_of_range = 0

    @property
    def batch(self) -> int:
        return len(self._v)

    def read(self, neurons: Ints) -> Ints:
        return self._v[:, neurons]

    def fire(self) -> Bools:
        begun = start(self._v, self._waiting, self._parameters, self._profile, self._drawn())
        self._fired, self._v, self._waiting, misfits = begun
        self._total = np.zeros_like(self._v)
        self.out_of_range += misfits
        self.spikes += int(np.count_nonzero(self._fired))
        return self._fired

    def take_own(self) -> None:
        self.synaptic_events += add_input(self._total, self._tables.neurons, self._fired)

    def take_axons(self, active: Bools, first: int) -> None:
        every = np.zeros((self.batch, self._tables.axons.sources), np.bool_)
        every[:, first : first + active.shape[1]] = active
        self.synaptic_events += add_input(self._total, self._tables.axons, every)

    def settle(self) -> None:
        self._v, misfits = fit(self._v + taken(self._total, self._waiting), self._profile)
        self.out_of_range += misfits

    def _drawn(self) -> Ints | None:
        """The noise of one timestep: words for all neurons of the program, of which the rank takes its own."""
        if self._noise is None:
            return None
        words = self._noise.words(self._all)[:, self._own]
        return perturbation(words, self._parameters.shift, self._profile)


Make = Callable[[int, int], Halves]  # for so many samples, from a number on


def reference(program: CriProgram, part: Part, tables: Tables, seed: int | None) -> Make:
    """NmcError NMC-R008 for noise without a seed."""
    if seed is None:
        hint = "a seed makes it repeatable: nmc simulate --seed 1"
        refuse_noise(Parameters.of(program).shift, program.profile, hint)

    def make(batch: int, first: int) -> Halves:
        return ReferenceHalves(program, part, tables, batch, None if seed is None else Noise(seed, first, batch))

    return make


def fast(program: CriProgram, part: Part, tables: Tables, seed: int | None) -> Make:
    """NmcError NMC-R009 where the fast engine cannot run the program."""
    why = why_not_fast(program)
    if why:
        hint = "the engine 'auto' takes the reference where it has to"
        raise usage("NMC-R009", "the engine 'fast' cannot run this program", why=why, hint=hint)
    from ..fast.cri import Network, channels_innermost
    from ..fast.halves import FastHalves

    place = channels_innermost([p.shape for p in program.populations], len(program.neuron_model))[part.own]
    order = np.empty(len(place), np.int32)
    order[np.argsort(place)] = np.arange(len(place), dtype=np.int32)
    parameters = Parameters.of_models(program.models, program.neuron_model[part.own])
    network = Network.in_order(order, program.profile, parameters, tables.axons, tables.neurons)
    return lambda batch, first: FastHalves(network, batch)


def auto(program: CriProgram, part: Part, tables: Tables, seed: int | None) -> Make:
    """The fast engine where it can, else the reference."""
    return (reference if why_not_fast(program) else fast)(program, part, tables, seed)


ENGINES = {"auto": auto, "fast": fast, "reference": reference}

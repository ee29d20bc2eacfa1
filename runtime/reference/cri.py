"""The CRI machine in plain numpy: this simulator is what a CRI program means."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..arith import Ints
from ..program.cri import CriProgram, Profile, Table
from .neuron import Bools, Parameters, fit, start, taken
from .noise import Noise, noisy, perturbation, refuse_noise
from .synapses import add_input


class CriMachine:
    """`batch` independent copies of one network, advanced together.

    synaptic_events   synapses of all axons and neurons that were active, summed over steps and copies
    spikes            neurons that fired, likewise
    out_of_range      potentials that left the profile's width and were clamped or wrapped, likewise
    waiting           timesteps that each neuron still rests after a spike, int64 [batch, n]; None where none ever does
    """

    def __init__(
        self,
        profile: Profile,
        parameters: Parameters,
        axons: Table,
        neurons: Table,
        batch: int = 1,
        noise: Noise | None = None,
    ):
        """NmcError NMC-R008 (unsupported) where a neuron has noise and `noise`, for `batch` samples, is missing."""
        if noise is None:
            refuse_noise(parameters.shift, profile, "a seed makes it repeatable: nmc simulate --seed 1")
        self.profile, self.parameters = profile, parameters
        self.axons, self.neurons = axons, neurons
        self._noise = noise if noisy(parameters.shift, profile).any() else None
        self._v = np.zeros((batch, neurons.sources), np.int64)
        self.waiting = parameters.at_rest(self._v.shape)
        self.synaptic_events = self.spikes = self.out_of_range = 0

    @classmethod
    def of(cls, program: CriProgram, batch: int = 1, noise: Noise | None = None) -> CriMachine:
        return cls(program.profile, Parameters.of(program), program.axons, program.neurons, batch, noise)

    @property
    def batch(self) -> int:
        return len(self._v)

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons, int64 [batch, len(neurons)]."""
        return self._v[:, neurons]

    @property
    def potentials(self) -> Ints:
        """V, int64 [batch, n]: a copy, and settable from anything that broadcasts to that shape."""
        return self._v.copy()

    @potentials.setter
    def potentials(self, values: ArrayLike) -> None:
        given = np.broadcast_to(np.asarray(values, np.int64), self._v.shape)
        if fit(given, self.profile)[1]:
            raise ValueError(f"a potential exceeds {self.profile.width} bits")
        self._v = given.copy()

    def reset(self) -> None:
        """Clear all potentials, as the host does between samples. The counters go on, and so does the noise."""
        self._v = np.zeros_like(self._v)
        self.waiting = self.parameters.at_rest(self._v.shape)

    def step(self, axons: Bools) -> Bools:
        """One timestep: `axons` bool [batch, axons] are active; returns the neurons that fired, bool [batch, n].

        Fire, reset, leak, then input. The test sees the potentials of the step before, so what arrives now can make
        a neuron fire in the next step at the earliest. All input of a step is added up before the width matters.
        """
        fired, v, self.waiting, misfits = start(self._v, self.waiting, self.parameters, self.profile, self._drawn())
        total = np.zeros(v.shape, np.int64)
        self.synaptic_events += add_input(total, self.axons, axons) + add_input(total, self.neurons, fired)
        self._v, more = fit(v + taken(total, self.waiting), self.profile)
        self.out_of_range += misfits + more
        self.spikes += int(np.count_nonzero(fired))
        return fired

    def _drawn(self) -> Ints | None:
        """The noise of one timestep, [batch, n]."""
        if self._noise is None:
            return None
        words = self._noise.words(self.neurons.sources)
        return perturbation(words, self.parameters.shift, self.profile)

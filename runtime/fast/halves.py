"""A timestep in pieces, for a rank that hears in the middle of it which neurons of other ranks fired."""

from __future__ import annotations

import numpy as np

from ..arith import Ints
from ..encode import Bools
from .cri import Network
from .fanout import Fanout, Int32s
from .jit import compiled
from .kernel import Neurons, Sums, Width, fire, scatter, settle


class FastHalves:
    """`Halves` (runtime/mpi/machine.py), compiled; equal to the reference in every bit and count. One thread."""

    def __init__(self, network: Network, batch: int):
        self._network = network
        size, sources = len(network.place), len(network.axons.degree)
        self._v = np.zeros((batch, size), np.int64)
        self._sums = np.zeros((batch, size), network.sums)
        self._listed = np.zeros((batch, size), np.int32)  # the neurons that fired, in the engine's order
        self._count = np.zeros(batch, np.int64)
        self._active = np.zeros(sources, np.int32)
        self.synaptic_events = self.spikes = self.out_of_range = 0

    @property
    def batch(self) -> int:
        return len(self._v)

    def read(self, neurons: Ints) -> Ints:
        return self._v[:, self._network.place[neurons]]

    def fire(self) -> Bools:
        fired, net = np.zeros(self._v.shape, np.bool_), self._network
        self.out_of_range += _fire_all(self._v, self._listed, self._count, fired, net.neurons, net.width)
        self.spikes += int(self._count.sum())
        return fired

    def take_own(self) -> None:
        self.synaptic_events += _add_own(self._sums, self._listed, self._count, self._network.synapses)

    def take_axons(self, active: Bools, first: int) -> None:
        self.synaptic_events += _add_axons(self._sums, self._active, active, first, self._network.axons)

    def settle(self) -> None:
        self.out_of_range += _settle_all(self._v, self._sums, self._network.width)


@compiled
def _fire_all(v: Ints, listed: Int32s, count: Ints, fired: Bools, neurons: Neurons, width: Width) -> int:
    """What `advance` does before synapses are read, for all samples; how many potentials did not fit."""
    misfits = 0
    for b in range(len(v)):
        count[b], out = fire(v[b], listed[b], neurons, width)
        misfits += out
        for i in range(count[b]):
            listed[b, i] = neurons.origin[listed[b, i]]
            fired[b, listed[b, i]] = True
    return misfits


@compiled
def _add_own(sums: Sums, listed: Int32s, count: Ints, fanout: Fanout) -> int:
    """Add the synapses of the listed neurons; how many they are."""
    events = 0
    for b in range(len(sums)):
        events += scatter(sums[b], listed[b, : count[b]], fanout)
    return events


@compiled
def _add_axons(sums: Sums, listed: Int32s, active: Bools, first: int, fanout: Fanout) -> int:
    """Add the synapses of axons; active[b, i] is about axon first + i. How many they are."""
    events = 0
    for b in range(len(sums)):
        count = 0
        for i in range(active.shape[1]):
            if active[b, i]:
                listed[count] = first + i
                count += 1
        events += scatter(sums[b], listed[:count], fanout)
    return events


@compiled
def _settle_all(v: Ints, sums: Sums, width: Width) -> int:
    """Add the sums to the potentials and clear them; how many did not fit."""
    misfits = 0
    for b in range(len(v)):
        misfits += settle(v[b], sums[b], width)
    return misfits

"""The event engine: the CRI machine with compiled timesteps, equal to the reference in every bit and count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..arith import Ints
from ..encode import Bools
from ..program.cri import CriProgram, Profile, Table
from ..reference.neuron import ANN, COUNTER, IF, Parameters, fit
from .fanout import Fanout, Int32s, fanout
from .jit import cores
from .kernel import CLEAR, COUNT, KEEP, LEAK, QUIRK, Neurons, Width, advance

Shapes = Sequence[tuple[int, ...]]

LEAST_WORK = 1 << 16  # potentials of one timestep from which on a second thread is worth its start
NARROW = 2**31  # below this bound the input of a timestep is summed in int32


@dataclass(frozen=True)
class Network:
    """What all machines of one program share.

    place  int32 [n]: where a neuron of the program stands in the engine's order
    sums   the integers in which the input of a timestep is added up: int32 where no sum can leave it, else int64
    """

    profile: Profile
    place: Int32s
    sums: type[np.signedinteger[Any]]
    neurons: Neurons
    width: Width
    axons: Fanout
    synapses: Fanout

    @classmethod
    def of(cls, profile: Profile, parameters: Parameters, axons: Table, neurons: Table, shapes: Shapes) -> Network:
        """`shapes` are those of the populations, one after another. Noise is left out."""
        place = channels_innermost(shapes, neurons.sources)
        return cls.in_order(place, profile, parameters, axons, neurons)

    @classmethod
    def in_order(cls, place: Int32s, profile: Profile, parameters: Parameters, axons: Table, neurons: Table) -> Network:
        """`place` is where each neuron stands, where that helps."""
        plain = np.arange(neurons.sources, dtype=np.int32)
        made = cls._with(place, profile, parameters, axons, neurons)
        if len(made.axons.template) or len(made.synapses.template) or np.array_equal(place, plain):
            return made
        # No order has anything for it, so the program's it is: then no table needs to be copied.
        return cls._with(plain, profile, parameters, axons, neurons)

    @classmethod
    def _with(cls, place: Int32s, profile: Profile, parameters: Parameters, axons: Table, neurons: Table) -> Network:
        bound = np.zeros(neurons.sources, np.int64)
        fanouts = fanout(axons, place, bound), fanout(neurons, place, bound)
        sums = np.int32 if bound.max(initial=0) < NARROW else np.int64
        half = 2 ** (profile.width - 1)
        width = Width(-half, half - 1, profile.overflow == "wrap")
        return cls(profile, place, sums, _neurons(parameters, profile, place), width, *fanouts)

    @classmethod
    def of_program(cls, program: CriProgram) -> Network:
        """The network of a program without noise."""
        shapes = [p.shape for p in program.populations]
        return cls.of(program.profile, Parameters.of(program), program.axons, program.neurons, shapes)

    def machine(self, batch: int = 1, threads: int | None = None) -> FastMachine:
        return FastMachine(self, batch, threads)


class FastMachine:
    """The interface of `CriMachine` (runtime/reference/cri.py), compiled.

    Threads share the samples of a batch, by default as many as are worth it; no result depends on their number.
    """

    def __init__(self, network: Network, batch: int = 1, threads: int | None = None):
        self.network = network
        size = len(network.place)
        self._v = np.zeros((batch, size), np.int64)
        wanted = min(cores(), 1 + self._v.size // LEAST_WORK) if threads is None else threads
        count = max(1, min(batch, wanted))
        self._bounds = [batch * i // count for i in range(count + 1)]
        listed = max(size, len(network.axons.degree))
        self._scratch = [(np.zeros(size, network.sums), np.zeros(listed, np.int32)) for _ in range(count)]
        self._pool = ThreadPoolExecutor(count - 1) if count > 1 else None
        self.synaptic_events = self.spikes = self.out_of_range = 0

    @property
    def batch(self) -> int:
        return len(self._v)

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons, int64 [batch, len(neurons)]."""
        return self._v[:, self.network.place[neurons]]

    @property
    def potentials(self) -> Ints:
        """V, int64 [batch, n]: a copy, and settable from anything that broadcasts to that shape."""
        return self._v[:, self.network.place]

    @potentials.setter
    def potentials(self, values: ArrayLike) -> None:
        given = np.broadcast_to(np.asarray(values, np.int64), self._v.shape)
        if fit(given, self.network.profile)[1]:
            raise ValueError(f"a potential exceeds {self.network.profile.width} bits")
        self._v[:, self.network.place] = given

    def reset(self) -> None:
        """Clear all potentials, as the host does between samples. The counters go on."""
        self._v[:] = 0

    def step(self, axons: Bools) -> Bools:
        """One timestep: `axons` bool [batch, axons] are active; returns the neurons that fired, bool [batch, n]."""
        given, fired = np.ascontiguousarray(axons), np.zeros(self._v.shape, np.bool_)
        parts = range(len(self._scratch))
        others = [self._pool.submit(self._advance, part, given, fired) for part in parts[1:]] if self._pool else []
        for events, spikes, misfits in (self._advance(0, given, fired), *(other.result() for other in others)):
            self.synaptic_events += events
            self.spikes += spikes
            self.out_of_range += misfits
        return fired

    def _advance(self, part: int, axons: Bools, fired: Bools) -> tuple[int, int, int]:
        low, high = self._bounds[part : part + 2]
        net = self.network
        return advance(
            low, high, self._v, *self._scratch[part], axons, fired, net.neurons, net.width, net.axons, net.synapses
        )


def channels_innermost(shapes: Shapes, neurons: int) -> Int32s:
    """Places of neurons when the first axis of each population, its channels, becomes the last."""
    place, first = np.arange(neurons, dtype=np.int32), 0
    for shape in shapes:
        numbers = np.arange(first, first + math.prod(shape), dtype=np.int32)
        if len(shape) > 1:
            place[np.moveaxis(numbers.reshape(shape), 0, -1).ravel()] = numbers
        first += len(numbers)
    return place


def _neurons(parameters: Parameters, profile: Profile, place: Int32s) -> Neurons:
    origin = np.argsort(place).astype(np.int32)
    code, leak = parameters.code[origin], parameters.leak[origin]
    rule = np.full(len(origin), LEAK, np.uint8)
    if profile.leak == "floor63":
        rule[leak == 63], rule[leak == 64] = QUIRK, KEEP
    if profile.ann_clears:
        rule[code == ANN] = CLEAR
    rule[code == COUNTER], rule[code == IF] = COUNT, KEEP
    return Neurons(
        threshold=parameters.threshold[origin],
        origin=origin,
        rule=rule,
        leak=np.minimum(leak, 63).astype(np.uint8),
        soft=np.zeros(len(origin), np.bool_) if parameters.soft is None else parameters.soft[origin],
        inclusive=profile.compare == ">=",
        steady=bool(np.all(rule == KEEP)),
        mask=2**profile.width - 1 if profile.leak == "logical" else -1,
    )

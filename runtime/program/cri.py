"""A CRI program: axons, synapses, integer neurons, and what the host does at which timestep.

The tables are data only. All indices count from 0: axons in the order of their first use by an input or a schedule
phase, neurons population after population, row-major within a population's shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .framed import classes_of
from .records import OPTIONAL
from .task import NO_TASK, Task
from .timing import Timing

IntArray = NDArray[np.int64]
BLOCK = 1 << 20  # synapses that are handled at once where work on all of them would need many times their memory


@dataclass(frozen=True)
class Profile:
    """What one build of the machine does where builds differ (docs/cri.md has the table).

    compare     ">=" or ">": when a neuron fires against its threshold
    width       bits of a potential, signed
    overflow    "saturate" or "wrap"
    leak        "floor": V − floor(V / 2^leak); "floor63": the same, but leak 63 adds 1 to positive potentials (the
                vendor's simulator); "logical": the shift sees the `width`-bit pattern as an unsigned number
    ann_clears  a model 0 neuron that does not fire is set to 0 (else it leaks like model 2)
    no_leak     (model code, leak) that means "no leak" in this build
    noise_off   the noise shift that means "no noise" in this build
    soft_reset  whether a neuron may keep V − threshold when it fires
    refractory  whether a neuron may rest after it fired
    """

    name: str
    compare: str
    width: int
    overflow: str
    leak: str
    ann_clears: bool
    no_leak: tuple[int, int]
    noise_off: int
    soft_reset: bool = field(default=False, metadata=OPTIONAL)
    refractory: bool = field(default=False, metadata=OPTIONAL)

    @property
    def noise(self) -> str:
        """How the build adds noise, which goes with its leak: "before" the test to all neurons (the vendor's
        simulator), else after it to LIF neurons that did not fire, shifted to the right without ("halves") or with
        ("whole") the sign bit."""
        return {"floor63": "before", "floor": "halves", "logical": "whole"}[self.leak]


@dataclass(frozen=True, order=True)
class NeuronModel:
    """One parameter slot: code (0 ANN, 1 counter, 2 LIF, 3 IF), threshold as programmed, leak exponent, noise shift.

    A neuron that fires is set to 0, a `soft` one to V − threshold. It is not tested in the `refractory` timesteps, 0 to
    7, after a spike, and loses its input in as many, from the timestep of the spike on.
    """

    code: int
    threshold: int
    leak: int
    shift: int
    soft: bool = field(default=False, metadata=OPTIONAL)
    refractory: int = field(default=0, metadata=OPTIONAL)


@dataclass(frozen=True)
class Population:
    """Neurons `first … first+size−1`, one per element of `shape`.

    kind  unary    fires in the last `count` steps of `window` (first, last timestep), 0 ≤ count ≤ `levels`
          spiking  a neuron of a spiking network: what it does in step t of the source network it does in timestep
                   window[0] + t, window[0] being the population's depth
          relay    repeats, one timestep later, spikes that deeper neurons need later
          or       fires one timestep after any of its sources
          readout  never fires; its potentials are an output
          plain    none of these (networks of other tools)
    """

    name: str
    kind: str
    first: int
    shape: tuple[int, ...]
    levels: int = 0
    window: tuple[int, int] = (0, 0)
    origin: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        return self.first + self.size


@dataclass(frozen=True)
class Input:
    """How the host turns one graph input into axon activity: axon first + bits·e + k stands for bit k of element e.

    code = clip(round_half_even(x / scale) + zero_point, 0, 2^bits − 1); a set bit fires its axon in timestep `step`.
    With `every` above 0 the input is a train: the first axis of `shape` is time, and row t fires in timestep
    step + t · every. With `repeat` above 1 the input is held: it fires in timesteps step … step + repeat − 1.
    """

    name: str
    shape: tuple[int, ...]
    first: int
    bits: int
    scale: float
    zero_point: int
    step: int = 0
    every: int = field(default=0, metadata=OPTIONAL)
    repeat: int = field(default=1, metadata=OPTIONAL)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """What fires in one timestep."""
        return self.shape[1:] if self.every else self.shape

    @property
    def axons(self) -> int:
        return self.bits * math.prod(self.row_shape)

    @property
    def steps(self) -> range:
        """The timesteps in which rows fire, in order."""
        rows = self.shape[0] if self.every else self.repeat
        return range(self.step, self.step + rows * max(self.every, 1), max(self.every, 1))


@dataclass(frozen=True)
class Phase:
    """Control axons first … first+count−1 fire in every timestep start, start+period, … ≤ stop."""

    name: str
    first: int
    count: int
    start: int
    stop: int
    period: int = 1


@dataclass(frozen=True)
class Readout:
    """How the host makes one graph output (`shape` per sample) from neurons `neuron[e]`.

    kind "count"       integer = number of spikes + offset
         "potential"   integer = V + offset after the last timestep
         "spikes"      a row for each timestep of the window: integer = 1 where the neuron fired, 0 elsewhere, + offset
         "potentials"  likewise: integer = V + offset after the timestep

    The window is the whole run, or, with `rows` above 0, timesteps first … first + rows − 1. The first axis of `shape`
    is time for the last two kinds, unless `mean` is set: then their integer is the sum over the rows. The float output
    is integer · scale, with `mean` integer · scale / rows. All three arrays have one entry per element of a row,
    row-major. Of a network of clips, `axis` is the position of its frames in (samples, *shape); −1 where there is none.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    neuron: IntArray
    offset: IntArray
    scale: NDArray[np.float64]
    first: int = field(default=0, metadata=OPTIONAL)
    rows: int = field(default=0, metadata=OPTIONAL)
    mean: bool = field(default=False, metadata=OPTIONAL)
    axis: int = field(default=-1, metadata=OPTIONAL)

    @property
    def by_step(self) -> bool:
        """Has the output a time axis?"""
        return self.kind in ("spikes", "potentials") and not self.mean

    @property
    def timing(self) -> Timing:
        """Its elements in time: timesteps, frames of a clip that is held whole, or one."""
        axis = 1 if self.by_step else self.axis
        return Timing(0, length=self.shape[axis - 1], axis=axis) if axis > 0 else Timing(0)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """What is read in one timestep."""
        return self.shape[1:] if self.by_step else self.shape


@dataclass(frozen=True)
class Table:
    """Synapses in CSR form: source s reaches target[indptr[s]:indptr[s+1]] with int16 weights."""

    indptr: IntArray
    target: NDArray[np.int32]
    weight: NDArray[np.int16]

    @property
    def sources(self) -> int:
        return len(self.indptr) - 1

    @property
    def synapses(self) -> int:
        return len(self.target)


def source_blocks(indptr: IntArray) -> Iterator[tuple[int, int]]:
    """Ranges low … high−1 of sources that together are all sources, each of about BLOCK synapses or one source."""
    low, sources = 0, len(indptr) - 1
    while low < sources:
        high = max(low + 1, int(np.searchsorted(indptr, indptr[low] + BLOCK, side="right")) - 1)
        yield low, min(high, sources)
        low = high


@dataclass(frozen=True)
class CriProgram:
    """Everything a board or simulator needs to run one network, and what a user needs to recognise it."""

    target = "cri"

    profile: Profile
    models: tuple[NeuronModel, ...]
    neuron_model: NDArray[np.uint8]
    axons: Table
    neurons: Table
    populations: tuple[Population, ...]
    inputs: tuple[Input, ...]
    schedule: tuple[Phase, ...]
    readouts: tuple[Readout, ...]
    steps: int
    provenance: dict[str, Any] = field(default_factory=dict)
    task: Task = field(default=NO_TASK, metadata=OPTIONAL)

    @property
    def timesteps(self) -> int:
        """Steps of the source network that a program of a spiking network runs; 0 for other programs."""
        return max((readout.rows for readout in self.readouts), default=0)

    @property
    def scored(self) -> dict[str, int | None]:
        """The number of classes that each output scores (`classes_of`)."""
        return {entry.name: classes_of(entry.shape, entry.timing.axis) for entry in self.readouts}

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import cri_table

        return cri_table(self)

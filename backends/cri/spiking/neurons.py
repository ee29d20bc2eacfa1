"""Populations of a spiking network before they have a place, and the neuron models they need."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ....compiler.ir.ops.base import Array
from ....compiler.ir.ops.neuron import NO_LEAK
from ....runtime.program.cri import NeuronModel, Profile
from ..paths import Paths
from ..tables import Ints

MEMORYLESS = 0
LARGEST_SHIFT = 62
FAR = 2.0**62


@dataclass
class Planned:
    """A population to be.

    synapses   paths from columns to its neurons (columns.py), settled; the constant part is a bias of every step
    threshold  of V ≥ threshold, and leak: integers that broadcast to `shape`; without a threshold it never fires
    depth      its neurons fire in timestep t + depth for step t of the network, see depths.py
    used       the columns that it reads
    reach      for each neuron the largest input of one step, and the lowest one as a positive number
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    origin: tuple[str, ...]
    synapses: Paths
    leak: Array
    threshold: Array | None = None
    soft: bool = False
    depth: int = 0
    used: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    reach: tuple[Ints, Ints] = field(default_factory=lambda: (np.zeros(0, np.int64), np.zeros(0, np.int64)))

    @property
    def size(self) -> int:
        return len(self.synapses.const)

    @property
    def columns(self) -> int:
        """Columns up to the last one that the synapses speak of."""
        return self.synapses.highest() + 1

    def settle(self) -> None:
        """Merge what is double in the synapses, and note which columns they come from."""
        self.synapses = self.synapses.settled(self.columns)
        self.used = np.flatnonzero(self.synapses.degrees(self.columns))

    def of_neurons(self, parameter: Array) -> Ints:
        """A parameter for each neuron."""
        return np.broadcast_to(parameter, (1, *self.shape)).reshape(-1).astype(np.int64)


def unreachable(profile: Profile) -> int:
    """The threshold that no potential of the profile's width gets to, by its own comparison."""
    top = 2 ** (profile.width - 1)
    return top if profile.compare == ">=" else top - 1


def model_of(profile: Profile, threshold: int | None, leak: int, soft: bool) -> NeuronModel:
    """The parameters that make a neuron of this build fire at V ≥ threshold (None: never) and leak by 2^−leak."""
    never = unreachable(profile)
    strict = int(profile.compare == ">")
    programmed = never if threshold is None else min(threshold - strict, never)
    if leak >= NO_LEAK:
        code, exponent = profile.no_leak
    elif leak == MEMORYLESS:
        code, exponent = 0, 0
    else:
        # From 62 on V − floor(V / 2^leak) is the same for all potentials there are; 63 is another thing in `sim`.
        code, exponent = 2, min(leak, LARGEST_SHIFT)
    return NeuronModel(code, programmed, exponent, profile.noise_off, soft)


def models_of(profile: Profile, made: Planned) -> tuple[list[NeuronModel], Ints]:
    """The distinct models of a population, and which of them each neuron has."""
    threshold = np.zeros((), np.int64) if made.threshold is None else made.threshold
    both = np.broadcast_arrays(threshold, made.leak)
    values, which = np.unique(np.stack([part.reshape(-1) for part in both]), axis=1, return_inverse=True)
    silent = made.threshold is None
    models = [model_of(profile, None if silent else int(t), int(k), made.soft) for t, k in values.T]
    return models, made.of_neurons(which.reshape(both[0].shape))


def largest_potentials(made: Planned, steps: int) -> Ints:
    """Bounds of |V| for `steps` steps of the input that may reach each neuron.

    A sum over all steps grows by its input; a leaking one stops where the leak takes what comes, at about
    input · 2^leak. A neuron with hard reset starts every step below its threshold.
    """
    leak, bounds = made.of_neurons(made.leak), []
    for given in (side.astype(np.float64) for side in made.reach):
        factor = np.where(leak >= NO_LEAK, np.inf, np.exp2(np.minimum(leak, LARGEST_SHIFT)))
        with np.errstate(invalid="ignore"):
            rest = np.where(given > 0, (given + 1) * factor + given, 0.0)
        bounds.append(np.minimum(given * steps, np.where((leak == MEMORYLESS) & (not made.soft), given, rest)))
    if made.threshold is not None and not made.soft:
        below = np.maximum(made.of_neurons(made.threshold) - 1, 0)
        bounds[0] = np.minimum(bounds[0], below + made.reach[0].astype(np.float64))
    return np.minimum(np.maximum(*bounds), FAR).astype(np.int64)

"""Control axons of the unary code: hold, release and ramp, split so that the machine can hold them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...compiler.diagnostics import limit
from ...compiler.ir.ops.base import Array
from ...runtime.program.cri import Phase
from .affine import Entries
from .tables import INT16

# 4,096 neurons in a row have 256 in each of the 16 columns: both limits of a source at once.
TARGETS = 4096
# Synapses of one phase: beyond, weights of wildly different sizes would fill the memory with control axons.
MOST_SYNAPSES = 2**24


def pieces(amounts: Array) -> list[Array]:
    """Integers as a sum of as few int16 arrays as hold the largest of them."""
    count = max(1, -(-int(np.abs(amounts).max(initial=0)) // INT16))
    return [amounts // count + (j < amounts % count) for j in range(count)]


@dataclass
class Control:
    """Collects control axons (numbered from `first`), their synapses, and the schedule."""

    first: int
    schedule: list[Phase] = field(default_factory=list)
    axon: list[Array] = field(default_factory=list)
    target: list[Array] = field(default_factory=list)
    weight: list[Array] = field(default_factory=list)
    count: int = 0

    def add(self, name: str, first_neuron: int, amounts: Array, start: int, stop: int) -> None:
        """In every timestep start … stop, add amounts[i] to neuron first_neuron + i."""
        begin = self.count
        self._check(name, amounts)
        for piece in pieces(amounts):
            for chunk in range(0, len(piece), TARGETS):
                part = piece[chunk : chunk + TARGETS]
                targets = np.flatnonzero(part)
                if len(targets):
                    self.axon.append(np.full(len(targets), self.first + self.count))
                    self.target.append(targets + first_neuron + chunk)
                    self.weight.append(part[targets])
                    self.count += 1
        if self.count > begin:
            self.schedule.append(Phase(name, self.first + begin, self.count - begin, start, stop))

    def _check(self, name: str, amounts: Array) -> None:
        """NmcError NMC-C003 if the phase takes more than MOST_SYNAPSES synapses."""
        most = int(np.abs(amounts).max(initial=0))
        needed = -(-most // INT16) * len(amounts)
        if needed > MOST_SYNAPSES:
            raise limit(
                "NMC-C003",
                f"potentials of %{name.rsplit('.', 1)[0]} are moved by {most} at once",
                why=f"a synapse adds at most {INT16}: that is {needed} synapses, at most {MOST_SYNAPSES} are made",
                hint="the training diverged, or a bias dwarfs the weights beside it; else fewer timesteps",
            )

    def hold(self, name: str, first_neuron: int, bound: Array, start: int) -> Array:
        """Charge the neurons to −B ≤ −bound by the end of timestep `start`; returns B.

        One axon fires in several timesteps where B exceeds a weight and there is time before `start`.
        """
        repeats = max(1, min(start + 1, -(-int(bound.max(initial=0)) // INT16)))
        each = -(-bound // repeats)
        self.add(f"{name}.hold", first_neuron, -each, start - repeats + 1, start)
        return each * repeats

    def entries(self) -> Entries:
        """All synapses of the control axons."""
        nothing = np.zeros(0, np.int64)
        return Entries(*(np.concatenate([nothing, *parts]) for parts in (self.target, self.axon, self.weight)))

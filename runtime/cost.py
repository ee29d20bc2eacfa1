"""What a timestep costs on one core of the CRI machine: memory accesses, cycles, energy (docs/cri.md).

The accesses are counted as the hardware counts them. The cycles are an estimate from its state machines, never compared
with a measurement; the energy is that of the memory's bits alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .arith import Ints
from .program.cri import NeuronModel, Population, Profile
from .program.cri_image import COLUMNS, PAIR_BYTES, Footprint, pointer_words
from .reference.neuron import Bools, Parameters, start
from .reference.noise import refuse_noise

MICROPHASE = 8192
"""Neurons or axons that the core handles between two waits."""


@dataclass(frozen=True)
class Constants:
    """What the estimates rest on; none of it is measured.

    core_mhz, hbm_mhz    clocks of the core and of the memory's side
    start, model_switch  core cycles before the first neuron, and for each parameter set but the first
    pointer_latency      core cycles before the first pointers arrive
    burst_rows           rows read in one burst, and burst_gap the memory cycles lost with each
    drain_hbm, drain     memory and core cycles waited after each microphase
    tail                 core cycles waited for the last spikes
    pj_per_bit           energy of a bit read from HBM2; 3.9 to 7 pJ are published
    """

    core_mhz: int = 125
    hbm_mhz: int = 225
    start: int = 6
    model_switch: int = 4
    pointer_latency: int = 0
    burst_rows: int = 16
    burst_gap: int = 2
    drain_hbm: int = 286
    drain: int = 20
    tail: int = 255
    pj_per_bit: float = 5.0

    def core_cycles(self, memory_cycles: Ints | int) -> Any:
        """Core cycles that so many cycles of the memory's clock take, rounded up."""
        return -(-memory_cycles * self.core_mhz // self.hbm_mhz)


CONSTANTS: dict[str, Constants] = {"hw2024": Constants(core_mhz=225, hbm_mhz=450)}
"""By profile, where they differ from the default."""


@dataclass(frozen=True)
class StepCost:
    """One timestep of each sample: pairs of rows read and core cycles of the four parts, int64 [samples] each."""

    pointers: Ints
    synapses: Ints
    phase0: Ints
    phase1: Ints
    phase2: Ints
    waits: Ints

    @property
    def accesses(self) -> Ints:
        """hbm_access as the hardware counts it: words of 512 bits."""
        return self.pointers + self.synapses

    @property
    def cycles(self) -> Ints:
        return self.phase0 + self.phase1 + self.phase2 + self.waits


PARTS = tuple(part.name for part in fields(StepCost))


class Meter:
    """Costs of `batch` samples, from potential 0 on, timestep by timestep, and their sums."""

    def __init__(self, footprint: Footprint, profile: Profile, batch: int = 1, constants: Constants | None = None):
        self.footprint, self.batch = footprint, batch
        self.constants = constants or CONSTANTS.get(profile.name, Constants())
        self._fixed = _fixed(footprint, self.constants)
        self._padding = _Padding(profile, [model for model, _ in footprint.padding])
        self._padding_column = np.array([column for _, column in footprint.padding], np.int64)
        self._axons, self._neurons = (
            np.zeros(len(p), np.int64) for p in (footprint.axon_pairs, footprint.neuron_pairs)
        )
        self._sums: list[Ints] = []  # of each timestep, a number for each of PARTS
        self._timestep = 0

    def step(self, axons: Bools, fired: Bools) -> StepCost:
        """The cost of a timestep with these active axons, bool [batch, axons], and neurons that fired, [batch, n]."""
        f, c = self.footprint, self.constants
        words, bursts = np.zeros(self.batch, np.int64), np.zeros(self.batch, np.int64)
        active = np.zeros((self.batch, COLUMNS), np.int64)
        idle = np.broadcast_to(self._padding.step(), (self.batch, len(f.padding)))
        for on, pairs, column in (
            (axons, f.axon_pairs, np.arange(len(f.axon_pairs)) % COLUMNS),
            (fired, f.neuron_pairs, f.column),
            (idle, np.ones(len(f.padding), np.int64), self._padding_column),
        ):
            sample, source = np.nonzero(on)
            read = pairs[source]
            np.add.at(words, sample, read)
            np.add.at(bursts, sample, 2 * read + c.burst_gap * -(-2 * read // c.burst_rows))
            np.add.at(active, (sample, column[source]), 1)
        # The pointers of a column share one place in the rotation among the 16.
        phase2 = np.maximum(c.core_cycles(bursts), COLUMNS * active.max(axis=1))
        self._axons += axons.sum(axis=0)
        self._neurons += fired.sum(axis=0)
        fixed = {part: np.full(self.batch, count, np.int64) for part, count in self._fixed.items()}
        cost = StepCost(synapses=words, phase2=phase2, **fixed)
        self._add(cost)
        return cost

    def _add(self, cost: StepCost) -> None:
        if self._timestep == len(self._sums):
            self._sums.append(np.zeros(len(PARTS), np.int64))
        self._sums[self._timestep] += [int(getattr(cost, part).sum()) for part in PARTS]
        self._timestep += 1

    def restart(self, batch: int) -> None:
        """Go on with `batch` other samples, from potential 0 on; the sums stay."""
        self.batch, self._timestep = batch, 0
        self._padding.reset()

    def by_step(self) -> list[dict[str, int]]:
        """Accesses and cycles of each timestep so far, all samples together."""
        return [{"hbm_access": int(parts[:2].sum()), "cycles": int(parts[2:].sum())} for parts in self._sums]

    def total(self) -> dict[str, Any]:
        """Counters of all steps and samples together, ready for JSON."""
        sums = np.array(self._sums, np.int64).reshape(-1, len(PARTS)).sum(axis=0)
        accesses, cycles = int(sums[:2].sum()), int(sums[2:].sum())
        return {
            "hbm_access": accesses,
            "hbm_bytes": PAIR_BYTES * accesses,
            "cycles": cycles,
            "cycles_by_part": dict(zip(PARTS[2:], sums[2:].tolist(), strict=True)),
            "microseconds": cycles / self.constants.core_mhz,
            "memory_microjoule": 8e-6 * PAIR_BYTES * accesses * self.constants.pj_per_bit,
            "calibrated": False,
        }

    def by_layer(self, populations: Sequence[Population]) -> dict[str, int]:
        """Row pairs of synapses read so far: under "axons" for all axons, then for the neurons of each population."""
        pairs = self._neurons * self.footprint.neuron_pairs
        of_axons = int((self._axons * self.footprint.axon_pairs).sum())
        return {"axons": of_axons} | {p.name: int(pairs[p.first : p.stop].sum()) for p in populations}


def _fixed(f: Footprint, c: Constants) -> dict[str, int]:
    """The parts of a step's cost that no activity changes."""
    axons = len(f.axon_pairs)
    pointers = pointer_words(axons) + pointer_words(f.slots)
    microphases = max(axons // MICROPHASE, f.slots // MICROPHASE) + 1
    return {
        "pointers": pointers,
        "phase0": f.slots // COLUMNS + c.start + c.model_switch * max(f.models - 1, 0),
        "phase1": c.core_cycles(2 * pointers) + c.pointer_latency,
        "waits": microphases * (c.core_cycles(c.drain_hbm) + c.drain) + c.tail,
    }


class _Padding:
    """The padding neurons: no synapse reaches them, but a threshold below 0 or a counter makes them fire."""

    def __init__(self, profile: Profile, models: Sequence[NeuronModel]):
        self.parameters = Parameters.of_models(models, np.arange(len(models)))
        refuse_noise(self.parameters.shift, profile, "leave the cost out, for padding neurons with noise fire as well")
        self.profile = profile
        self.reset()

    def reset(self) -> None:
        self.v = np.zeros(len(self.parameters.code), np.int64)
        self.waiting = self.parameters.at_rest(self.v.shape)

    def step(self) -> Bools:
        fired, self.v, self.waiting, _ = start(self.v, self.waiting, self.parameters, self.profile)
        return fired

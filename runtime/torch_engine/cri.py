"""The CRI machine on torch: many copies of one network together, every spike and potential that of the reference.

A timestep gathers the synapses of what was active and adds their weights up by target. These are additions of integers,
which give the same sums in any order, so a GPU may add them as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..arith import Ints
from ..encode import Bools
from ..program.cri import CriProgram, Profile, Table
from ..reference.neuron import ANN, COUNTER, IF, LIF, Parameters, fit
from ..reference.noise import Noise, noisy, perturbation, refuse_noise
from . import integers as arith

CHUNK = 1 << 24  # synapses handled at once


@dataclass(frozen=True)
class PlacedTable:
    """Synapses on a device, as `Table` in runtime/program/cri.py has them."""

    indptr: Tensor
    target: Tensor
    weight: Tensor

    @classmethod
    def of(cls, table: Table, device: torch.device) -> PlacedTable:
        return cls(*(_tensor(array, device) for array in (table.indptr, table.target, table.weight)))

    def add_input(self, sums: Tensor, active: Tensor) -> Tensor:
        """sums[b, n] += weights of the synapses to n whose source is active in copy b; int64 scalar: how many they are.

        sums int64 (B, n) is changed in place; active bool (B, sources). Duplicate synapses all count.
        """
        neurons, flat = sums.shape[1], sums.view(-1)
        copy, source = active.nonzero(as_tuple=True)
        first = self.indptr[source]
        degree = self.indptr[source + 1] - first
        for some in _chunks(degree):
            lengths = degree[some]
            starts = torch.repeat_interleave(first[some] - (lengths.cumsum(0) - lengths), lengths)
            synapse = starts + torch.arange(len(starts), device=flat.device)
            place = torch.repeat_interleave(copy[some] * neurons, lengths) + self.target[synapse]
            flat.scatter_add_(0, place, self.weight[synapse].to(torch.int64))
        return degree.sum()


@dataclass(frozen=True)
class PlacedNetwork:
    """A network on a device, which machines share. Parameters as in `Parameters`, int64 or bool (n,)."""

    profile: Profile
    parameters: Parameters
    axons: PlacedTable
    neurons: PlacedTable
    tensors: dict[str, Tensor]

    @classmethod
    def of(
        cls, profile: Profile, parameters: Parameters, axons: Table, neurons: Table, device: torch.device
    ) -> PlacedNetwork:
        fields = {"code", "threshold", "leak", "soft", "refractory"}
        given = {name: getattr(parameters, name) for name in fields if getattr(parameters, name) is not None}
        tensors = {name: _tensor(array, device) for name, array in given.items()}
        return cls(profile, parameters, PlacedTable.of(axons, device), PlacedTable.of(neurons, device), tensors)

    @classmethod
    def of_program(cls, program: CriProgram, device: torch.device) -> PlacedNetwork:
        return cls.of(program.profile, Parameters.of(program), program.axons, program.neurons, device)


class TorchCriMachine:
    """`batch` copies of one network, advanced together; the attributes are those of `CriMachine` in
    runtime/reference/cri.py."""

    def __init__(self, network: PlacedNetwork, batch: int = 1, noise: Noise | None = None):
        """NmcError NMC-R008 (unsupported) where a neuron has noise and `noise`, for `batch` samples, is missing."""
        shift = network.parameters.shift
        if noise is None:
            refuse_noise(shift, network.profile, "a seed makes it repeatable: nmc simulate --seed 1")
        self.network, self.profile = network, network.profile
        self._noise = noise if noisy(shift, network.profile).any() else None
        self.device = network.axons.indptr.device
        self._v = torch.zeros((batch, len(shift)), dtype=torch.int64, device=self.device)
        self._counts = torch.zeros(3, dtype=torch.int64, device=self.device)  # events, spikes, misfits
        self.reset()

    @property
    def batch(self) -> int:
        return len(self._v)

    @property
    def synaptic_events(self) -> int:
        return int(self._counts[0])

    @property
    def spikes(self) -> int:
        return int(self._counts[1])

    @property
    def out_of_range(self) -> int:
        return int(self._counts[2])

    def read(self, neurons: Ints) -> Ints:
        """V of some neurons, int64 [batch, len(neurons)]."""
        return self._v[:, _tensor(neurons, self.device)].cpu().numpy()

    @property
    def potentials(self) -> Ints:
        """V, int64 [batch, n]: a copy, and settable from anything that broadcasts to that shape."""
        return self._v.cpu().numpy().copy()

    @potentials.setter
    def potentials(self, values: ArrayLike) -> None:
        given = np.broadcast_to(np.asarray(values, np.int64), tuple(self._v.shape))
        if fit(given, self.profile)[1]:
            raise ValueError(f"a potential exceeds {self.profile.width} bits")
        self._v = _tensor(given, self.device)

    def reset(self) -> None:
        """Clear all potentials. The counters go on, and so does the noise."""
        self._v = torch.zeros_like(self._v)
        self._waiting = torch.zeros_like(self._v) if "refractory" in self.network.tensors else None

    def step(self, axons: Bools) -> Bools:
        """One timestep: `axons` bool [batch, axons] are active; returns the neurons that fired, bool [batch, n]."""
        with torch.inference_mode():
            active = _tensor(axons, self.device)
            return self._step(active).cpu().numpy()

    def _step(self, axons: Tensor) -> Tensor:
        network, events = self.network, torch.zeros((), dtype=torch.int64, device=self.device)
        fired, v = self._start(self._drawn())
        total = torch.zeros_like(v)
        if v.shape[1]:
            events = network.axons.add_input(total, axons) + network.neurons.add_input(total, fired)
        if self._waiting is not None:
            total = torch.where(self._waiting > 0, 0, total)
        self._v = self._fit(v + total)
        self._counts[0] += events
        self._counts[1] += fired.sum()
        return fired

    def _start(self, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Test, reset, leak, and noise where the build adds it: who fired, potentials before their input."""
        v, given, profile = self._v, self.network.tensors, self.profile
        if noise is not None and profile.noise == "before":
            v = self._fit(v + noise)
        fired = v >= given["threshold"] if profile.compare == ">=" else v > given["threshold"]
        waiting = self._waiting
        if waiting is not None:
            fired &= waiting == 0
        kept = self._decay(v, fired)
        if noise is not None and profile.noise != "before":
            kept = kept + torch.where(fired | (given["code"] != LIF), 0, noise)
        if waiting is not None:
            kept = torch.where(waiting > 0, v, kept)
            self._waiting = torch.where(fired, given["refractory"], (waiting - 1).clamp(min=0))
        return fired, self._fit(kept)

    def _decay(self, v: Tensor, fired: Tensor) -> Tensor:
        """Potentials after reset and leak (`decay` in runtime/reference/neuron.py)."""
        given, code = self.network.tensors, self.network.tensors["code"]
        kept = v - self._leak_term(v)
        if self.profile.ann_clears:
            kept = torch.where(code == ANN, 0, kept)
        kept = torch.where(code == COUNTER, v + 1, kept)
        kept = torch.where(code == IF, v, kept)
        reset = torch.where(given["soft"], v - given["threshold"], 0) if "soft" in given else torch.zeros_like(v)
        return torch.where(fired, reset, kept)

    def _leak_term(self, v: Tensor) -> Tensor:
        """As `leak_term` in runtime/reference/neuron.py."""
        leak = self.network.tensors["leak"]
        if self.profile.leak == "logical":
            return arith.logical_shift(v, leak, self.profile.width)
        term = arith.arithmetic_shift(v, leak)
        if self.profile.leak == "floor63":
            term = torch.where(leak == 63, -(v > 0).to(torch.int64), term)
            term = torch.where(leak == 64, 0, term)
        return term

    def _fit(self, v: Tensor) -> Tensor:
        narrow = arith.saturate if self.profile.overflow == "saturate" else arith.wrap
        held = narrow(v, self.profile.width)
        self._counts[2] += (held != v).sum()
        return held

    def _drawn(self) -> Tensor | None:
        """The noise of one timestep, (batch, n): drawn on the host, so that a seed means the same everywhere."""
        if self._noise is None:
            return None
        words = self._noise.words(self._v.shape[1])
        return _tensor(perturbation(words, self.network.parameters.shift, self.profile), self.device)


def _chunks(degree: Tensor) -> Iterator[slice]:
    """Runs of sources with about CHUNK synapses together."""
    if not len(degree):
        return
    stop = degree.cumsum(0)
    if int(stop[-1]) <= CHUNK:
        yield slice(None)
        return
    low = 0
    while low < len(degree):
        done = stop[low - 1] if low else torch.zeros_like(stop[0])
        high = max(low + 1, int(torch.searchsorted(stop, done + CHUNK, right=True)))
        yield slice(low, high)
        low = high


def _tensor(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array)).to(device)

"""What one timestep does to integer neurons, before their input arrives (docs/cri.md has the equations)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import arith
from ..arith import Ints
from ..program.cri import CriProgram, NeuronModel, Profile

ANN, COUNTER, LIF, IF = 0, 1, 2, 3
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Parameters:
    """The parameters of n neurons, one array [n] each: model code, threshold, leak exponent, noise shift, which keep
    V − threshold when they fire (None: none does), and how long they rest then (None: none does)."""

    code: Ints
    threshold: Ints
    leak: Ints
    shift: Ints
    soft: Bools | None = None
    refractory: Ints | None = None

    @classmethod
    def of(cls, program: CriProgram) -> Parameters:
        return cls.of_models(program.models, program.neuron_model)

    @classmethod
    def of_models(cls, models: Sequence[NeuronModel], number: NDArray[np.integer[Any]]) -> Parameters:
        """Neuron n has the model number[n]."""
        slots = np.array([(m.code, m.threshold, m.leak, m.shift, m.refractory) for m in models], np.int64)
        soft = np.array([m.soft for m in models], np.bool_)
        code, threshold, leak, shift, rests = slots.reshape(-1, 5)[number].T
        return cls(code, threshold, leak, shift, soft[number] if soft.any() else None, rests if rests.any() else None)

    def at_rest(self, shape: tuple[int, ...]) -> Ints | None:
        """Refractory counters at the start, of neurons in this shape; None where they stay 0."""
        return None if self.refractory is None else np.zeros(shape, np.int64)


class Start(NamedTuple):
    """What a timestep did before its input: who fired, potentials, refractory counters, potentials that did not fit.

    A neuron whose counter is above 0 now takes no input.
    """

    fired: Bools
    v: Ints
    waiting: Ints | None
    misfits: int


def fires(v: Ints, threshold: Ints, profile: Profile) -> Bools:
    """Which potentials reach the threshold (>=) or exceed it (>), whichever the profile compares with."""
    return v >= threshold if profile.compare == ">=" else v > threshold


def leak_term(v: Ints, leak: Ints, profile: Profile) -> Ints:
    """What a leaky neuron loses in one timestep: floor(V / 2^leak), or what the profile has in its place."""
    if profile.leak == "logical":
        return arith.logical_shift(v, leak, profile.width)
    term = arith.arithmetic_shift(v, leak)
    if profile.leak == "floor63":
        # The vendor's simulator divides by an int64 2^leak: 2^63 overflows to −2^63, so that V above 0 loses −1, and
        # for 2^64 nothing is left to divide by.
        term = np.where(leak == 63, -(v > 0).astype(np.int64), term)
        term = np.where(leak == 64, 0, term)
    return term


def decay(v: Ints, fired: Bools, parameters: Parameters, profile: Profile) -> Ints:
    """Potentials [..., n] after reset and leak: where the neuron fired 0 (soft reset: V − threshold, which does not
    leak in this timestep), else what its model keeps."""
    kept = v - leak_term(v, parameters.leak, profile)
    if profile.ann_clears:
        kept = np.where(parameters.code == ANN, 0, kept)
    kept = np.where(parameters.code == COUNTER, v + 1, kept)
    kept = np.where(parameters.code == IF, v, kept)
    reset = 0 if parameters.soft is None else np.where(parameters.soft, v - parameters.threshold, 0)
    return np.where(fired, reset, kept)


def fit(v: Ints, profile: Profile) -> tuple[Ints, int]:
    """Potentials as the profile's width holds them, and how many did not fit."""
    narrow = arith.saturate if profile.overflow == "saturate" else arith.wrap
    held = narrow(v, profile.width)
    return held, int(np.count_nonzero(held != v))


def start(v: Ints, waiting: Ints | None, parameters: Parameters, profile: Profile, noise: Ints | None = None) -> Start:
    """The first half of a timestep of neurons [..., n]: test, reset, leak, and noise where the build adds it.

    waiting  timesteps that each still rests; None where no neuron has a refractory period
    noise    what `perturbation` gave for this timestep; None: there is none
    """
    misfits = 0
    if noise is not None and profile.noise == "before":
        v, misfits = fit(v + noise, profile)
    fired = fires(v, parameters.threshold, profile)
    if waiting is not None:
        fired &= waiting == 0
    kept = decay(v, fired, parameters, profile)
    if noise is not None and profile.noise != "before":
        kept = kept + np.where(fired | (parameters.code != LIF), 0, noise)
    if waiting is not None and parameters.refractory is not None:
        kept = np.where(waiting > 0, v, kept)
        waiting = np.where(fired, parameters.refractory, np.maximum(waiting - 1, 0))
    held, more = fit(kept, profile)
    return Start(fired, held, waiting, misfits + more)


def taken(total: Ints, waiting: Ints | None) -> Ints:
    """The input that neurons take of what arrives: nothing while they rest."""
    return total if waiting is None else np.where(waiting > 0, 0, total)

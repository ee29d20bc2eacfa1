"""What one timestep does to integer neurons, before their input arrives (docs/cri.md has the equations)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import arith
from ..arith import Ints
from ..program.cri import CriProgram, Profile

ANN, COUNTER, LIF, IF = 0, 1, 2, 3
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Parameters:
    """The parameters of n neurons, one array [n] each: model code, threshold, leak exponent, noise shift, and which
    keep V − threshold when they fire (None: none does)."""

    code: Ints
    threshold: Ints
    leak: Ints
    shift: Ints
    soft: Bools | None = None

    @classmethod
    def of(cls, program: CriProgram) -> Parameters:
        slots = np.array([(m.code, m.threshold, m.leak, m.shift) for m in program.models], np.int64).reshape(-1, 4)
        soft = np.array([m.soft for m in program.models], np.bool_)
        code, threshold, leak, shift = slots[program.neuron_model].T
        return cls(code, threshold, leak, shift, soft[program.neuron_model] if soft.any() else None)


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

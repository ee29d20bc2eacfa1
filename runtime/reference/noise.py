"""The noise of CRI neurons (docs/cri.md): random words, the same in every run with one seed, and what builds make of
them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .. import arith
from ..arith import Ints
from ..program.cri import Profile
from ..program.diagnostics import unsupported

WORD_BITS = 16


class Noise:
    """Random words for the samples first … first + batch − 1 of a run with a seed.

    Every sample has a generator of its own, so it gets the same noise in a batch of any size. ValueError for a negative
    seed.
    """

    def __init__(self, seed: int, first: int, batch: int):
        # The raw words of PCG64 are the same in all versions of numpy; those of its distributions need not be.
        self._streams = [np.random.PCG64([seed, sample]) for sample in range(first, first + batch)]

    def words(self, neurons: int) -> Ints:
        """The next 16-bit words of every sample, all equally likely: int64 [batch, neurons]."""
        raw = np.zeros((len(self._streams), neurons), np.uint64)
        for row, stream in zip(raw, self._streams, strict=True):
            row[:] = stream.random_raw(neurons)
        return (raw >> np.uint64(64 - WORD_BITS)).astype(np.int64)


def perturbation(words: Ints, shift: Ints, profile: Profile) -> Ints:
    """What neurons with these noise shifts get for 16-bit words b; shapes that broadcast.

    x = 2b + 1 has 17 bits. "before": x − 2^16, shifted. The others take bit 16 of x as the sign and shift a magnitude:
    to the left the 16 bits below, to the right these ("halves") or all 17 ("whole").
    """
    x, negative = 2 * words + 1, words >> (WORD_BITS - 1) > 0
    low = x & ((1 << WORD_BITS) - 1)
    right, left = np.maximum(-shift, 0), np.maximum(shift, 0)
    if profile.noise == "before":
        # 2^width and above saturate every potential, so no more than that is needed, and int64 has the room.
        most = 1 << np.maximum(profile.width - left, 0)
        signed = np.clip(x - (1 << WORD_BITS), -most, most)
        return arith.arithmetic_shift(signed, right) << np.minimum(left, profile.width)
    moved = arith.arithmetic_shift(x if profile.noise == "whole" else low, right)
    magnitude = np.where(shift < 0, moved, low << np.minimum(left, profile.width))
    return np.where(negative, -magnitude, magnitude)


def noisy(shift: Ints, profile: Profile) -> NDArray[np.bool_]:
    """Which noise shifts do not switch noise off."""
    return shift != profile.noise_off


def refuse_noise(shift: Ints, profile: Profile, hint: str) -> None:
    """NmcError NMC-R008 (unsupported) where a neuron has noise; `hint` is what to do about it, besides switching it
    off."""
    found = np.flatnonzero(noisy(shift, profile))
    if len(found):
        raise unsupported(
            "NMC-R008",
            f"neuron {found[0]} has noise shift {shift[found[0]]}",
            why=f"{profile.name} draws random numbers unless the shift is {profile.noise_off}",
            hint=f"{hint}; or give every neuron the shift {profile.noise_off}",
        )

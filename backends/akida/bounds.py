"""How large the integers of a program can get, whatever it is fed: the proof that no sum leaves its buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.program.akida_kinds import DEPTHWISE
from .floats import Array, FloatLayer


@dataclass(frozen=True)
class Bounds:
    """The least and the largest value of each channel, (C) each; 0 (padding, empty memories) is among them."""

    low: Array
    high: Array

    @classmethod
    def of(cls, channels: int, low: float, high: float) -> Bounds:
        """The same for all channels."""
        return cls(np.full(channels, float(low)), np.full(channels, float(high)))

    def shifted(self, left: Array) -> Bounds:
        """Of the values times 2^left."""
        return Bounds(self.low * 2.0**left, self.high * 2.0**left)

    @property
    def largest(self) -> Array:
        """The largest |value| of each channel."""
        return np.maximum(-self.low, self.high)


def joined(parts: Sequence[Bounds]) -> Bounds:
    """Of channels one after the other."""
    return Bounds(np.concatenate([p.low for p in parts]), np.concatenate([p.high for p in parts]))


def of_sums(layer: FloatLayer, weights: Array, added: Array, given: Bounds) -> Bounds:
    """Of Σ W·x + B for inputs within `given`, on the way there too (any partial sum, with or without bias)."""
    pixels = len(weights) // layer.given[2] if layer.kind == "Dense1D" else 1
    low, high = np.tile(np.minimum(given.low, 0), pixels), np.tile(np.maximum(given.high, 0), pixels)
    if layer.kind not in DEPTHWISE:
        low, high = low[:, None], high[:, None]
    axes = tuple(range(weights.ndim - 1))
    most = np.maximum(weights * high, weights * low).sum(axis=axes)
    least = np.minimum(weights * high, weights * low).sum(axis=axes)
    return Bounds(least + np.minimum(added, 0), most + np.maximum(added, 0))


def proof(reached: Bounds, bits: int) -> dict[str, Any]:
    """What a layer's proof says: no |sum| exceeds `accumulator`, which is at most `limit`."""
    return {"accumulator": int(reached.largest.max(initial=0.0)), "limit": (1 << (bits - 1)) - 1}

"""The real value of one unit of potential, so that integer weights come close to the real ones, or are equal to them.

Neurons compare Σ w · s ≥ θ. With integers W = round(w / S) the compare V ≥ ceil(θ / S) decides as V · S ≥ θ does, so
that S only has to suit the weights and constants. Where all of them are multiples of some S, that S loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.ir.ops.base import Array
from ...runtime import arith
from ...runtime.arith import Ints
from .tables import INT16

NOISE = 2.0**-22  # relative: what rounding a parameter to float32 leaves open
SAMPLE = 4096
CANDIDATES = 256
PROBES = 32
LARGEST_THRESHOLD = 2**30
FARTHEST = 2.0**62  # no potential gets there
MANTISSA = 24


@dataclass(frozen=True)
class Numbers:
    """The magnitudes that will be rounded, 1-D and without zeros, and the smallest unit that keeps them in range."""

    weights: Array
    constants: Array
    smallest: float

    @classmethod
    def of(cls, weights: list[Array], constants: list[Array], synapse: float, bits: int) -> Numbers:
        """`synapse` is the largest weight a synapse may add up to; weights themselves get `bits` bits with the sign."""
        w, c = (_magnitudes(arrays) for arrays in (weights, constants))
        return cls(w, c, max(float(w.max(initial=0.0)) / (2 ** (bits - 1) - 1), synapse / INT16))


def _magnitudes(arrays: list[Array]) -> Array:
    flat = np.concatenate([np.zeros(0), *(np.abs(array).reshape(-1) for array in arrays)])
    return flat[flat > 0]


def integer_threshold(ratio: Array, strict: bool) -> Ints:
    """The integer n for which V ≥ n says what V ≥ ratio (strict: V > ratio) says for integers V.

    A ratio that is an integer but for the rounding of float32 parameters counts as that integer, one beyond 2^62 as
    2^62, which no potential reaches.
    """
    ratio = np.clip(ratio, -FARTHEST, FARTHEST)
    nearest = np.rint(ratio)
    whole = np.abs(ratio - nearest) <= NOISE * np.maximum(1.0, np.abs(nearest))
    above = np.where(whole, nearest + 1, np.floor(ratio) + 1)
    return arith.round_half_even(np.minimum(above if strict else np.where(whole, nearest, np.ceil(ratio)), FARTHEST))


def choose_scale(numbers: Numbers, threshold: float | None, fine: bool = False, whole: bool = False) -> float:
    """The unit S: one that loses nothing if there is one, else threshold / n with the least error.

    threshold  θ in the units of the numbers, None where nothing is compared
    fine       prefer the smallest unit, for neurons that round their potentials (leak)
    whole      threshold / S must be an integer, for neurons that subtract it
    Of units that are equally good the largest is taken.
    """
    exact = _exact_scales(numbers, fine)
    if whole and threshold is not None:
        exact = [s for s in exact if abs(threshold / s - np.rint(threshold / s)) <= NOISE * (threshold / s)]
    if exact:
        return exact[0]
    if threshold is None or threshold <= 0:
        return numbers.smallest or 1.0
    return _searched(numbers, threshold)


def _exact_scales(numbers: Numbers, fine: bool) -> list[float]:
    """Units of which all weights are multiples, the best first; the constants are too if that is possible."""
    if not len(numbers.weights) or not numbers.smallest:
        return []
    everything = np.concatenate([numbers.weights, numbers.constants])
    both = _common_unit(numbers, everything)
    unit = both or _common_unit(numbers, numbers.weights)
    if unit is None:
        return []
    room = int(np.log2(unit / numbers.smallest * (1 + NOISE)))
    finer = [unit / 2.0**power for power in range(room + 1)]
    return finer[::-1] if fine or both is None else finer


def _common_unit(numbers: Numbers, wanted: Array) -> float | None:
    """The largest S ≥ smallest of which every wanted number is a multiple, up to float32's rounding; None without one.

    The largest weight is k · S for some k, so all k that leave it in range are tried, on a few numbers first.
    """
    peak = float(numbers.weights.max())
    most = int(peak / numbers.smallest * (1 + NOISE))
    probes = np.concatenate([np.partition(wanted, min(PROBES, len(wanted)) - 1)[:PROBES], _sample(wanted, PROBES)])
    k = np.arange(1, most + 1, dtype=np.float64)
    for probe in np.unique(probes):
        k = k[_multiples(probe * (k / peak))]
    while len(k):
        fits = _multiples(wanted * (k[0] / peak))
        if fits.all():
            return peak / float(k[0])
        k = k[_multiples(wanted[np.argmin(fits)] * (k / peak))]
    return None


def _multiples(quotient: Array) -> Array:
    return np.abs(quotient - np.rint(quotient)) <= NOISE * quotient


def _sample(numbers: Array, count: int) -> Array:
    """About `count` of the numbers, evenly spread."""
    return numbers[:: max(1, len(numbers) // count)]


def _searched(numbers: Numbers, threshold: float) -> float:
    """threshold / n with the least error over the largest n and the powers of two."""
    most = LARGEST_THRESHOLD
    if numbers.smallest:
        most = min(most, int(threshold / numbers.smallest * (1 + NOISE)))
    if most < 1:
        return numbers.smallest
    if not numbers.smallest:
        return threshold / INT16
    powers = [2**p for p in range(most.bit_length())]
    tried = sorted({*range(max(1, most - CANDIDATES + 1), most + 1), *powers})
    weights, constants = _sample(numbers.weights, SAMPLE), _sample(numbers.constants, SAMPLE)
    errors = [_rms(weights, threshold / n) / _rms(weights) + _rms(constants, threshold / n) / threshold for n in tried]
    best = int(np.argmin(arith.round_mantissa(errors, MANTISSA)))
    return threshold / tried[best]


def _rms(numbers: Array, unit: float | None = None) -> float:
    """Root mean square of the numbers, or of what rounding them to multiples of `unit` takes or adds."""
    if not len(numbers):
        return 0.0
    lost = numbers if unit is None else numbers - unit * np.rint(numbers / unit)
    return float(np.sqrt(np.mean(lost**2)))


@dataclass(frozen=True)
class Errors:
    """What rounding changes: rms over the weights relative to their own, largest weight and constant error relative to
    the largest weight and to the threshold."""

    rms: float
    largest: float
    constant: float


def rounding_errors(numbers: Numbers, unit: float, threshold: float | None) -> Errors:
    """Errors of all weights and constants at this unit. Without a threshold constants are held against 1."""
    if not len(numbers.weights):
        rms = largest = 0.0
    else:
        lost = np.abs(numbers.weights - unit * np.rint(numbers.weights / unit))
        rms = float(np.sqrt(np.mean(lost**2))) / _rms(numbers.weights)
        largest = float(lost.max() / numbers.weights.max())
    constants = np.abs(numbers.constants - unit * np.rint(numbers.constants / unit))
    return Errors(rms, largest, float(constants.max(initial=0.0)) / (threshold or 1.0))

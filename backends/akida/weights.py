"""Integers of one neural layer: weights, bias, and the scale that brings its sums to the output's step.

With s_in and s_out the steps of what a layer reads and gives, w its weights and b its bias, all real:

    W[…, f] = round(w[…, f] · s_in / S[f])      B[f] = round(b[f] / S[f]) as int8 · 2^shift
    out     = round((Σ W·x + B) · m[f] · 2^−n[f])

S[f], the real number that one unit of the sum stands for, is chosen as S = s_out · m · 2^−n exactly, with an 8-bit m,
and not below max |w · s_in| / 127. So the scale of the output is exactly s_out, whatever m is. Of several such S for
each filter the one is taken that leaves the least error in the sums on the calibration samples, of weights and bias
together. An identity layer tries all mantissas; it passes its input on unchanged where the two steps are powers of two
apart.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ...runtime import arith
from ...runtime.program.akida_kinds import DEPTHWISE
from .floats import Array, FloatLayer
from .rounding import Rounding
from .steps import MOST_RIGHT, Steps, nearest_steps, steps_above

CANDIDATES = 8
BLOCK = 1 << 22
CLIPPED = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
TABLE_RIGHT = 21  # likewise for the 11 bits of a table's index
BIAS_BITS = 24
COST_MANTISSA = 30
GAIN = 1 / 255  # how far the nearest m · 2^−n may be off
CLOSE = 1e-9


@dataclass(frozen=True)
class Inputs:
    """What a layer reads, on the calibration samples, in integers.

    step   real number of one integer: (C,)
    means  mean of what each weight meets, of the weights' shape without filters (padding included)
    power  variance of each channel, (C,)
    zero   the code of real 0 (an image layer's zero point)
    rounding  how weights are rounded; None: to nearest
    """

    step: Array
    means: Array
    power: Array
    zero: int = 0
    rounding: Rounding | None = None


@dataclass(frozen=True)
class Quantized:
    """weights (the layer's shape), bias and its left shift, the sum's unit S, m and n: all (F) but the first."""

    weights: Array
    bias: Array
    shift: Array
    unit: Array
    m: Array
    n: Array

    @property
    def added(self) -> Array:
        """The bias as it is added to the sums."""
        return self.bias * 2.0**self.shift

    def or_else(self, better: Array, other: Quantized) -> Quantized:
        """`other` for the filters where it is better."""
        pairs = ((getattr(other, f.name), getattr(self, f.name)) for f in fields(self))
        return Quantized(*(np.where(better, new, old) for new, old in pairs))


def rounded_bias(wanted: Array) -> tuple[Array, Array]:
    """(int8, shift): `wanted`, in units of the sum, with the least shift that holds it."""
    shift = np.maximum(np.ceil(np.log2(np.maximum(np.abs(wanted), 1) / 127.5)), 0)
    shift += np.abs(np.rint(wanted / 2.0**shift)) > 127
    return np.rint(wanted / 2.0**shift), shift


@dataclass(frozen=True)
class Kept:
    """Filters whose integers are given. unit: real number of one unit of their sums, NaN for the others, (F); exact: it
    is the output's step, whatever it is; else the nearest m · 2^−n takes it there."""

    unit: Array
    exact: bool

    def instead(self, search: Search, steps: Steps, unit: Array, integers: Array) -> tuple[Steps, Array, Array]:
        """Steps, unit and integers of all filters, those of the given ones in their place."""
        wanted = np.where(np.isnan(self.unit), unit, self.unit)
        near = nearest_steps(wanted / search.output, search.most_right)
        counted = wanted if self.exact else search.output * near.value
        own = ~np.isnan(self.unit) & (counted * (1 + CLOSE) >= search.finest)
        given = np.rint(search.weights / wanted)
        own &= (given >= -search.top - 1).all(axis=0) & (given <= search.top).all(axis=0)
        own &= np.abs(counted / wanted - 1) <= GAIN
        chosen = Steps(np.where(own, near.m, steps.m), np.where(own, near.n, steps.n))
        return chosen, np.where(own, counted, unit), np.where(own, given, integers)


@dataclass(frozen=True)
class Search:
    """Filters of one layer, rows being the weights of each: (R, F). `wanted` are those that `rounding` aims at, `peak`
    the largest, `floor` the least unit of the sum, whatever the weights are. See `choose` for the others."""

    weights: Array
    wanted: Array
    means: Array
    power: Array
    zero: int
    bias: Array
    output: Array
    target: Array
    peak: Array
    floor: Array
    finest: Array
    top: int
    most_right: int
    correct: bool
    candidates: int
    clip: bool = False
    rounding: Rounding | None = None
    kept: Kept | None = None

    def run(self) -> Quantized:
        """For each filter the candidate with the least error."""
        if self.rounding is not None and not self.clip:
            nearest = replace(self, rounding=None).run()
            return self._best([Steps(nearest.m, nearest.n)])
        number = self.candidates if self.rounding is None else 1
        shares = CLIPPED if self.clip else (1.0,)
        return self._best([steps for share in shares for steps in self._steps(share, number)])

    def _steps(self, share: float, number: int) -> list[Steps]:
        """Some of the smallest steps whose integers hold this share of each filter's largest weight."""
        least = np.maximum(share * self.peak / self.top, self.floor)
        first = steps_above(least / self.output, self.most_right)
        return [first.later(i) for i in range(number)]

    def _best(self, tried: list[Steps]) -> Quantized:
        best, cost = self._candidate(tried[0]), np.full(len(self.bias), np.inf)
        for steps in tried:
            found = self._candidate(steps)
            error = arith.round_mantissa(self._error(found), COST_MANTISSA)
            best, cost = best.or_else(error < cost, found), np.minimum(error, cost)
        return best

    def _candidate(self, steps: Steps) -> Quantized:
        unit = self.output * steps.value
        integers = self._rounded(unit)
        if self.kept is not None:
            steps, unit, integers = self.kept.instead(self, steps, unit, integers)
        plain = self.bias / unit - self.zero * integers.sum(axis=0)
        found = Quantized(integers, *rounded_bias(plain), unit, steps.m, steps.n)
        if not self.correct:
            return found
        wanted = self.target / unit - self._mean_sum(integers)
        other = Quantized(integers, *rounded_bias(wanted), unit, steps.m, steps.n)
        return found.or_else(np.abs(self._mean_error(other)) < np.abs(self._mean_error(found)), other)

    def _rounded(self, unit: Array) -> Array:
        if self.rounding is not None:
            return self.rounding.descend(self.wanted / unit, -self.top - 1, self.top)
        return np.clip(np.rint(self.weights / unit), -self.top, self.top)

    def _mean_sum(self, integers: Array) -> Array:
        """Mean of Σ W·x over samples and pixels."""
        return self.means @ integers if self.means.ndim == 1 else (self.means * integers).sum(axis=0)

    def _mean_error(self, found: Quantized) -> Array:
        return (self._mean_sum(found.weights) + found.added) * found.unit - self.target

    def _error(self, found: Quantized) -> Array:
        """Mean squared error of the real sums, from the rounding of weights and bias."""
        if self.rounding is not None:
            return self.rounding.cost(found.weights * found.unit - self.wanted) + np.square(self._mean_error(found))
        squares = np.square(found.weights * found.unit - self.weights)
        spread = self.power @ squares if self.power.ndim == 1 else (self.power * squares).sum(axis=0)
        return spread + np.square(self._mean_error(found))


def choose(
    layer: FloatLayer,
    inputs: Inputs,
    output: Array,
    target: Array,
    *,
    correct: bool = True,
    bits: int = 8,
    most_right: int = MOST_RIGHT,
    finest: Array | float = 0.0,
    exact: bool = False,
    clip: bool = False,
) -> Quantized:
    """Integers for a layer whose sums, times m · 2^−n, count steps of `output` (F).

    target  mean of the real sums (F): with `correct` the bias makes up for the mean error, where that lessens it
    finest  the sum's unit is not made smaller than this
    exact   the sums themselves are the output, so that their unit may be any number
    clip    the largest weights may be clipped, where that lessens the error
    """
    assert layer.weight is not None and layer.bias is not None
    own = layer.identity or layer.kind in DEPTHWISE  # does each filter read one channel only?
    pixels = len(layer.weight) // layer.given[2] if layer.kind == "Dense1D" else 1
    step, power = np.tile(inputs.step, pixels), np.tile(inputs.power, pixels)
    weights, means = layer.weight, inputs.means
    if layer.identity:
        weights = np.diagonal(weights[0, 0])[None]
    rows = weights.reshape(-1, weights.shape[-1])
    taps = len(rows) // (1 if own else len(step))
    real, rows = rows, rows * (step if own else np.tile(step, taps)[:, None])
    rounding = None if layer.identity else inputs.rounding
    wanted = rows if rounding is None else rounding.targets(rows, real)
    peak = np.abs(rows).max(axis=0)
    floor = np.maximum(np.abs(layer.bias) / 2.0**BIAS_BITS, np.maximum(finest, np.finfo(np.float32).tiny))
    units = None
    if layer.units is not None and np.all(inputs.step == inputs.step[0]):
        units = layer.units * inputs.step[0]
    parts = []
    for part in _blocks(rows.shape):
        search = Search(
            rows[:, part],
            wanted[:, part],
            means.reshape(-1, rows.shape[1])[:, part] if own else means.reshape(-1),
            np.broadcast_to(power, rows.shape)[:, part] if own else np.tile(power, taps),
            inputs.zero,
            layer.bias[part],
            output[part],
            target[part],
            peak[part],
            floor[part],
            np.broadcast_to(finest, layer.bias.shape)[part],
            (1 << (bits - 1)) - 1,
            most_right,
            correct and not layer.identity,
            128 if layer.identity else CANDIDATES,
            clip and not layer.identity,
            None if rounding is None else rounding.part(part),
            None if units is None else Kept(units[part], exact),
        )
        parts.append(search.run())
    joined = [np.concatenate([getattr(p, f.name) for p in parts], axis=-1) for f in fields(Quantized)]
    found = Quantized(*joined)
    whole = np.diag(found.weights[0]) if layer.identity else found.weights
    return replace(found, weights=whole.reshape(layer.weight.shape))


def _blocks(shape: tuple[int, int]) -> list[slice]:
    """Filters in parts that take little memory."""
    size = max(1, BLOCK // max(shape[0], 1))
    return [slice(i, i + size) for i in range(0, shape[1], size)]

"""Weights that make up for the errors of a layer's input: ridge regression on calibration samples.

A layer reads integers n instead of the activations that they stand for, and should still give z. With E what is missing
from z, the change of its weights and bias is

    argmin ‖E − Δ·(n, 1)‖² + λ · Σ_k ‖n_k‖² Δ_k²

for the λ that fits the other half of the samples best; without a bound on Δ few samples would be learned by heart. All
sums are sums of integers (E is taken in steps of 2^-20 of its largest), so they are exact in any order, and the
elimination is a fixed sequence of element-wise operations: no BLAS decides a weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.ir.ops import Conv, Dense
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.window import output_size, taps
from ...runtime import arith

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
MOST_FEATURES = 1024
STEPS = 2**20
BATCH = 1 << 21
MANTISSA = 24


def features(op: Conv | Dense, x: Array, kernel: tuple[int, ...]) -> Array:
    """What each output element is a weighted sum of: (groups, samples · positions, weights of a filter)."""
    if isinstance(op, Dense):
        return x[None]
    padded = np.pad(x, ((0, 0), (0, 0), *op.pads))
    numbers = zip(x.shape[2:], kernel, op.stride, op.dilation, op.pads, strict=True)
    out = tuple(output_size(*n) for n in numbers)
    views = np.stack([view for _, view in taps(padded, kernel, op.stride, op.dilation, out)], axis=2)
    split = views.reshape(len(x), op.groups, -1, int(np.prod(out)))
    return split.transpose(1, 0, 3, 2).reshape(op.groups, len(x) * split.shape[3], -1)


def by_group(values: Array, groups: int) -> Array:
    """(samples, channels, *positions) as (groups, samples · positions, channels of a group)."""
    split = values.reshape(len(values), groups, values.shape[1] // groups, -1)
    return split.transpose(1, 0, 3, 2).reshape(groups, -1, split.shape[2])


@dataclass
class Normal:
    """The normal equations of each group: gram (groups, K + 1, K + 1) and cross (groups, K + 1, channels), integers."""

    gram: Array
    cross: Array

    def __add__(self, other: Normal) -> Normal:
        return Normal(self.gram + other.gram, self.cross + other.cross)

    def solved(self, penalty: float) -> Array:
        """Changes (groups, K + 1, channels); the last row is the bias."""
        return np.stack([_solve(g, c, penalty) for g, c in zip(self.gram, self.cross, strict=True)])

    def gain(self, change: Array) -> float:
        """By how much the change lessens the squared error."""
        explained = (change * (2 * self.cross - _product(self.gram, change))).sum()
        return float(arith.round_mantissa(explained, MANTISSA))


def _product(a: Array, b: Array) -> Array:
    """a @ b group by group, in a fixed order of additions."""
    return np.stack([sum(x[:, k, None] * y[k] for k in range(len(y))) for x, y in zip(a, b, strict=True)])


def _solve(gram: Array, cross: Array, penalty: float) -> Array:
    """Gaussian elimination on the equations scaled to a unit diagonal; they are positive definite, so no pivots."""
    size = np.sqrt(np.maximum(np.diagonal(gram), 1).astype(np.float64))
    a, b = gram / size[:, None] / size, cross / size[:, None]
    a[np.diag_indices(len(a))] += np.array([penalty] * (len(a) - 1) + [1e-9])
    for k in range(len(a)):
        factor = a[k + 1 :, k, None] / a[k, k]
        a[k + 1 :, k:] -= factor * a[k, k:]
        b[k + 1 :] -= factor * b[k]
    for k in range(len(a))[::-1]:
        b[k] = (b[k] - (a[k, k + 1 :, None] * b[k + 1 :]).sum(axis=0)) / a[k, k]
    return b / size[:, None]


def _normal(op: Conv | Dense, x: Array, missing: Array, kernel: tuple[int, ...]) -> Normal:
    """The equations of some samples, perhaps none; `missing` holds integers."""
    groups = op.groups if isinstance(op, Conv) else 1
    size, channels = int(np.prod(_filter(op, x, kernel))) + 1, missing.shape[1] // groups
    gram = np.zeros((groups, size, size), np.int64)
    cross = np.zeros((groups, size, channels), np.int64)
    positions = int(np.prod(missing.shape[2:]))
    batch = max(1, BATCH // max(1, positions * x.shape[1] * int(np.prod(kernel))))
    for start in range(0, len(x), batch):
        rows = features(op, x[start : start + batch], kernel)
        wanted = by_group(missing[start : start + batch], groups)
        for g in range(groups):
            full = np.concatenate([rows[g], np.ones((len(rows[g]), 1), np.int64)], axis=1)
            gram[g] += arith.exact_matmul(full.T, full)
            cross[g] += arith.exact_matmul(full.T, wanted[g])
    return Normal(gram, cross)


def refit(op: Conv | Dense, x: Array, missing: Array, kernel: tuple[int, ...]) -> tuple[Array, Array]:
    """(change of the weights per unit of x, in the layout (output channel, input channel of its group, *kernel); change
    of the bias) for integers x and what is missing from the layer's result, both with a leading samples axis."""
    peak = float(arith.round_mantissa(np.abs(missing).max(initial=0.0), MANTISSA)) or 1.0
    steps = arith.round_half_even(missing / peak * STEPS)
    half, other = (_normal(op, x[i::2], steps[i::2], kernel) for i in (0, 1))
    gains = [other.gain(half.solved(p)) + half.gain(other.solved(p)) for p in PENALTIES]
    best = int(np.argmax(gains))
    channels = steps.shape[1]
    if gains[best] <= 0:
        return np.zeros((channels, *_filter(op, x, kernel))), np.zeros(channels)
    change = (half + other).solved(PENALTIES[best]) * (peak / STEPS)
    weight = change[:, :-1].transpose(0, 2, 1).reshape(channels, *_filter(op, x, kernel))
    return weight, change[:, -1].reshape(channels)


def _filter(op: Conv | Dense, x: Array, kernel: tuple[int, ...]) -> tuple[int, ...]:
    return (x.shape[1] // (op.groups if isinstance(op, Conv) else 1), *kernel)

"""Learned rounding: the integers of a layer's weights that leave the least error in its sums on the samples.

With x the integers that a filter reads, w its real weights in units of x, and e the error that its sums have although w
is exact (x is rounded and clipped, and carries the errors of the layers before it), the mean squared error of the sums
for integer weights q in units of S is, up to its mean, which the bias takes,

    E |(S·q − w)·x − e|²  =  (S·q − v)ᵀ H (S·q − v) + const        H = Cov(x) + λI,    v = w + H⁻¹ Cov(x, e)

λ is DAMPING times the mean variance: it keeps v near w where samples say little. Cyclic coordinate descent makes each
integer in turn the best one for the others,

    q_r ← clip(round(q_r − (H (q − v/S))_r / H_rr))

until none changes (Behdin et al., "QuantEase: Optimization-based Quantization for Language Models", 2023). The target v
in the place of w is that of Li et al., "GPTAQ: Efficient Finetuning-Free Quantization for Asymmetric Calibration",
2025. Which way to round each weight is the question of Nagel et al., "Up or Down? Adaptive Rounding for Post-Training
Quantization", 2020, answered there by gradient descent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .floats import Array
from .moments import Moments

METHODS = ("nearest", "layer", "network")
DAMPING = 0.02
MOST_SWEEPS = 30
TARGET_BITS = 26
TINY = 1e-6


@dataclass(frozen=True)
class Rounding:
    """What is known of the inputs of R weights a filter.

    hessian   H, (R, R, 1), or (R, R, F) where each filter reads one channel of its own
    shift     H⁻¹ Cov(x, d), of the same shape, d being the errors of the real inputs, so that e = w·d; None for e = 0
    """

    hessian: Array
    shift: Array | None

    @classmethod
    def of(cls, moments: Moments) -> Rounding:
        variance = np.einsum("rrf->rf", moments.gram).mean(axis=0)
        hessian = moments.gram + np.eye(len(moments.gram))[..., None] * np.maximum(DAMPING * variance, TINY)
        if moments.error is None:
            return cls(hessian, None)
        solved = np.linalg.solve(hessian.transpose(2, 0, 1), moments.error.transpose(2, 0, 1))
        return cls(hessian, solved.transpose(1, 2, 0))

    def part(self, filters: slice) -> Rounding:
        """For some of the filters."""
        if self.hessian.shape[2] == 1:
            return self
        shift = None if self.shift is None else self.shift[..., filters]
        return Rounding(self.hessian[..., filters], shift)

    def targets(self, weights: Array, real: Array) -> Array:
        """v for weights (R, F) in units of the integers; `real` are the same in those of the real inputs."""
        if self.shift is None:
            return weights
        if self.shift.shape[2] == 1:
            wanted = weights + self.shift[..., 0] @ real
        else:
            wanted = weights + np.einsum("rsf,sf->rf", self.shift, real)
        peak = np.maximum(np.abs(wanted).max(axis=0), np.finfo(np.float32).tiny)
        unit = 2.0 ** (np.ceil(np.log2(peak)) - TARGET_BITS)
        return np.rint(wanted / unit) * unit

    def cost(self, errors: Array) -> Array:
        """Mean squared error of the sums for errors (R, F) of the weights: (F)."""
        return (self._gradient(errors) * errors).sum(axis=0)

    def descend(self, wanted: Array, low: int, high: int) -> Array:
        """Integers (R, F) from low to high for v / S (R, F)."""
        found = np.clip(np.rint(wanted), low, high)
        gradient = self._gradient(found - wanted)
        diagonal = np.einsum("rrf->rf", self.hessian)
        for _ in range(MOST_SWEEPS):
            changed = False
            for r in range(len(found)):
                best = np.clip(np.rint(found[r] - gradient[r] / diagonal[r]), low, high)
                step = best - found[r]
                if step.any():
                    changed, found[r] = True, best
                    gradient += self.hessian[:, r] * step
            if not changed:
                break
        return found

    def _gradient(self, errors: Array) -> Array:
        """H·errors, added up in a fixed order: integers are decided by it."""
        total = np.zeros_like(errors)
        for r, row in enumerate(errors):
            total += self.hessian[:, r] * row
        return total

"""Output scales as the machine has them: m · 2^−n with m of 8 bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...runtime import arith
from .floats import Array

EXACT = 45
MOST_RIGHT = 24  # (2^31 − 1) >> 24 = 127: a product that leaves 32 bits is clipped in the output anyway


@dataclass(frozen=True)
class Steps:
    """m · 2^−n with m of 8 bits, n from −23 to a limit; arrays of one entry a filter."""

    m: Array
    n: Array

    @property
    def value(self) -> Array:
        return self.m * 2.0**-self.n

    def later(self, number: int) -> Steps:
        """The `number`-th larger value."""
        m = self.m + number
        over = m > 255
        return Steps(np.where(over, np.ceil(m / 2), m), np.where(over, self.n - 1, self.n))


def steps_above(least: Array, most_right: int = MOST_RIGHT) -> Steps:
    """The smallest m · 2^−n that is not below `least`, n at most `most_right`."""
    n = np.minimum(8 - np.ceil(np.log2(np.maximum(least, 2.0**-100))), most_right)
    m = np.maximum(np.ceil(arith.round_mantissa(least * 2.0**n, EXACT)), 1)
    over = m > 255
    return Steps(np.where(over, 128, m), np.where(over, n - 1, n))


def nearest_steps(value: Array, most_right: int = MOST_RIGHT) -> Steps:
    """The m · 2^−n nearest to the value, n at most `most_right`."""
    n = np.minimum(8 - np.ceil(np.log2(np.maximum(value, 2.0**-100))), most_right)
    m = np.maximum(np.rint(arith.round_mantissa(value * 2.0**n, EXACT)), 1)
    over = m > 255
    return Steps(np.where(over, 128, m), np.where(over, n - 1, n))

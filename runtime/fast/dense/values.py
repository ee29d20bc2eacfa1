"""Integers of a stream's memory, and the arithmetic of runtime/arith.py on single ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arith import Ints
from ..jit import compiled

Bytes = NDArray[np.uint8]
Int32s = NDArray[np.int32]


@compiled
def slot(frame: int, slots: int, size: int) -> int:
    """Where frame number `frame` begins in a ring of so many slots."""
    return (frame % slots) * size


@compiled
def read(narrow: Bytes, wide: Int32s, is_narrow: int, zero: int, at: int, values: Ints) -> None:
    """As many integers as `values` has, from entry `at` on. A call for each would cost more than its work."""
    if is_narrow:
        for i in range(np.uint64(len(values))):
            values[i] = np.int64(narrow[np.uint64(at) + i]) - zero
    else:
        for i in range(np.uint64(len(values))):
            values[i] = wide[np.uint64(at) + i]


@compiled
def write(narrow: Bytes, wide: Int32s, is_narrow: int, zero: int, at: int, values: Ints) -> None:
    """Integers that fit, from entry `at` on."""
    if is_narrow:
        for i in range(np.uint64(len(values))):
            narrow[np.uint64(at) + i] = np.uint8(values[i] + zero)
    else:
        for i in range(np.uint64(len(values))):
            wide[np.uint64(at) + i] = np.int32(values[i])


@compiled
def clamp(x: Any, bits: int) -> Any:
    """x within the signed range of `bits` bits."""
    top = (np.int64(1) << (bits - 1)) - 1
    return min(max(x, -top - 1), top)


@compiled
def shift(x: Any, exponent: Any) -> Any:
    """x · 2^exponent, with a negative exponent rounded, halves upwards. Vectors can be used, as there is no branch."""
    left, right = max(exponent, 0), max(-exponent, 0)
    return ((x << left) + ((np.int64(1) << right) >> 1)) >> right

"""The integer arithmetic of the machines, in one place: every rounding, clamp and shift that reaches a result.

All functions take anything numpy can turn into an array and work on int64 (float64 where they start from a float).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
EXACT_FLOAT64 = 2**53


def saturate(x: ArrayLike, bits: int) -> Ints:
    """x clamped to the signed range of `bits` bits, 1 ≤ bits ≤ 64."""
    top = (1 << (bits - 1)) - 1
    return np.clip(np.asarray(x, np.int64), -top - 1, top)


def saturate_unsigned(x: ArrayLike, bits: int) -> Ints:
    """x clamped to 0 … 2^bits − 1, 1 ≤ bits ≤ 63."""
    return np.clip(np.asarray(x, np.int64), 0, (1 << bits) - 1)


def wrap(x: ArrayLike, bits: int) -> Ints:
    """The low `bits` bits of x read as two's complement, 1 ≤ bits ≤ 63."""
    sign = 1 << (bits - 1)
    return ((np.asarray(x, np.int64) & (2 * sign - 1)) ^ sign) - sign


def arithmetic_shift(x: ArrayLike, exponent: ArrayLike) -> Ints:
    """floor(x / 2^exponent) for any exponent ≥ 0."""
    # Shifting an int64 by 64 or more is undefined in C; from 63 on only the sign is left, so 63 says it all.
    return np.asarray(x, np.int64) >> np.minimum(np.asarray(exponent, np.int64), 63)


def logical_shift(x: ArrayLike, exponent: ArrayLike, bits: int) -> Ints:
    """floor(p / 2^exponent), p being the `bits`-bit pattern of x read as an unsigned number, 1 ≤ bits ≤ 63."""
    return arithmetic_shift(np.asarray(x, np.int64) & ((1 << bits) - 1), exponent)


def round_shift(x: ArrayLike, exponent: ArrayLike) -> Ints:
    """floor(x / 2^exponent + 1/2): to the nearest integer, ties upwards; 0 ≤ exponent ≤ 62, |x| + 2^exponent < 2^63."""
    n = np.asarray(exponent, np.int64)
    return (np.asarray(x, np.int64) + ((1 << n) >> 1)) >> n


def shift(x: ArrayLike, exponent: ArrayLike) -> Ints:
    """x · 2^exponent, of negative exponents the `round_shift`. |x| · 2^exponent must stay below 2^63."""
    n = np.asarray(exponent, np.int64)
    return round_shift(np.asarray(x, np.int64) << np.maximum(n, 0), np.maximum(-n, 0))


def round_half_even(x: ArrayLike) -> Ints:
    """The nearest integers, ties to the even one. ValueError where one is not a number or outside int64."""
    return _whole(np.rint(np.asarray(x, np.float64)), "round_half_even")


def round_half_away(x: ArrayLike) -> Ints:
    """The nearest integers, ties away from 0. ValueError where one is not a number or outside int64."""
    given = np.asarray(x, np.float64)
    whole = np.trunc(given)
    with np.errstate(invalid="ignore"):  # an infinite value has no fraction; it is refused below
        # The fraction is exact, so a value just below 1/2 is not rounded up to it, as it is in floor(x + 1/2).
        away = np.abs(given - whole) >= 0.5
    return _whole(whole + np.copysign(away, given), "round_half_away")


def _whole(rounded: Floats, name: str) -> Ints:
    if not np.all((rounded >= -(2.0**63)) & (rounded < 2.0**63)):
        raise ValueError(f"{name}: not a number, or outside int64")
    return rounded.astype(np.int64)


def round_mantissa(x: ArrayLike, bits: int) -> Floats:
    """x rounded to `bits` significant bits, ties to even, 1 ≤ bits ≤ 53.

    For float results that decide integers: what two BLAS libraries disagree on lies in the last bits of 53.
    """
    mantissa, exponent = np.frexp(np.asarray(x, np.float64))
    with np.errstate(over="ignore"):  # rounding up from the largest floats is infinite, as in IEEE 754
        return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def div_round_half_up(v: ArrayLike, r: ArrayLike) -> Ints:
    """(v + r//2) // r for r ≥ 1: v / r to the nearest integer, ties upwards. |v| + r/2 must stay below 2^63."""
    divisor = np.asarray(r, np.int64)
    return (np.asarray(v, np.int64) + divisor // 2) // divisor


def unary_count(v: ArrayLike, r: ArrayLike, levels: int) -> Ints:
    """How often a unary neuron fires: clip((v + r//2) // r, 0, levels), v the sum it holds, r its ramp."""
    return np.clip(div_round_half_up(v, r), 0, levels)


def exact_matmul(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """a @ b, exact for integers (modulo 2^64): in float64 where no partial sum can leave its 53 bits, else in int64.

    numpy has no fast product of integers; its float one is many times faster. Products with floats are np.matmul's.
    """
    if a.dtype.kind == "f" or b.dtype.kind == "f":
        return np.matmul(a, b)
    if _peak(a) * _peak(b) * a.shape[-1] <= EXACT_FLOAT64:
        return np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.int64)
    return np.matmul(a.astype(np.int64), b.astype(np.int64))


def _peak(x: NDArray[Any]) -> int:
    """The largest |x| of integers; unlike np.abs, also right for the lowest one of their type."""
    return max(int(x.max(initial=0)), -int(x.min(initial=0)))

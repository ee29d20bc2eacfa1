"""Integer arithmetic against plain Python integers and fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nmc.runtime import arith

INT64 = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([-(2**63), 2**63 - 1, -(2**35), 2**34, 2**34 - 1, -1, 0, 1]),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(INT64, st.integers(1, 64))
def test_saturate_clamps_to_the_signed_range(x: int, bits: int) -> None:
    assert arith.saturate(x, bits) == min(max(x, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


@given(INT64, st.integers(1, 63))
def test_saturate_unsigned_clamps_to_the_unsigned_range(x: int, bits: int) -> None:
    assert arith.saturate_unsigned(x, bits) == min(max(x, 0), 2**bits - 1)


@given(INT64, st.integers(1, 63))
def test_wrap_is_two_s_complement(x: int, bits: int) -> None:
    half = 2 ** (bits - 1)
    assert arith.wrap(x, bits) == (x + half) % (2 * half) - half


@given(INT64, st.integers(0, 100))
def test_arithmetic_shift_is_a_floor_division(x: int, exponent: int) -> None:
    assert arith.arithmetic_shift(x, exponent) == x // 2**exponent


@given(INT64, st.integers(0, 100), st.integers(1, 63))
def test_logical_shift_sees_the_unsigned_pattern(x: int, exponent: int, bits: int) -> None:
    assert arith.logical_shift(x, exponent, bits) == x % 2**bits // 2**exponent


@given(st.integers(-(2**62) + 1, 2**62 - 1), st.integers(0, 62))
def test_round_shift_is_the_nearest_integer_ties_upwards(x: int, exponent: int) -> None:
    assert arith.round_shift(x, exponent) == math.floor(Fraction(x, 2**exponent) + Fraction(1, 2))


@given(st.integers(-(2**31), 2**31), st.integers(-62, 31))
def test_shift_multiplies_and_rounds_where_it_divides(x: int, exponent: int) -> None:
    assert arith.shift(x, exponent) == math.floor(x * Fraction(2) ** exponent + Fraction(1, 2))


def test_shifts_at_the_ends_of_their_ranges() -> None:
    assert arith.round_shift([5, 6, -6, -5], 2).tolist() == [1, 2, -1, -1]
    assert arith.round_shift([2**61 - 1, 2**61, -(2**61), -(2**61) - 1], 62).tolist() == [0, 1, 0, -1]
    assert arith.shift([3, 3, -3, 1, -1], [2, -1, -1, 62, 62]).tolist() == [12, 2, -1, 2**62, -(2**62)]


@given(st.floats(-(2.0**62), 2.0**62))
def test_round_half_even_is_python_s_round(x: float) -> None:
    assert arith.round_half_even(x) == round(x)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (-(2.0**63), -(2**63))]
)
def test_round_half_even_ties(x: float, expected: int) -> None:
    assert arith.round_half_even(x) == expected


@given(st.floats(-(2.0**62), 2.0**62) | st.integers(-1000, 1000).map(lambda odd: odd / 2))
def test_round_half_away_is_the_nearest_integer_ties_away_from_zero(x: float) -> None:
    away = math.floor(abs(Fraction(x)) + Fraction(1, 2))
    assert arith.round_half_away(x) == (away if x > 0 else -away)


def test_round_half_away_looks_at_the_exact_fraction() -> None:
    below = np.nextafter(0.5, 0)
    assert arith.round_half_away([below, 0.5, 1.5, 2.5]).tolist() == [0, 1, 2, 3]
    assert arith.round_half_away([-below, -0.5, -1.5, -2.5]).tolist() == [0, -1, -2, -3]


@pytest.mark.parametrize("name", ["round_half_even", "round_half_away"])
@pytest.mark.parametrize("x", [np.nan, np.inf, -np.inf, 2.0**63, -(2.0**63) * 1.001])
def test_what_no_int64_holds_is_refused(name: str, x: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: not a number, or outside int64$"):
        getattr(arith, name)([0.0, x])
    with pytest.raises(ValueError, match=f"^{name}: not a number, or outside int64$"):
        getattr(arith, name)(2**64)


@pytest.mark.parametrize("name", ["round_half_even", "round_half_away"])
def test_the_largest_floats_that_int64_holds(name: str) -> None:
    largest = 2**63 - 2**10
    assert getattr(arith, name)([-(2.0**63), float(largest)]).tolist() == [-(2**63), largest]


@given(FLOATS, st.integers(1, 53))
def test_round_mantissa_is_the_nearest_with_that_many_bits(x: float, bits: int) -> None:
    exact = Fraction(x)
    exponent = int(np.frexp(x)[1]) - bits
    unit = Fraction(2) ** exponent
    nearest = round(exact / unit) * unit  # Python rounds fractions half to even
    rounded = float(arith.round_mantissa(x, bits))
    assert np.isinf(rounded) and abs(nearest) >= 2**1024 if np.isinf(rounded) else Fraction(rounded) == nearest


@given(FLOATS, st.integers(1, 53))
def test_round_mantissa_is_idempotent_and_odd(x: float, bits: int) -> None:
    once = arith.round_mantissa(x, bits)
    assert arith.round_mantissa(once, bits) == once
    assert arith.round_mantissa(-x, bits) == -once


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**61))
def test_div_round_half_up(v: int, r: int) -> None:
    assert arith.div_round_half_up(v, r) == (v + r // 2) // r


@given(st.integers(-1000, 1000), st.integers(1, 500).map(lambda half: 2 * half))
def test_div_round_half_up_is_the_nearest_integer_ties_upwards(v: int, r: int) -> None:
    quotient = int(arith.div_round_half_up(v, r))
    assert Fraction(-1, 2) < quotient - Fraction(v, r) <= Fraction(1, 2)


@given(st.integers(-(2**62), 2**62), st.integers(1, 2**40), st.integers(1, 4096))
def test_unary_count(v: int, r: int, levels: int) -> None:
    assert arith.unary_count(v, r, levels) == min(max((v + r // 2) // r, 0), levels)


@st.composite
def factors(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two matrices whose product fits int64; its sums lie below 2^53, around it or beyond."""
    rows, inner, columns = draw(st.integers(0, 3)), draw(st.integers(1, 8)), draw(st.integers(1, 3))
    narrow = hnp.arrays(np.int8, (rows, inner))
    border = st.sampled_from([2**26, 2**27]).flatmap(lambda v: st.sampled_from([v - 1, v, v + 1, -v, 1 - v, 0, 1]))
    wide = hnp.arrays(np.int64, (rows, inner), elements=border | st.integers(-(2**30), 2**30))
    return draw(narrow | wide), draw(hnp.arrays(np.int64, (inner, columns), elements=border))


@given(factors())
def test_exact_matmul_is_the_product_of_integers(matrices: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = matrices
    product = arith.exact_matmul(a, b)
    assert product.dtype == np.int64
    assert product.tolist() == (a.astype(object) @ b.astype(object)).tolist()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([2**26, 2**26], [2**26, 2**26], 2**53),
        ([2**27, 1], [2**26, 1], 2**53 + 1),
        ([2**27 + 1, 1], [2**27 + 1, 1], (2**27 + 1) ** 2 + 1),
    ],
)
def test_exact_matmul_at_the_limit_of_floats(a: list[int], b: list[int], expected: int, sign: int) -> None:
    assert arith.exact_matmul(sign * np.array(a), np.array(b)) == sign * expected


def test_exact_matmul_sees_the_lowest_integer() -> None:
    lowest, factor = np.array([[-(2**63), 1]]), np.array([[1], [1]])
    assert arith.exact_matmul(lowest, factor) == -(2**63) + 1
    assert arith.exact_matmul(np.array([[-128]], np.int8), np.array([[-128]], np.int8)) == 2**14


def test_exact_matmul_leaves_floats_to_numpy() -> None:
    real, whole = np.array([[0.5]], np.float32), np.array([[3]], np.int8)
    for product in (arith.exact_matmul(real, whole), arith.exact_matmul(whole, real)):
        assert product.dtype == np.float32
        assert product == 1.5


def test_arrays_broadcast() -> None:
    counts = arith.unary_count([[3, 10], [-5, 40]], [2, 4], 15)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[2, 3], [0, 10]]


# Each called on the largest or lowest number of a narrow type, where an intermediate step leaves that type.
NARROW: dict[str, tuple[Callable[[Any], Any], type[np.generic], int, int]] = {
    "saturate": (lambda x: arith.saturate(x, 64), np.int8, -128, -128),
    "saturate_unsigned": (lambda x: arith.saturate_unsigned(x, 63), np.int8, 127, 127),
    "wrap": (lambda x: arith.wrap(x, 40), np.int8, -128, -128),
    "arithmetic_shift": (lambda x: arith.arithmetic_shift(x, 10), np.int8, -128, -1),
    "arithmetic_shift, exponent": (lambda n: arith.arithmetic_shift(2**62, n), np.uint8, 255, 0),
    "logical_shift": (lambda x: arith.logical_shift(x, 10, 20), np.int8, -1, 1023),
    "round_shift": (lambda x: arith.round_shift(x, 7), np.int8, 127, 1),
    "round_shift, exponent": (lambda n: arith.round_shift(2**61, n), np.uint8, 62, 1),
    "shift": (lambda x: arith.shift(x, 40), np.int8, -128, -(2**47)),
    "shift, exponent": (lambda n: arith.shift(1, n), np.uint8, 40, 2**40),
    "div_round_half_up": (lambda v: arith.div_round_half_up(v, 127), np.int8, 127, 1),
    "div_round_half_up, divisor": (lambda r: arith.div_round_half_up(-128, r), np.uint8, 255, -1),
    "unary_count": (lambda v: arith.unary_count(v, 127, 300), np.int8, 127, 1),
}


@pytest.mark.parametrize("case", NARROW)
def test_narrow_types_are_widened_first(case: str) -> None:
    function, kind, x, expected = NARROW[case]
    for given_x in (kind(x), np.array([x], kind)):
        result = function(given_x)
        assert result.dtype == np.int64
        assert result == expected


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (arith.arithmetic_shift, (5, 1), 2),
        (arith.round_shift, (5, 1), 3),
        (arith.shift, (5, 1), 10),
        (arith.div_round_half_up, (5, 2), 3),
    ],
)
def test_unsigned_integers_of_64_bits_are_taken_as_signed_ones(
    function: Callable[..., Any], x: tuple[int, int], expected: int
) -> None:
    for given_x in ((np.uint64(x[0]), x[1]), (x[0], np.uint64(x[1])), np.array(x, np.uint64)):
        result = function(*given_x)
        assert result.dtype == np.int64
        assert result == expected


def test_floats_of_32_bits_are_widened_first() -> None:
    x = np.float32(2**24 + 2)
    assert arith.round_half_even(x).dtype == arith.round_half_away(x).dtype == np.int64
    assert arith.round_mantissa(x, 53).dtype == np.float64
    assert arith.round_mantissa([np.float32(2.0**127)], 1) == 2.0**127

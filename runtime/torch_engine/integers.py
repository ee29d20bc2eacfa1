"""What `runtime/arith.py` does, on int64 tensors; the equations stand there."""

from __future__ import annotations

import torch
from torch import Tensor


def saturate(x: Tensor, bits: int) -> Tensor:
    """x clamped to the signed range of `bits` bits."""
    top = (1 << (bits - 1)) - 1
    return x.clamp(-top - 1, top)


def saturate_unsigned(x: Tensor, bits: int) -> Tensor:
    """x clamped to 0 … 2^bits − 1."""
    return x.clamp(0, (1 << bits) - 1)


def wrap(x: Tensor, bits: int) -> Tensor:
    """The low `bits` bits of x read as two's complement."""
    sign = 1 << (bits - 1)
    return ((x & (2 * sign - 1)) ^ sign) - sign


def arithmetic_shift(x: Tensor, exponent: Tensor) -> Tensor:
    """floor(x / 2^exponent) for any exponent ≥ 0."""
    return x >> exponent.clamp(max=63)


def logical_shift(x: Tensor, exponent: Tensor, bits: int) -> Tensor:
    """floor(p / 2^exponent), p being the `bits`-bit pattern of x read as an unsigned number."""
    return arithmetic_shift(x & ((1 << bits) - 1), exponent)


def shift(x: Tensor, exponent: Tensor) -> Tensor:
    """x · 2^exponent, of negative exponents floor(x · 2^exponent + 1/2)."""
    left, right = exponent.clamp(min=0), (-exponent).clamp(min=0)
    return ((x << left) + ((1 << right) >> 1)) >> right


def round_half_away(x: Tensor) -> Tensor:
    """The nearest integers of float64, ties away from 0."""
    whole = torch.trunc(x)
    away = (x - whole).abs() >= 0.5
    return (whole + torch.copysign(away.to(x.dtype), x)).to(torch.int64)

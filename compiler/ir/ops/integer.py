"""Where floats become integers, integers become levels, and integers become floats again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....runtime import arith
from ..types import TensorType
from .base import Array, Op, register, require, working
from .elementwise import broadcast


@register
@dataclass(frozen=True)
class Quantize(Op):
    """q = clip(round_half_even(x / scale) + zero_point, 0, 2^bits − 1) − zero_point; q stands for q · scale.

    Example: %q = quantize(%x) {scale=0.0625, zero_point=0, bits=8}
    """

    mnemonic: ClassVar[str] = "quantize"
    scale: float
    zero_point: int = 0
    bits: int = 8

    def infer(self, x: TensorType) -> TensorType:
        require(self.scale > 0, f"scale {self.scale} must be positive")
        require(0 <= self.zero_point < 2**self.bits, f"zero point {self.zero_point} does not fit {self.bits} bits")
        return x.with_dtype("i64")

    def evaluate(self, x: Array) -> Array:
        code = arith.round_half_even(working(x) / self.scale) + self.zero_point
        return np.clip(code, 0, 2**self.bits - 1) - self.zero_point


@register
@dataclass(frozen=True)
class Unary(Op):
    """count = clip((v + r//2) // r, 0, levels): the quantized ReLU that a neuron in the unary code computes.

    v integer accumulator, r positive integers that broadcast to it. Example: %n = unary(%v, @r) {levels=15}
    """

    mnemonic: ClassVar[str] = "unary"
    operands: ClassVar[tuple[str, ...]] = ("v", "r")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"r"})
    levels: int

    def infer(self, v: TensorType, r: TensorType) -> TensorType:
        require(v.dtype == r.dtype == "i64", f"unary takes i64, got {v} and {r}")
        require(self.levels >= 1, "at least one level is needed")
        require(broadcast(v, r).shape == v.shape, f"r {r} does not broadcast to {v}")
        return v

    def evaluate(self, v: Array, r: Array) -> Array:
        return arith.unary_count(v, r, self.levels)


@register
@dataclass(frozen=True)
class Dequantize(Op):
    """y = scale · q. Example: %y = dequantize(%q, @scale)"""

    mnemonic: ClassVar[str] = "dequantize"
    operands: ClassVar[tuple[str, ...]] = ("q", "scale")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"scale"})

    def infer(self, q: TensorType, scale: TensorType) -> TensorType:
        require(
            q.dtype == "i64" and scale.dtype == "f64", f"dequantize takes i64 and an f64 scale, got {q} and {scale}"
        )
        require(broadcast(q, scale).shape == q.shape, f"scale {scale} does not broadcast to {q}")
        return q.with_dtype("f32")

    def evaluate(self, q: Array, scale: Array) -> Array:
        return q * scale

"""Rounding to the codes of a quantized model, kept in real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, Op, register, require, working

MOST_BITS = 32


@register
@dataclass(frozen=True)
class FakeQuantize(Op):
    """y = scale · (q − zero_point) with q = clip(round(x / scale) + zero_point, low, high), ties to even in `round`.

    The codes reach from low = −2^(bits−1) to high = 2^(bits−1) − 1 if signed, else from 0 to 2^bits − 1; `narrow`
    leaves out the lowest signed code, or the highest unsigned one. scale (positive) and zero_point (whole numbers) are
    single numbers of shape (), or have one entry for each element of `axis`. This is DequantizeLinear of QuantizeLinear
    in ONNX, and QONNX Quant. Example: %y = fake_quantize(%x, @scale, @zero) {signed=False}
    """

    mnemonic: ClassVar[str] = "fake_quantize"
    operands: ClassVar[tuple[str, ...]] = ("x", "scale", "zero_point")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"scale", "zero_point"})
    bits: int = 8
    signed: bool = True
    axis: int = 1
    narrow: bool = False

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest code."""
        top = 1 << (self.bits - self.signed)
        low = (self.narrow - top) if self.signed else 0
        return int(low), top - 1 - (self.narrow and not self.signed)

    def infer(self, x: TensorType, scale: TensorType, zero_point: TensorType) -> TensorType:
        require(x.is_float and scale.is_float, "fake_quantize takes floats and a float scale")
        require(1 <= self.bits <= MOST_BITS, f"{self.bits} bits, 1 to {MOST_BITS} are possible")
        require(0 <= self.axis < max(x.rank, 1) or not scale.rank, f"axis {self.axis} of {x}")
        shapes = {(), x.shape[self.axis : self.axis + 1]}
        require(scale.shape in shapes and zero_point.shape in shapes, f"scale {scale}, zero_point {zero_point} for {x}")
        return x

    def _placed(self, parameter: Array, rank: int) -> Array:
        """One number for each element of the axis, so that it broadcasts."""
        shape = tuple(-1 if i == self.axis else 1 for i in range(rank))
        return working(parameter).reshape(shape) if parameter.ndim else working(parameter)

    def codes(self, x: Array, scale: Array, zero_point: Array) -> Array:
        """The codes, as whole numbers in float64. x / scale is a float32, as in ONNX, where ties depend on it."""
        with np.errstate(over="ignore"):  # what float32 does not hold is beyond all codes
            rounded = np.rint(np.asarray(x, np.float32) / self._placed(scale, x.ndim).astype(np.float32))
        return np.clip(rounded + self._placed(zero_point, x.ndim), *self.limits)

    def evaluate(self, x: Array, scale: Array, zero_point: Array) -> Array:
        codes = self.codes(x, scale, zero_point) - self._placed(zero_point, x.ndim)
        return codes * self._placed(scale, x.ndim)

"""Ops that only move elements. They keep samples (axis N) apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, Op, register, require, result_dtype
from .window import Ints, Pads


@register
@dataclass(frozen=True)
class Reshape(Op):
    """Row-major reshape of each sample to `shape` (which counts N as 1); `axes` name the result.

    Example: %y = reshape(%x) {shape=(1, 64), axes="NC"}
    """

    mnemonic: ClassVar[str] = "reshape"
    shape: Ints
    axes: str

    def infer(self, x: TensorType) -> TensorType:
        require(all(size >= 0 for size in self.shape), f"shape {self.shape} must be explicit")
        require(int(np.prod(self.shape, dtype=np.int64)) == x.elements, f"{x} does not reshape to {self.shape}")
        result = TensorType(self.shape, x.dtype, self.axes)
        require(result.batched == x.batched and (not x.batched or self.shape[0] == x.shape[0]), "samples stay axis 0")
        return result

    def evaluate(self, x: Array) -> Array:
        return x.reshape((-1, *self.shape[1:]) if self.axes[:1] == "N" else self.shape)


@register
@dataclass(frozen=True)
class Transpose(Op):
    """Axis i of the result is axis perm[i] of x. Example: %y = transpose(%x) {perm=(0, 2, 3, 1)}"""

    mnemonic: ClassVar[str] = "transpose"
    perm: Ints

    def infer(self, x: TensorType) -> TensorType:
        require(sorted(self.perm) == list(range(x.rank)), f"perm {self.perm} does not permute the axes of {x}")
        require(not x.batched or self.perm[0] == 0, "samples stay axis 0")
        return x.with_shape(tuple(x.shape[i] for i in self.perm), "".join(x.axes[i] for i in self.perm))

    def evaluate(self, x: Array) -> Array:
        return x.transpose(self.perm)


@register
@dataclass(frozen=True)
class Pad(Op):
    """Puts pads[i] = (before, after) elements of `value` around axis i. Example: %y = pad(%x) {pads=((0, 0), (0, 0), \
(1, 1), (1, 1))}"""

    mnemonic: ClassVar[str] = "pad"
    pads: Pads
    value: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        require(len(self.pads) == x.rank, f"pads need one pair for each axis of {x}")
        require(all(b >= 0 and e >= 0 for b, e in self.pads), f"pads {self.pads} must not be negative")
        require(not x.batched or self.pads[0] == (0, 0), "samples are never padded")
        return x.with_shape(tuple(b + size + e for size, (b, e) in zip(x.shape, self.pads, strict=True)))

    def evaluate(self, x: Array) -> Array:
        return np.pad(x, self.pads, constant_values=self.value)


@register
@dataclass(frozen=True)
class Slice(Op):
    """x[start:stop:step] with one (start, stop, step) an axis, all explicit: 0 ≤ start < stop, step ≥ 1.

    Example: %y = slice(%x) {ranges=((0, 1, 1), (0, 4, 2))}
    """

    mnemonic: ClassVar[str] = "slice"
    ranges: tuple[tuple[int, int, int], ...]

    def infer(self, x: TensorType) -> TensorType:
        require(len(self.ranges) == x.rank, f"ranges need one triple for each axis of {x}")
        fits = all(0 <= a < b <= n and s >= 1 for (a, b, s), n in zip(self.ranges, x.shape, strict=True))
        require(fits, f"ranges {self.ranges} leave {x}")
        require(not x.batched or self.ranges[0] == (0, x.shape[0], 1), "samples are never sliced")
        return x.with_shape(tuple(len(range(*r)) for r in self.ranges))

    def evaluate(self, x: Array) -> Array:
        first = (slice(None),) if self.ranges[0] == (0, 1, 1) else (slice(*self.ranges[0]),)
        return x[(*first, *(slice(*r) for r in self.ranges[1:]))]


@register
@dataclass(frozen=True)
class Concat(Op):
    """Operands one after the other along dimension `dim`. Example: %y = concat(%a, %b) {dim=1}"""

    mnemonic: ClassVar[str] = "concat"
    operands: ClassVar[tuple[str, ...]] = ("*x",)
    dim: int

    def infer(self, *xs: TensorType) -> TensorType:
        first = xs[0]
        require(0 <= self.dim < first.rank, f"dim {self.dim} of {first}")
        require(not (first.batched and self.dim == 0), "samples are never concatenated")
        rest = [x.shape[: self.dim] + x.shape[self.dim + 1 :] for x in xs]
        require(
            all(x.rank == first.rank for x in xs) and len(set(rest)) == 1, f"shapes differ: {', '.join(map(str, xs))}"
        )
        shape = list(first.shape)
        shape[self.dim] = sum(x.shape[self.dim] for x in xs)
        return TensorType(
            tuple(shape), result_dtype(*xs) if len({x.dtype for x in xs}) > 1 else first.dtype, first.axes
        )

    def evaluate(self, *xs: Array) -> Array:
        samples = max(x.shape[0] for x in xs)
        return np.concatenate([x if x.shape[0] == samples else np.repeat(x, samples, 0) for x in xs], axis=self.dim)

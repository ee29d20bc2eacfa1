"""Pooling and means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, Op, register, require, working
from .window import Ints, Pads, ceil_pads, output_size, output_sizes, taps


@dataclass(frozen=True)
class _Pool(Op):
    kernel: Ints
    stride: Ints
    pads: Pads
    dilation: Ints
    ceil_mode: bool = False

    def infer(self, x: TensorType) -> TensorType:
        sizes = output_sizes(x, self.kernel, self.stride, self.dilation, self.pads, self.ceil_mode)
        fits = all(max(p) < d * (k - 1) + 1 for p, k, d in zip(self.pads, self.kernel, self.dilation, strict=True))
        require(fits, f"pads {self.pads} must be smaller than the window, else a window lies outside the input")
        return x.with_shape((*x.shape[:2], *sizes)).with_dtype(self.dtype(x))

    def dtype(self, x: TensorType) -> str:
        return x.dtype

    def windows(self, x: Array, pad: float, beyond: float) -> list[Array]:
        """The tap views of x with `pad` in the padding and `beyond` in what ceil_mode adds after it."""
        numbers = zip(x.shape[2:], self.kernel, self.stride, self.dilation, self.pads, strict=True)
        out = tuple(output_size(*n, self.ceil_mode) for n in numbers)
        whole = ceil_pads(x.shape[2:], self.kernel, self.stride, self.dilation, self.pads, out)
        extra = [(0, w[1] - p[1]) for w, p in zip(whole, self.pads, strict=True)]
        padded = np.pad(x, ((0, 0), (0, 0), *self.pads), constant_values=pad)
        padded = np.pad(padded, ((0, 0), (0, 0), *extra), constant_values=beyond)
        return [view for _, view in taps(padded, self.kernel, self.stride, self.dilation, out)]


@register
@dataclass(frozen=True)
class MaxPool(_Pool):
    """y[n,c,p] = max_k x[n, c, stride·p + dilation·k − pads]; padding never wins (−∞).

    Example: %y = max_pool(%x) {kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}
    """

    mnemonic: ClassVar[str] = "max_pool"

    def evaluate(self, x: Array) -> Array:
        x = working(x)
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(np.int64).min
        return np.maximum.reduce(self.windows(x, lowest, lowest))


@register
@dataclass(frozen=True)
class AvgPool(_Pool):
    """y[n,c,p] = mean_k x[n, c, stride·p + dilation·k − pads]; padding counts as zeros if `include_pad`, else not
    at all (what ceil_mode adds at the end never counts).

    Example: %y = avg_pool(%x) {kernel=(2, 2), stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1)}
    """

    mnemonic: ClassVar[str] = "avg_pool"
    include_pad: bool = False

    def dtype(self, x: TensorType) -> str:
        return x.dtype if x.is_float else "f64"

    def counts(self, space: Ints) -> Array:
        """Number of elements each window averages over: shape (*output space)."""
        return sum(self.windows(np.ones((1, 1, *space)), float(self.include_pad), 0.0), np.zeros(()))[0, 0]

    def evaluate(self, x: Array) -> Array:
        total = sum(self.windows(working(x), 0, 0), np.zeros(()))
        return total / self.counts(x.shape[2:])


@register
@dataclass(frozen=True)
class Mean(Op):
    """Mean over the dimensions `dims`, which keep length 1 if `keepdims`. Example: %y = mean(%x) {dims=(2, 3)}"""

    mnemonic: ClassVar[str] = "mean"
    dims: Ints
    keepdims: bool = True

    def infer(self, x: TensorType) -> TensorType:
        require(len(set(self.dims)) == len(self.dims) > 0, f"dims {self.dims} must be given once each")
        require(all(0 <= d < x.rank for d in self.dims), f"dims {self.dims} of an input {x}")
        require(not (x.batched and 0 in self.dims), "samples are never averaged")
        keep = [i for i in range(x.rank) if i not in self.dims]
        dtype = x.dtype if x.is_float else "f64"
        if self.keepdims:
            shape = tuple(size if i in keep else 1 for i, size in enumerate(x.shape))
            return TensorType(shape, dtype, x.axes)
        return TensorType(tuple(x.shape[i] for i in keep), dtype, "".join(x.axes[i] for i in keep))

    def evaluate(self, x: Array) -> Array:
        return working(x).mean(axis=self.dims, keepdims=self.keepdims, dtype=np.float64)

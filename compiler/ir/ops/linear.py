"""Convolutions and dense layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ....runtime.arith import exact_matmul
from ..types import TensorType
from .base import Array, Op, register, require, result_dtype, working
from .window import Ints, Pads, check_windows, output_sizes, taps


def _check_bias(bias: TensorType | None, channels: int) -> None:
    require(bias is None or bias.shape == (channels,), f"bias must have shape ({channels},), got {bias}")


@register
@dataclass(frozen=True)
class Conv(Op):
    """y[n,o,p] = b[o] + Σ_{c,k} w[o,c,k] · x[n, g(o)·C/G + c, stride·p + dilation·k − pads], zeros outside x.

    x (N, C, *space), weight (O, C/groups, *kernel), bias (O). Cross-correlation, as ONNX Conv and torch.nn.ConvNd.
    Example: %y = conv(%x, @w, @b) {stride=(2, 2), pads=((1, 1), (1, 1))}
    """

    mnemonic: ClassVar[str] = "conv"
    operands: ClassVar[tuple[str, ...]] = ("x", "weight", "bias?")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"weight", "bias"})
    stride: Ints
    pads: Pads
    dilation: Ints
    groups: int = 1

    @classmethod
    def plain(cls, dims: int, groups: int = 1) -> Conv:
        """Stride 1, no padding, no dilation over `dims` spatial axes."""
        return cls((1,) * dims, ((0, 0),) * dims, (1,) * dims, groups)

    def infer(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        out, inner = weight.shape[0], weight.shape[1]
        sizes = output_sizes(x, weight.shape[2:], self.stride, self.dilation, self.pads)
        require(self.groups >= 1 and out % self.groups == 0, f"{out} filters do not divide into {self.groups} groups")
        require(x.shape[1] == inner * self.groups, f"{x.shape[1]} channels for a weight of {self.groups}×{inner}")
        _check_bias(bias, out)
        return TensorType((x.shape[0], out, *sizes), result_dtype(x, weight), x.axes)

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        x, weight = working(np.pad(x, ((0, 0), (0, 0), *self.pads))), working(weight)
        n, channels, *space = x.shape
        kernel = weight.shape[2:]
        sizes = zip(space, kernel, self.stride, self.dilation, strict=True)
        out = tuple((size - d * (k - 1) - 1) // s + 1 for size, k, s, d in sizes)
        groups = (n, self.groups, channels // self.groups, int(np.prod(out)))
        split = weight.reshape(self.groups, weight.shape[0] // self.groups, *weight.shape[1:])
        y: Array | None = None
        for position, view in taps(x, kernel, self.stride, self.dilation, out):
            term = exact_matmul(split[(..., *position)], view.reshape(groups))
            y = term if y is None else y + term
        assert y is not None
        y = y.reshape(n, -1, *out)
        return y if bias is None else y + working(bias).reshape(-1, *(1,) * len(kernel))


@register
@dataclass(frozen=True)
class ConvTranspose(Op):
    """The adjoint of conv: y[n, o, stride·p + dilation·k − pads] += w[c,o,k] · x[n,c,p], plus b[o].

    x (N, C, *space), weight (C, O/groups, *kernel), bias (O); `output_pads` lengthens the end of each axis. As ONNX
    ConvTranspose. Example: %y = conv_transpose(%x, @w) {stride=(2, 2), pads=((0, 0), (0, 0)), dilation=(1, 1), \
output_pads=(0, 0)}
    """

    mnemonic: ClassVar[str] = "conv_transpose"
    operands: ClassVar[tuple[str, ...]] = ("x", "weight", "bias?")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"weight", "bias"})
    stride: Ints
    pads: Pads
    dilation: Ints
    output_pads: Ints
    groups: int = 1

    def full_sizes(self, space: Ints, kernel: Ints) -> Ints:
        """Sizes of the output before the pads are cut off."""
        numbers = zip(space, kernel, self.stride, self.dilation, self.output_pads, strict=True)
        return tuple((size - 1) * s + d * (k - 1) + 1 + extra for size, k, s, d, extra in numbers)

    def infer(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        kernel = weight.shape[2:]
        check_windows(x, kernel, self.stride, self.dilation, self.pads)
        require(x.shape[1] == weight.shape[0], f"{x.shape[1]} channels for a weight of {weight.shape[0]}")
        require(self.groups >= 1 and x.shape[1] % self.groups == 0, f"channels do not divide into {self.groups} groups")
        require(len(self.output_pads) == len(kernel), "output_pads needs one entry an axis")
        out = weight.shape[1] * self.groups
        _check_bias(bias, out)
        sizes = [full - sum(p) for full, p in zip(self.full_sizes(x.shape[2:], kernel), self.pads, strict=True)]
        require(min(sizes, default=1) >= 1, "the pads cut off the whole output")
        return TensorType((x.shape[0], out, *sizes), result_dtype(x, weight), x.axes)

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        x, weight = working(x), working(weight)
        n, channels, *space = x.shape
        kernel, positions = weight.shape[2:], tuple(space)
        flat = x.reshape(n, self.groups, channels // self.groups, -1)
        split = weight.reshape(self.groups, channels // self.groups, *weight.shape[1:]).swapaxes(1, 2)
        out = weight.shape[1] * self.groups
        full = np.zeros((n, out, *self.full_sizes(positions, kernel)), np.result_type(x, weight))
        for position, view in taps(full, kernel, self.stride, self.dilation, positions):
            view += exact_matmul(split[(..., *position)], flat).reshape(n, out, *positions)
        cut = tuple(slice(b, size - e) for (b, e), size in zip(self.pads, full.shape[2:], strict=True))
        y = full[(slice(None), slice(None), *cut)]
        return y if bias is None else y + working(bias).reshape(-1, *(1,) * len(kernel))


@register
@dataclass(frozen=True)
class Dense(Op):
    """y[…, o] = b[o] + Σ_i w[o,i] · x[…, i] over the last axis, as torch.nn.Linear.

    weight (O, I), bias (O). Example: %y = dense(%x, @w, @b)
    """

    mnemonic: ClassVar[str] = "dense"
    operands: ClassVar[tuple[str, ...]] = ("x", "weight", "bias?")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"weight", "bias"})

    def infer(self, x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
        require(weight.rank == 2, f"the weight must be a matrix, got {weight}")
        require(x.rank >= 2 and x.shape[-1] == weight.shape[1], f"{weight.shape[1]} weights a row for an input {x}")
        _check_bias(bias, weight.shape[0])
        return TensorType((*x.shape[:-1], weight.shape[0]), result_dtype(x, weight), x.axes)

    def evaluate(self, x: Array, weight: Array, bias: Array | None = None) -> Array:
        y = exact_matmul(working(x), working(weight).T)
        return y if bias is None else y + working(bias)


def output_first(op: Op, weight: Array) -> Array:
    """A layer's weight as (output channel, input channel of its group, *kernel). It is its own inverse.

    Conv and Dense are stored so; ConvTranspose is stored with the input channel first.
    """
    if not isinstance(op, ConvTranspose):
        return weight
    grouped = weight.reshape(op.groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    return grouped.reshape(-1, *grouped.shape[2:])

"""Ops with sums or products of computed values, which no target holds: a host runs them, in a segment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, IllegalOp, Op, register, require, result_dtype, working
from .elementwise import broadcast
from .window import Ints


def _check_axes(x: TensorType, axes: Ints) -> None:
    require(x.is_float, f"floats are needed, got {x}")
    require(len(set(axes)) == len(axes) > 0, f"axes {axes} must be given once each")
    require(all(0 <= axis < x.rank for axis in axes), f"axes {axes} of an input {x}")
    require(not (x.batched and 0 in axes), "samples are kept apart")


@register
@dataclass(frozen=True)
class Softmax(Op):
    """y = e^x / Σ e^x, the sum over one axis; with `log` the logarithm of that. Example: %y = softmax(%x) {axis=1}"""

    mnemonic: ClassVar[str] = "softmax"
    axis: int
    log: bool = False

    def infer(self, x: TensorType) -> TensorType:
        _check_axes(x, (self.axis,))
        return x

    def evaluate(self, x: Array) -> Array:
        x = working(x)
        shifted = x - x.max(axis=self.axis, keepdims=True)
        total = np.exp(shifted).sum(axis=self.axis, keepdims=True)
        return shifted - np.log(total) if self.log else np.exp(shifted) / total


@register
@dataclass(frozen=True)
class Normalize(Op):
    """y = (x − mean) / √(variance + epsilon), mean and variance over `axes` of each sample.

    Not centered: y = x / √(mean of x² + epsilon). Layer, instance and group norms without their scale and shift.

    Example: %y = normalize(%x) {axes=(2,), \
epsilon=1e-05, centered=True}
    """

    mnemonic: ClassVar[str] = "normalize"
    axes: Ints
    epsilon: float = 1e-5
    centered: bool = True

    def infer(self, x: TensorType) -> TensorType:
        _check_axes(x, self.axes)
        require(self.epsilon >= 0, f"epsilon {self.epsilon} must not be negative")
        return x

    def evaluate(self, x: Array) -> Array:
        x = working(x)
        if self.centered:
            x = x - x.mean(axis=self.axes, keepdims=True)
        return x / np.sqrt((x * x).mean(axis=self.axes, keepdims=True) + self.epsilon)


@register
@dataclass(frozen=True)
class MatMul(Op):
    """y[…, i, j] = Σ_k a[…, i, k] · b[…, k, j], the axes in front with numpy's broadcasting.

    Both operands have two axes or more; one of them may be a constant. The last axis of y has the name it has in b
    unless that is taken. Example: %y = matmul(%a, %b)
    """

    mnemonic: ClassVar[str] = "matmul"
    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(a.is_float and b.is_float, f"matmul takes floats, got {a} and {b}")
        require(min(a.rank, b.rank) >= 2, f"matmul takes matrices, got {a} and {b}")
        require(all(t.rank >= 3 for t in (a, b) if t.batched), f"the samples axis is no axis of a matrix: {a} and {b}")
        require(a.shape[-1] == b.shape[-2], f"{a.shape[-1]} columns for {b.shape[-2]} rows: {a} and {b}")
        front = broadcast(*(TensorType(t.shape[:-2], t.dtype, t.axes[:-2]) for t in (a, b)))
        axes = front.axes
        for letter in (a.axes[-2], b.axes[-1]):
            axes += "_" if letter in axes else letter
        return TensorType((*front.shape, a.shape[-2], b.shape[-1]), result_dtype(a, b), axes)

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.matmul(working(a), working(b))


@dataclass(frozen=True)
class _Binary(Op):
    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        require(a.is_float and b.is_float, f"{self.mnemonic} takes floats, got {a} and {b}")
        return broadcast(a, b)


@register
@dataclass(frozen=True)
class Divide(_Binary):
    """y = a / b with numpy's broadcasting. Example: %y = divide(%a, %b)"""

    mnemonic: ClassVar[str] = "divide"

    def evaluate(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return working(a) / working(b)


@register
@dataclass(frozen=True)
class Power(_Binary):
    """y = a^b with numpy's broadcasting. Example: %y = power(%a, @exponent)"""

    mnemonic: ClassVar[str] = "power"

    def evaluate(self, a: Array, b: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.power(working(a), working(b))


@register
@dataclass(frozen=True)
class Maximum(_Binary):
    """y = max(a, b) with numpy's broadcasting. Example: %y = maximum(%a, %b)"""

    mnemonic: ClassVar[str] = "maximum"

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.maximum(working(a), working(b))


@register
@dataclass(frozen=True)
class Minimum(_Binary):
    """y = min(a, b) with numpy's broadcasting. Example: %y = minimum(%a, %b)"""

    mnemonic: ClassVar[str] = "minimum"

    def evaluate(self, a: Array, b: Array) -> Array:
        return np.minimum(working(a), working(b))


@register
@dataclass(frozen=True)
class Mask(Op):
    """y = x where `keep` is not 0, else `value`, which may be infinite. keep is a constant that broadcasts to x.

    Attention masks are this with value −∞. Example: %y = mask(%x, @keep) {value=-1e999}
    """

    mnemonic: ClassVar[str] = "mask"
    operands: ClassVar[tuple[str, ...]] = ("x", "keep")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"keep"})
    value: float

    def infer(self, x: TensorType, keep: TensorType) -> TensorType:
        require(x.is_float, f"mask takes floats, got {x}")
        require(broadcast(x, keep).shape == x.shape, f"{keep} does not broadcast to {x}")
        return x

    def evaluate(self, x: Array, keep: Array) -> Array:
        return np.where(keep != 0, working(x), self.value)


FUNCTIONS = {
    "acos": np.arccos,
    "acosh": np.arccosh,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "ceil": np.ceil,
    "cos": np.cos,
    "cosh": np.cosh,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "reciprocal": np.reciprocal,
    "round": np.rint,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tan": np.tan,
}


@register
@dataclass(frozen=True)
class Function(Op):
    """y = f(x), element by element, with f by its name: acos, acosh, asin, asinh, atan, atanh, ceil, cos, cosh, exp,
    floor, log, reciprocal, round (half to even), sign, sin, sinh, sqrt, tan. Outside f's domain y is not a number.

    Example: %y = function(%x) {name="exp"}
    """

    mnemonic: ClassVar[str] = "function"
    name: str

    def infer(self, x: TensorType) -> TensorType:
        if self.name not in FUNCTIONS:
            raise IllegalOp(f"unknown function {self.name!r}, known: {', '.join(sorted(FUNCTIONS))}")
        require(x.is_float, f"function takes floats, got {x}")
        return x

    def evaluate(self, x: Array) -> Array:
        with np.errstate(all="ignore"):
            return FUNCTIONS[self.name](working(x))

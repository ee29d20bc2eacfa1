"""Activations, sums and scalings, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, IllegalOp, Op, register, require, result_dtype, working


def broadcast(a: TensorType, b: TensorType) -> TensorType:
    """The type of a∘b under numpy's broadcasting; axis names come from the operand that has them."""
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise IllegalOp(f"{a} and {b} do not broadcast") from None
    if a.batched or b.batched:
        kept = all(t.rank == len(shape) if t.batched else t.rank < len(shape) or t.shape[0] == 1 for t in (a, b))
        require(kept, f"samples stay axis 0: {a} and {b}")
    axes = ["_"] * len(shape)
    for operand in (b, a):
        offset = len(shape) - operand.rank
        for i, letter in enumerate(operand.axes):
            axes[offset + i] = letter if letter != "_" else axes[offset + i]
    named = [letter for letter in axes if letter != "_"]
    require(len(set(named)) == len(named), f"the axes of {a} and {b} do not match")
    return TensorType(tuple(map(int, shape)), result_dtype(a, b), "".join(axes))


@register
@dataclass(frozen=True)
class Relu(Op):
    """y = max(x, 0). Example: %y = relu(%x)"""

    mnemonic: ClassVar[str] = "relu"

    def infer(self, x: TensorType) -> TensorType:
        return x

    def evaluate(self, x: Array) -> Array:
        return np.maximum(working(x), 0)


@register
@dataclass(frozen=True)
class Clip(Op):
    """y = min(max(x, low), high); a bound that is None does not bind. Example: %y = clip(%x) {low=0.0, high=6.0}"""

    mnemonic: ClassVar[str] = "clip"
    low: float | None = None
    high: float | None = None

    def infer(self, x: TensorType) -> TensorType:
        require(x.is_float, "clip takes floats")
        return x

    def evaluate(self, x: Array) -> Array:
        y = working(x)
        y = y if self.low is None else np.maximum(y, self.low)
        return y if self.high is None else np.minimum(y, self.high)


@register
@dataclass(frozen=True)
class Add(Op):
    """y = a + b with numpy's broadcasting. Example: %y = add(%a, %b)"""

    mnemonic: ClassVar[str] = "add"
    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return broadcast(a, b)

    def evaluate(self, a: Array, b: Array) -> Array:
        return working(a) + working(b)


@register
@dataclass(frozen=True)
class Mul(Op):
    """y = a · b with numpy's broadcasting. Example: %y = mul(%a, @scale)"""

    mnemonic: ClassVar[str] = "mul"
    operands: ClassVar[tuple[str, ...]] = ("a", "b")

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        return broadcast(a, b)

    def evaluate(self, a: Array, b: Array) -> Array:
        return working(a) * working(b)


@register
@dataclass(frozen=True)
class BatchNorm(Op):
    """y = gamma · (x − mean) / √(variance + epsilon) + beta along axis C (position 1), in inference mode.

    gamma, beta, mean, variance have shape (C). Example: %y = batch_norm(%x, @g, @b, @m, @v) {epsilon=1e-05}
    """

    mnemonic: ClassVar[str] = "batch_norm"
    operands: ClassVar[tuple[str, ...]] = ("x", "gamma", "beta", "mean", "variance")
    constant_operands: ClassVar[frozenset[str]] = frozenset({"gamma", "beta", "mean", "variance"})
    epsilon: float = 1e-5

    @staticmethod
    def affine(gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float) -> tuple[Array, Array]:
        """(scale, offset) in float64 such that y = scale · x + offset."""
        scale = working(gamma) / np.sqrt(working(variance) + epsilon)
        return scale, working(beta) - working(mean) * scale

    def infer(self, x: TensorType, *parameters: TensorType) -> TensorType:
        require(x.rank >= 2, f"batch_norm needs axes N and C, got {x}")
        require(all(p.shape == (x.shape[1],) for p in parameters), f"parameters must have shape ({x.shape[1]},)")
        return x

    def evaluate(self, x: Array, *parameters: Array) -> Array:
        gamma, beta, mean, variance = parameters
        scale, offset = (
            p.reshape(-1, *(1,) * (x.ndim - 2)) for p in self.affine(gamma, beta, mean, variance, self.epsilon)
        )
        return working(x) * scale + offset

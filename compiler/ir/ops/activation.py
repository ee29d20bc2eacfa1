"""Smooth activations: one op, whatever the exporter spelled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, Op, register, require, working

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array, alpha: float) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _hard_sigmoid(x: Array, alpha: float) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


def _gelu(x: Array, alpha: float) -> Array:
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _gelu_tanh(x: Array, alpha: float) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


KINDS: dict[str, Callable[[Array, float], Array]] = {
    "erf": lambda x, alpha: _erf(x),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x, alpha: x * _hard_sigmoid(x, alpha),
    "leaky_relu": lambda x, alpha: np.where(x < 0, alpha * x, x),
    "sigmoid": _sigmoid,
    "silu": lambda x, alpha: x * _sigmoid(x, alpha),
    "tanh": lambda x, alpha: np.tanh(x),
}


@register
@dataclass(frozen=True)
class Activation(Op):
    """y = f(x), element by element, with f one of

    erf, sigmoid 1/(1+e^−x), tanh, silu x·sigmoid(x), gelu x·(1+erf(x/√2))/2, gelu_tanh (its tanh form),
    hard_sigmoid clip(x/6 + 1/2, 0, 1), hard_swish x·hard_sigmoid(x), leaky_relu (x if x ≥ 0 else alpha·x).

    Example: %y = activation(%x) {kind="silu"}
    """

    mnemonic: ClassVar[str] = "activation"
    kind: str
    alpha: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        require(self.kind in KINDS, f"unknown activation {self.kind!r}, known: {', '.join(sorted(KINDS))}")
        require(x.is_float, "activation takes floats")
        return x

    def evaluate(self, x: Array) -> Array:
        return KINDS[self.kind](working(x), self.alpha)

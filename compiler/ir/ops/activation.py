"""Smooth activations: one op, whatever the exporter spelled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import TensorType
from .base import Array, Op, register, require, working

# The defaults of ONNX Selu: the constants of Klambauer et al. 2017 in float32.
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x: Array, alpha: float) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def _elu(x: Array, alpha: float) -> Array:
    return np.where(x < 0, alpha * np.expm1(np.minimum(x, 0)), x)


def _hard_sigmoid(x: Array, alpha: float) -> Array:
    return np.clip(x / 6 + 0.5, 0, 1)


def _gelu(x: Array, alpha: float) -> Array:
    return 0.5 * x * (1 + _erf(x / math.sqrt(2)))


def _gelu_tanh(x: Array, alpha: float) -> Array:
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


KINDS: dict[str, Callable[[Array, float], Array]] = {
    "celu": lambda x, alpha: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0) / alpha), x),
    "elu": _elu,
    "erf": lambda x, alpha: _erf(x),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x, alpha: x * _hard_sigmoid(x, alpha),
    "leaky_relu": lambda x, alpha: np.where(x < 0, alpha * x, x),
    "mish": lambda x, alpha: x * np.tanh(_softplus(x)),
    "selu": lambda x, alpha: SELU_GAMMA * _elu(x, SELU_ALPHA),
    "sigmoid": _sigmoid,
    "silu": lambda x, alpha: x * _sigmoid(x, alpha),
    "softplus": lambda x, alpha: _softplus(x),
    "softsign": lambda x, alpha: x / (1 + np.abs(x)),
    "swish": lambda x, alpha: x * _sigmoid(alpha * x, alpha),
    "tanh": lambda x, alpha: np.tanh(x),
    "thresholded_relu": lambda x, alpha: np.where(x > alpha, x, 0.0),
}


@register
@dataclass(frozen=True)
class Activation(Op):
    """y = f(x), element by element, with f by its kind (alpha is read by the kinds that name it):

    celu          x if x ≥ 0 else alpha·(e^(x/alpha) − 1), alpha > 0
    elu           x if x ≥ 0 else alpha·(e^x − 1)
    erf           the error function
    gelu          x·(1 + erf(x/√2))/2
    gelu_tanh     x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2
    hard_sigmoid  clip(x/6 + 1/2, 0, 1)
    hard_swish    x·hard_sigmoid(x)
    leaky_relu    x if x ≥ 0 else alpha·x
    mish          x·tanh(softplus(x))
    selu          1.0507…·elu(x) with alpha 1.6732…, the constants of ONNX Selu
    sigmoid       1/(1 + e^−x)
    silu          x·sigmoid(x)
    softplus      log(1 + e^x)
    softsign      x/(1 + |x|)
    swish         x·sigmoid(alpha·x); "quick GELU" has alpha 1.702
    tanh          the hyperbolic tangent
    thresholded_relu  x if x > alpha else 0

    Example: %y = activation(%x) {kind="silu"}
    """

    mnemonic: ClassVar[str] = "activation"
    kind: str
    alpha: float = 0.0

    def infer(self, x: TensorType) -> TensorType:
        require(self.kind in KINDS, f"unknown activation {self.kind!r}, known: {', '.join(sorted(KINDS))}")
        require(x.is_float, "activation takes floats")
        require(self.kind != "celu" or self.alpha > 0, f"celu has a positive alpha, not {self.alpha}")
        return x

    def evaluate(self, x: Array) -> Array:
        return KINDS[self.kind](working(x), self.alpha)

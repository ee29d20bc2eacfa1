"""Kernels as products: one convolution over time and space becomes two, one after the other.

Let f count the taps of the convolution that comes first (say, those over time) and g the taps of the second (over
space). The kernel w[o, c, f, g] read as a matrix A with rows (o, g) and columns (c, f) is a product of two matrices

    w[o,c,f,g] = Σ_m second[o,m,g] · first[m,c,f]

so that `second` applied to the output of `first` is w applied to the input, with one channel in between for each term
m. The number of terms is the rank. Groups are separate matrices with the same number of terms each.

Below the full rank, the terms are the leading singular vectors of A, the best product of that many terms in the sum of
squares. They come from the eigenvectors E of the smaller Gram matrix, AᵀA or AAᵀ, several times faster than a singular
value decomposition. Squaring costs half of the digits of small singular values, but none of the result: A is projected
onto the leading columns of E, which are orthonormal to the last bit, and what this leaves out is measured on A itself.

At full rank no decomposition is needed: one factor only selects (for each input channel and each of its taps a term of
its own, weight 1) and the other holds the kernel, bit for bit. It has as many terms as singular vectors would, no
rounding, and channels in between that are copies of the input or partial sums of the output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ...runtime import arith
from ..ir.ops.base import Array

# What counts as nothing, relative to the norm: a product rounded to float32 is that far from the product.
ROUNDING = 2.0**-24
# Far above the rounding of a Gram matrix in float64 and, as a share of the squares, above ROUNDING².
DEFINITE = 1e-12
MANTISSA = 24
# Near ties in the choice of a vector's sign are ties.
SIGN_MANTISSA = 16


@dataclass(frozen=True)
class Rank:
    """How many terms: `loss`, the share of the squares that may be left out, or else `terms`, or else as many as keep
    the number of parameters."""

    loss: float | None = None
    terms: int | None = None

    @classmethod
    def parse(cls, text: str) -> Rank:
        """From exact, r2plus1d, energy=SHARE, error=RELATIVE or a number; ValueError if it is none of them."""
        kind, _, number = text.partition("=")
        if text in ("exact", "r2plus1d"):
            return cls(loss=0.0) if text == "exact" else cls()
        if re.fullmatch(r"[0-9]+", text) and int(text) >= 1:
            return cls(terms=int(text))
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if kind == "energy" and 0 < value <= 1:
            return cls(loss=1 - value)
        if kind == "error" and 0 <= value < 1:
            return cls(loss=value**2)
        raise ValueError(
            f"rank must be exact, r2plus1d, a number of terms ≥ 1, energy=SHARE (above 0, at most 1) or error=RELATIVE "
            f"(at least 0, below 1), not {text!r}"
        )

    @property
    def is_exact(self) -> bool:
        return self.loss is not None and self.loss <= ROUNDING**2


@dataclass(frozen=True)
class Factors:
    """first (groups, terms, c, f) and second (groups, o, terms, g); the rank at which any kernel of this size is exact;
    the relative error ‖(A − second·first)·D‖ / ‖A·D‖, D being the weights of the input channels."""

    first: Array
    second: Array
    full: int
    error: float


def factorize(kernel: Array, rank: Rank, weights: Array | None = None) -> Factors:
    """The product for a kernel (groups, o, c, f, g). The error is measured with `weights` (groups, c) > 0 on the input
    channels, and so is the loss that `rank` allows."""
    groups, outputs, inputs, early, late = kernel.shape
    matrix = kernel.transpose(0, 1, 4, 2, 3).reshape(groups, outputs * late, inputs * early).astype(np.float64)
    columns = np.ones((1, 1, 1)) if weights is None else np.repeat(weights, early, axis=1)[:, None]
    # Exactness has to hold for each channel, however small it is beside the others.
    scales = _equilibrate(kernel) if rank.is_exact else (np.ones((1, 1, 1)), columns)
    product = _truncate(matrix, rank, *scales)
    left, right = _select(matrix) if product is None else product
    error = 0.0 if product is None else _norm((matrix - left @ right) * columns) / (_norm(matrix * columns) or 1.0)
    first = right.reshape(groups, -1, inputs, early)
    second = left.reshape(groups, outputs, late, -1).swapaxes(2, 3)
    return Factors(first, second, min(matrix.shape[1:]), error)


def _truncate(matrix: Array, rank: Rank, rows: Array, columns: Array) -> tuple[Array, Array] | None:
    """The leading terms of the scaled matrices, unscaled; None if it takes all terms."""
    scaled = matrix * rows * columns
    wide = scaled.shape[1] <= scaled.shape[2]
    gram = scaled @ scaled.swapaxes(1, 2) if wide else scaled.swapaxes(1, 2) @ scaled
    full = gram.shape[1]
    if full == 1 or (rank.is_exact and _surely_full(gram)):
        return None
    left, right, squares = _terms(scaled, np.linalg.eigh(gram)[1][:, :, ::-1])
    own = _least(_tails(squares), ROUNDING**2)
    most = int(own.max())
    if rank.is_exact:
        terms = most
    elif rank.loss is not None:
        terms = int(_least(_tails(squares.sum(axis=0, keepdims=True)), rank.loss)[0])
    else:
        terms = rank.terms or matrix[0].size // sum(matrix.shape[1:])
    terms = max(1, min(terms, most))
    if terms == full:
        return None
    kept = np.arange(terms) < own[:, None]  # beyond a group's own rank there is nothing but noise
    left, right = left[:, :, :terms] * kept[:, None], right[:, :terms] * kept[:, :, None]
    return _balance(left / rows, right / columns)


def _surely_full(gram: Array) -> bool:
    """True only if no term is nothing: a Cholesky factorization, much faster than eigenvectors, proves it."""
    full = gram.shape[1]
    share = np.trace(gram, axis1=1, axis2=2)[:, None, None] * DEFINITE
    try:
        np.linalg.cholesky(gram - share * np.eye(full))
    except np.linalg.LinAlgError:
        return False
    return True


def _norm(array: Array) -> float:
    return float(np.sqrt(np.square(array).sum()))


def _equilibrate(kernel: Array) -> tuple[Array, Array]:
    """Powers of two for the rows and columns that bring all output and input channels to a norm near 1."""
    squares = np.square(kernel.astype(np.float64)).sum(axis=(3, 4))
    rows = _inverse_root(squares.sum(axis=2))
    columns = _inverse_root((squares * rows[:, :, None] ** 2).sum(axis=1))
    return np.repeat(rows, kernel.shape[4], axis=1)[:, :, None], np.repeat(columns, kernel.shape[3], axis=1)[:, None]


def _inverse_root(squares: Array) -> Array:
    """The power of two nearest to 1 / √squares, 1 where that is 0."""
    return np.exp2(-np.rint(np.log2(np.where(squares > 0, squares, 1.0)) / 2))


def _terms(matrix: Array, basis: Array) -> tuple[Array, Array, Array]:
    """The matrices (groups, rows, columns) projected on each vector (groups, shorter side, full) of an orthonormal
    basis of their shorter side: the terms' left and right factors and the squares of their norms.

    Of a left factor, the entry of largest magnitude is positive; the first one if several are as large.
    """
    if basis.shape[1] == matrix.shape[1]:
        left, right = basis, basis.swapaxes(1, 2) @ matrix
        squares = np.square(right).sum(axis=2)
    else:
        left, right = matrix @ basis, basis.swapaxes(1, 2)
        squares = np.square(left).sum(axis=1)
    pivot = np.argmax(arith.round_mantissa(np.abs(left), SIGN_MANTISSA), axis=1)[:, None]
    sign = np.where(np.take_along_axis(left, pivot, axis=1) < 0, -1.0, 1.0)
    return left * sign, right * sign.swapaxes(1, 2), squares


def _tails(squares: Array) -> Array:
    """Share of the squares that is left out with 0, 1, …, all terms, along axis 1."""
    left_out = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    total = np.where(left_out[:, :1] > 0, left_out[:, :1], 1.0)
    return np.concatenate([left_out / total, np.zeros((len(squares), 1))], axis=1)


def _least(tails: Array, loss: float) -> Array:
    """The smallest numbers of terms that leave out at most `loss`."""
    return np.argmax(tails <= loss, axis=1)


def _select(matrix: Array) -> tuple[Array, Array]:
    """The matrices as products of themselves and the identity."""
    groups, rows, columns = matrix.shape
    identity = np.broadcast_to(np.eye(min(rows, columns)), (groups, min(rows, columns), min(rows, columns)))
    return (matrix, identity) if columns <= rows else (identity, matrix)


def _balance(left: Array, right: Array) -> tuple[Array, Array]:
    """Both sides of each term with about the same norm, by powers of two, then rounded to float32's digits."""
    a, b = np.square(left).sum(axis=1), np.square(right).sum(axis=2)
    ratio = np.divide(a, b, out=np.ones_like(a), where=(a > 0) & (b > 0))
    scale = np.exp2(np.rint(np.log2(ratio) / 4))
    return (
        arith.round_mantissa(left / scale[:, None], MANTISSA),
        arith.round_mantissa(right * scale[:, :, None], MANTISSA),
    )

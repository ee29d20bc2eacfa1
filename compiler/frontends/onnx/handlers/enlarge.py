"""Interpolation by whole factors as one transposed convolution, which targets run where they have no dense layer along
an axis.

Linear interpolation by a whole factor s, with new elements at even distances, is a transposed convolution with stride s
and a triangle of weights, channel by channel, on an input whose ends are repeated once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ....ir import Value
from ....ir.ops import ConvTranspose
from ...common.emit import Array
from ...common.moves import MAX_KERNEL, image, picked, runs_of
from ..call import Call

_EQUAL = 1e-9  # two float64 matrices of one map


class _Conv(NamedTuple):
    """One axis of a transposed convolution; `pads` is what is cut off its result."""

    stride: int
    weights: Array
    pads: tuple[int, int]


_NONE = _Conv(1, np.ones(1), (0, 0))


def _triangle(factor: int, centered: bool) -> _Conv:
    """For an input that is longer by one at both ends. `centered`: new elements lie evenly around the old ones, not
    behind them."""
    taps = 2 * factor - factor % 2 if centered else 2 * factor - 1
    weights = 1 - np.abs(np.arange(taps) - (taps - 1) / 2) / factor
    start = factor + (taps - factor) // 2 if centered else 2 * factor - 1
    return _Conv(factor, weights, (start, factor + taps - start))


def _as_conv(matrix: Array) -> _Conv | None:
    """The transposed convolution that is this matrix (new size, old size), None if none is."""
    new, size = matrix.shape
    factor = new // size
    if new % size or factor < 2:
        return None
    for conv in (_triangle(factor, centered) for centered in (True, False)):
        taps = len(conv.weights)
        full = np.zeros((factor * (size + 1) + taps, size))
        for i, column in enumerate(np.clip(np.arange(-1, size + 1), 0, size - 1)):
            full[factor * i : factor * i + taps, column] += conv.weights
        if np.abs(full[conv.pads[0] :][:new] - matrix).max() < _EQUAL:
            return conv
    return None


def enlarged(call: Call, x: Value, matrices: Mapping[int, Array]) -> tuple[Value, dict[int, Array]]:
    """x interpolated along all spatial axes whose matrices (new size, old size) are transposed convolutions, in one of
    them; and the matrices that are left."""
    spatial = 3 <= x.type.rank <= 5
    found = {axis: _as_conv(matrix) for axis, matrix in matrices.items() if axis >= 2 and spatial}
    convs = {axis: conv for axis, conv in found.items() if conv is not None}
    if not convs:
        return x, dict(matrices)
    for axis in convs:
        size = x.type.shape[axis]
        x = picked(call, x, axis, runs_of([0, *range(size), size - 1]), f"ends{axis}")
    strides, weights, pads = zip(*(convs.get(axis, _NONE) for axis in range(2, x.type.rank)), strict=True)
    x = image(call, x, len(strides))
    channels, ones = x.type.shape[1], (1,) * len(strides)
    elements = channels * math.prod(map(len, weights))
    call.require(elements <= MAX_KERNEL, "NMC-I016", f"its factors {list(strides)} need {elements} weights")
    kernel = weights[0]
    for row in weights[1:]:
        kernel = np.multiply.outer(kernel, row)
    weight = call.weight("weight", np.broadcast_to(kernel, (channels, 1, *kernel.shape)).astype(np.float32))
    op = ConvTranspose(strides, pads, ones, (0,) * len(strides), groups=channels)
    return call.emit(op, x, weight), {axis: matrix for axis, matrix in matrices.items() if axis not in convs}

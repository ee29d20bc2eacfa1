"""Layers in float64 over whole streams at once, for calibration: real numbers, or integers exactly (below 2^53).

Frames of all streams lie in one array (streams, frames, X, Y, C). Weights are those of a FloatLayer.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np

from ...runtime.program.akida_kinds import CONVOLUTIONS, DEPTHWISE, TEMPORAL
from ...runtime.program.akida_shapes import padding, windows
from .floats import Array, FloatLayer

BLOCK_ELEMENTS = 1 << 22


def sums(layer: FloatLayer, weight: Array, x: Array, fill: float = 0.0) -> Array:
    """The products of a neural layer added up, no bias: (streams, frames, X', Y', F).

    weight  of the layer's shape; its dtype, float64 or float32, is the one that is computed in
    fill    what a padding cell of an image layer holds
    """
    if layer.kind in TEMPORAL:
        return _temporal(layer, weight, x)
    frames = x.reshape(-1, *x.shape[2:])
    parts = [_frames(layer, weight, part, fill) for part in in_blocks(frames, layer)]
    return np.concatenate(parts).reshape(*x.shape[:2], *layer.summed)


def _frames(layer: FloatLayer, weight: Array, x: Array, fill: float) -> Array:
    if layer.kind in CONVOLUTIONS:
        return _convolve(layer, weight, x, fill)
    if layer.kind == "Dense1D":
        return _times(x.reshape(len(x), 1, 1, -1), weight)
    return _transposed(layer, weight, x)


def in_blocks(frames: Array, layer: FloatLayer) -> Iterator[Array]:
    """Frames in parts whose unfolded windows fit into the cache rather than into the memory."""
    kernel = layer.parameters.get("kernel_size", 1)
    unfolded = layer.summed[0] * layer.summed[1] * layer.given[2] * kernel * kernel
    size = max(1, BLOCK_ELEMENTS // max(unfolded, 1))
    return (frames[i : i + size] for i in range(0, len(frames), size))


def cells(
    x: Array, kernel: int, stride: int, mode: str, fill: float, dtype: type[np.generic] = np.float64
) -> Iterator[tuple[int, int, Array]]:
    """For each cell (i, j) of a window, what all windows of frames (n, X, Y, C) have there: (n, X', Y', C)."""
    n, *size, c = x.shape
    (left, right), (top, bottom) = (padding(extent, kernel, stride, mode) for extent in size)
    padded = np.empty((n, left + size[0] + right, top + size[1] + bottom, c), dtype)
    if left + right + top + bottom:
        padded[:] = fill
    padded[:, left : left + size[0], top : top + size[1]] = x
    across, down = (stride * (windows(extent, kernel, stride, mode) - 1) + 1 for extent in size)
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, padded[:, i : i + across : stride, j : j + down : stride]


def window_of(layer: FloatLayer) -> tuple[int, int, str]:
    """(kernel, stride, padding mode) of a convolution."""
    p = layer.parameters
    return p["kernel_size"], p["kernel_stride"], p["padding"]


def _convolve(layer: FloatLayer, weight: Array, x: Array, fill: float) -> Array:
    views = cells(x, *window_of(layer), fill, weight.dtype.type)
    if layer.kind in DEPTHWISE:
        return reduce(np.add, (view * weight[i, j] for i, j, view in views))
    unfolded = np.concatenate([view for _, _, view in views], axis=-1)
    return _times(unfolded, weight.reshape(-1, weight.shape[-1]))


def _times(x: Array, matrix: Array) -> Array:
    """x @ matrix as one product: numpy would make one for each row of pixels."""
    flat = x.reshape(-1, x.shape[-1])
    return (flat.astype(matrix.dtype, copy=False) @ matrix).reshape(*x.shape[:-1], -1)


def _transposed(layer: FloatLayer, weight: Array, x: Array) -> Array:
    n, width, height, _ = x.shape
    kernel = len(weight)
    full = np.zeros((n, 2 * width + kernel, 2 * height + kernel, layer.summed[2]), weight.dtype)
    for i in range(kernel):
        for j in range(kernel):
            part = x * weight[i, j] if layer.kind in DEPTHWISE else _times(x, weight[i, j])
            full[:, i : i + 2 * width : 2, j : j + 2 * height : 2] += part
    crop = (kernel - 2) // 2
    return full[:, crop : crop + 2 * width, crop : crop + 2 * height]


def _temporal(layer: FloatLayer, weight: Array, x: Array) -> Array:
    """Σ over t of weight[t] · the frame T−1−t before, zeros before the first."""
    size = len(weight)
    total = np.zeros((*x.shape[:-1], weight.shape[-1]), weight.dtype)
    for stream, summed in zip(x.astype(weight.dtype), total, strict=True):
        for lag in range(min(size, len(stream))):
            frames, w = stream[: len(stream) - lag], weight[size - 1 - lag]
            summed[lag:] += frames * w if layer.kind in DEPTHWISE else _times(frames, w)
    return total


def max_pool(x: Array, size: int, stride: int, mode: str) -> Array:
    """The largest of each window of (streams, frames, X, Y, C)."""
    views = cells(x.reshape(-1, *x.shape[2:]), size, stride, mode, -np.inf)
    pooled = reduce(np.maximum, (view for _, _, view in views))
    return pooled.reshape(*x.shape[:2], *pooled.shape[1:])

"""The sums of products of the Akida layers, exact in int64. Frames are (N, X, Y, C), results (N, X', Y', F)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce

import numpy as np

from ..arith import Ints, exact_matmul
from ..program.akida import Layer
from ..program.akida_shapes import padding, windows


def input_conv2d(x: Ints, layer: Layer) -> Ints:
    """out[x, y, f] = Σ in[s·x + i, s·y + j, c] · w[i, j, c, f]; a padding cell of channel c holds padding_value[c]."""
    return _correlate(x, layer.variables["weights"], layer, layer.variables["padding_value"])


def conv2d(x: Ints, layer: Layer) -> Ints:
    """The same with zero padding, of the kernel stored flipped in both spatial axes."""
    return _correlate(x, layer.variables["weights"][::-1, ::-1], layer, 0)


def depthwise_conv2d(x: Ints, layer: Layer) -> Ints:
    """out[x, y, c] = Σ in[s·x + i, s·y + j, c] · w[i, j, c], stored flipped."""
    p, w = layer.parameters, layer.variables["weights"][::-1, ::-1, :, 0]
    cells = _cells(x, p["kernel_size"], p["kernel_stride"], p["padding"], 0)
    return reduce(np.add, (part * w[i, j] for i, j, part in cells))


def buffer_temp_conv(fifo: Ints, layer: Layer) -> Ints:
    """out[x, y, f] = Σ fifo[x, y, t, c] · w[t·C + c, f]; fifo (N, X, Y, T, C), oldest frame first."""
    w = layer.variables["weights"][0, 0]
    return exact_matmul(fifo.reshape(*fifo.shape[:3], len(w)), w)


def depthwise_buffer_temp_conv(fifo: Ints, layer: Layer) -> Ints:
    """out[x, y, c] = Σ fifo[x, y, t, c] · w[t, c]."""
    return (fifo * layer.variables["weights"][0, 0]).sum(axis=3)


def dense1d(x: Ints, layer: Layer) -> Ints:
    """out[f] = Σ in[e] · w[e, f], e counting through X, Y, C; x (N, 1, 1, In)."""
    return exact_matmul(x, layer.variables["weights"])


def conv2d_transpose(x: Ints, layer: Layer) -> Ints:
    """full[2x + i, 2y + j, f] = Σ in[x, y, c] · w[i, j, c, f], cropped to twice the size."""
    w = layer.variables["weights"]
    return _spread(lambda i, j: exact_matmul(x, w[i, j]), (*x.shape[:3], w.shape[3]), len(w))


def depthwise_conv2d_transpose(x: Ints, layer: Layer) -> Ints:
    """The same channel by channel: full[2x + i, 2y + j, c] = Σ in[x, y, c] · w[i, j, c]."""
    w = layer.variables["weights"][..., 0]
    return _spread(lambda i, j: x * w[i, j], x.shape, len(w))


SUMS: dict[str, Callable[[Ints, Layer], Ints]] = {
    "InputConv2D": input_conv2d,
    "Conv2D": conv2d,
    "DepthwiseConv2D": depthwise_conv2d,
    "BufferTempConv": buffer_temp_conv,
    "DepthwiseBufferTempConv": depthwise_buffer_temp_conv,
    "Dense1D": dense1d,
    "Conv2DTranspose": conv2d_transpose,
    "DepthwiseConv2DTranspose": depthwise_conv2d_transpose,
}


def max_pool(x: Ints, size: int, stride: int, mode: str) -> Ints:
    """The largest of each window; padding cells never win."""
    lowest = np.iinfo(np.int64).min
    return reduce(np.maximum, (part for _, _, part in _cells(x, size, stride, mode, lowest)))


def _correlate(x: Ints, w: Ints, layer: Layer, fill: Ints | int) -> Ints:
    p = layer.parameters
    cells = _cells(x, p["kernel_size"], p["kernel_stride"], p["padding"], fill)
    return reduce(np.add, (exact_matmul(part, w[i, j]) for i, j, part in cells))


def _cells(x: Ints, kernel: int, stride: int, mode: str, fill: Ints | int) -> Iterator[tuple[int, int, Ints]]:
    """For each cell (i, j) of a window, what all windows have there: (N, X', Y', C)."""
    n, *size, c = x.shape
    (left, right), (top, bottom) = (padding(extent, kernel, stride, mode) for extent in size)
    padded = np.empty((n, left + size[0] + right, top + size[1] + bottom, c), np.int64)
    padded[:] = fill
    padded[:, left : left + size[0], top : top + size[1]] = x
    across, down = (stride * windows(extent, kernel, stride, mode) for extent in size)
    for i in range(kernel):
        for j in range(kernel):
            yield i, j, padded[:, i : i + across : stride, j : j + down : stride]


def _spread(part: Callable[[int, int], Ints], shape: tuple[int, ...], kernel: int) -> Ints:
    """Windows of stride 2 laid out and added up; `part(i, j)`, of shape (N, X, Y, F), is cell (i, j) of all of them."""
    n, x, y, f = shape
    full = np.zeros((n, 2 * x + kernel, 2 * y + kernel, f), np.int64)
    for i in range(kernel):
        for j in range(kernel):
            full[:, i : i + 2 * x : 2, j : j + 2 * y : 2] += part(i, j)
    crop = (kernel - 2) // 2
    return full[:, crop : crop + 2 * x, crop : crop + 2 * y]

"""Second moments of what a layer's weights meet on the calibration samples: what its rounding is weighed with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...runtime.program.akida_kinds import CONVOLUTIONS, DEPTHWISE, TEMPORAL
from .floats import Array, FloatLayer
from .sums import cells, in_blocks, window_of

WORK = 1 << 34


@dataclass(frozen=True)
class Moments:
    """Of the integers x that R weights of a filter meet, and of the errors d of the real values they stand for.

    gram   covariance of the integers, (R, R, 1), or (R, R, F) where each filter reads one channel of its own
    error  covariance of integers (first axis) and real errors (second axis), of the same shape; None: not asked for
    """

    gram: Array
    error: Array | None


def moments(layer: FloatLayer, integers: Array, fill: float, errors: Array | None = None) -> Moments:
    """Covariances over streams, frames and pixels, or over an even choice of these where all would take long.

    integers  the codes that the layer reads, (streams, frames, X, Y, C)
    fill      what a padding cell of an image layer holds
    errors    real values minus code · step, of the same shape
    """
    weight = layer.weight
    assert weight is not None
    own = layer.kind in DEPTHWISE
    rows = weight.size // weight.shape[-1]
    results = integers.shape[0] * integers.shape[1] * layer.summed[0] * layer.summed[1]
    every = max(1, results * rows * rows * (weight.shape[-1] if own else 1) // WORK) | 1
    xs = _patches(layer, integers, fill, every)
    gram = _Covariance()
    if errors is None:
        for x in xs:
            gram.add(x, x)
        return Moments(gram.result(), None)
    crossed = _Covariance()
    for x, d in zip(xs, _patches(layer, errors, 0.0, every), strict=True):
        gram.add(x, x)
        crossed.add(x, d)
    return Moments(gram.result(), crossed.result())


class _Covariance:
    """Adds up a covariance of patches (n, R, 1) or (n, R, F). Of integers all sums are exact."""

    def __init__(self) -> None:
        self.count, self.products, self.first, self.second = 0, np.zeros(()), np.zeros(()), np.zeros(())

    def add(self, x: Array, y: Array) -> None:
        shared = x.shape[2] == 1
        product = (x[..., 0].T @ y[..., 0])[..., None] if shared else np.einsum("nrf,nsf->rsf", x, y)
        self.products = self.products + product
        self.first, self.second = self.first + x.sum(axis=0), self.second + y.sum(axis=0)
        self.count += len(x)

    def result(self) -> Array:
        """(R, R, 1) or (R, R, F)."""
        mean, other = self.first / self.count, self.second / self.count
        return self.products / self.count - mean[:, None] * other[None]


def _patches(layer: FloatLayer, x: Array, fill: float, every: int) -> Iterator[Array]:
    """What the weights meet at one result of `every`: (n, R, 1), of layers that keep channels apart (n, R, C)."""
    first = 0
    for block in _unfolded(layer, x, fill):
        flat = block.reshape(-1, *block.shape[-2:])
        part = flat[first::every].astype(np.float64)
        first = (first - len(flat)) % every
        if len(part):
            yield part if layer.kind in DEPTHWISE else part.reshape(len(part), -1, 1)


def _unfolded(layer: FloatLayer, x: Array, fill: float) -> Iterator[Array]:
    """Blocks (…, taps, C) of what the weights of each tap meet."""
    frames = x.reshape(-1, *x.shape[2:])
    dtype = x.dtype.type
    if layer.kind in TEMPORAL:
        assert layer.weight is not None
        size = len(layer.weight)
        for stream in x:
            past = np.concatenate([np.zeros((size - 1, *stream.shape[1:]), dtype), stream])
            yield np.stack([past[t : t + len(stream)] for t in range(size)], axis=-2)
    elif layer.kind == "Dense1D":
        yield frames.reshape(len(frames), 1, -1)
    elif layer.kind in CONVOLUTIONS:
        for part in in_blocks(frames, layer):
            yield np.stack([view for _, _, view in cells(part, *window_of(layer), fill, dtype)], axis=-2)
    else:
        for part in in_blocks(frames, layer):
            yield _upsampled(layer, part)


def _upsampled(layer: FloatLayer, x: Array) -> Array:
    """For each result of a transposed layer what each tap adds to it, 0 for those that add nothing."""
    n, width, height, channels = x.shape
    kernel = layer.parameters["kernel_size"]
    crop = (kernel - 2) // 2
    spread = np.zeros((n, 2 * width + 2 * kernel, 2 * height + 2 * kernel, channels), x.dtype)
    spread[:, kernel : kernel + 2 * width : 2, kernel : kernel + 2 * height : 2] = x
    first = kernel + crop
    views = [
        spread[:, first - i : first - i + 2 * width, first - j : first - j + 2 * height]
        for i in range(kernel)
        for j in range(kernel)
    ]
    return np.stack(views, axis=-2)

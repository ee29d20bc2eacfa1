"""Statistics of integers on the calibration samples."""

from __future__ import annotations

import numpy as np

from ...runtime import arith
from ...runtime.program.akida_kinds import CONVOLUTIONS, TEMPORAL
from .floats import Array, FloatLayer
from .sums import cells, in_blocks, window_of

MANTISSA = 30
BEST = 200.0


def tap_means(layer: FloatLayer, x: Array, fill: float) -> Array:
    """Mean of what each weight of a layer meets, over streams, frames and pixels: the weights' shape without filters.

    In a transposed layer each result meets a quarter of the weights, so the mean over results is a quarter; elements at
    the border whose product would lie outside the result count as zeros.
    """
    frames = x.reshape(-1, *x.shape[2:])
    if layer.kind in CONVOLUTIONS:
        kernel, stride, mode = window_of(layer)
        total = np.zeros((kernel, kernel, x.shape[-1]))
        for part in in_blocks(frames, layer):
            for i, j, view in cells(part, kernel, stride, mode, fill):
                total[i, j] += view.sum(axis=(0, 1, 2))
        return total / (len(frames) * layer.summed[0] * layer.summed[1])
    if layer.kind == "Dense1D":
        return frames.reshape(len(frames), -1).mean(axis=0, dtype=np.float64)
    if layer.kind in TEMPORAL:
        assert layer.weight is not None
        sums = x.sum(axis=(0, 2, 3), dtype=np.float64)  # frames, channels
        past = [sums[: max(len(sums) - lag, 0)].sum(axis=0) for lag in reversed(range(len(layer.weight)))]
        return np.stack(past) / (x.size / x.shape[-1])
    kernel, total = layer.parameters["kernel_size"], x.sum(axis=(0, 1), dtype=np.float64)
    across, down = (_kept(extent, kernel) for extent in x.shape[2:4])
    return np.einsum("xyc,ix,jy->ijc", total, across, down) / (len(frames) * layer.summed[0] * layer.summed[1])


def _kept(extent: int, kernel: int) -> Array:
    """(kernel, extent): 1 where a transposed layer adds the product of a tap and an element to a result, else 0."""
    result = 2 * np.arange(extent) + np.arange(kernel)[:, None] - (kernel - 2) // 2
    return ((result >= 0) & (result < 2 * extent)).astype(np.float64)


def variances(x: Array) -> Array:
    """Variance of each channel, (C)."""
    flat = x.reshape(-1, x.shape[-1])
    squares = np.einsum("nc,nc->c", flat, flat, dtype=np.float64) / max(len(flat), 1)
    return arith.round_mantissa(np.maximum(squares - flat.mean(axis=0, dtype=np.float64) ** 2, 0), MANTISSA)


def snr(real: Array, integers: Array, scale: Array) -> float:
    """Signal-to-quantization-noise ratio in dB, 10·log10(Σ y² / Σ (y − scale·q)²), at most 200, to one decimal."""
    signal = float(np.square(real, dtype=np.float64).sum())
    noise = float(np.square(real - integers * scale).sum())
    if noise == 0 or signal == 0:
        return BEST if noise == 0 else 0.0
    return round(min(10 * float(np.log10(signal / noise)), BEST), 1)

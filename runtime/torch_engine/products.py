"""Exact sums of products of integers: in floating point where no partial sum can leave the mantissa, else in int64.

Integers below 2^24 are float32 numbers, those below 2^53 float64 ones, and sums of them are exact in any order as long
as every partial sum stays below that bound. Convolutions are matrix products of their windows; cuDNN's own algorithms
may transform numbers on the way (Winograd, FFT) and would not be exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

ELEMENTS = 1 << 26  # of an array of windows, or of products, that is made at once

WAYS: dict[torch.dtype, float] = {torch.float32: 2.0**24, torch.float64: 2.0**53, torch.int64: float("inf")}
"""By number type, the bound that |partial sums| keep."""


def way(bound: int) -> torch.dtype:
    """The fastest type that holds all integers up to `bound`."""
    return next(kind for kind, limit in WAYS.items() if bound <= limit)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a (…, K) @ b (K, F), both of one of `WAYS`, to int64 (…, F); modulo 2^64 for int64."""
    if a.dtype != torch.int64:
        return torch.matmul(a, b).to(torch.int64)
    # There are no products of int64 matrices on a GPU.
    out = torch.zeros((*a.shape[:-1], b.shape[1]), dtype=torch.int64, device=a.device)
    for k in range(b.shape[0]):
        out += a[..., k, None] * b[k]
    return out


def correlate(x: Tensor, w: Tensor, stride: int) -> Tensor:
    """out[n, x, y, f] = Σ x[n, s·x + i, s·y + j, c] · w[i, j, c, f], int64.

    x (N, X, Y, C) with its padding, w (k, k, C, F), both of one of `WAYS`.
    """
    k, _, c, f = w.shape
    matrix = w.permute(2, 0, 1, 3).reshape(c * k * k, f)
    windows = x.unfold(1, k, stride).unfold(2, k, stride)
    size = max(ELEMENTS // max(windows[:1].numel(), 1), 1)
    parts = [matmul(part.reshape(*part.shape[:3], c * k * k), matrix) for part in windows.split(size)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def depthwise(x: Tensor, w: Tensor, stride: int) -> Tensor:
    """out[n, x, y, c] = Σ x[n, s·x + i, s·y + j, c] · w[i, j, c], int64; as `correlate`."""
    k = len(w)
    across, down = ((extent - k) // stride * stride + 1 for extent in x.shape[1:3])
    cells = (x[:, i : i + across : stride, j : j + down : stride] * w[i, j] for i in range(k) for j in range(k))
    total = next(cells)
    for cell in cells:
        total = total + cell
    return total.to(torch.int64)


def spread(x: Tensor, w: Tensor, by_channel: bool) -> Tensor:
    """Transposed convolution of stride 2, int64: full[2x + i, 2y + j, f] = Σ x[x, y, c] · w[i, j, c, f], cropped to
    twice the size; `by_channel`: w (k, k, C), and channels do not mix."""
    n, across, down, _ = x.shape
    k = len(w)
    full = torch.zeros((n, 2 * across + k, 2 * down + k, w.shape[-1]), dtype=torch.int64, device=x.device)
    for i in range(k):
        for j in range(k):
            part = (x * w[i, j]).to(torch.int64) if by_channel else matmul(x, w[i, j])
            full[:, i : i + 2 * across : 2, j : j + 2 * down : 2] += part
    crop = (k - 2) // 2
    return full[:, crop : crop + 2 * across, crop : crop + 2 * down]


def pad(x: Tensor, margins: tuple[tuple[int, int], tuple[int, int]], fill: Tensor | int) -> Tensor:
    """x (N, X, Y, C) with cells of `fill` (a number, or one a channel) before and after both spatial axes."""
    (left, right), (top, bottom) = margins
    if not (left or right or top or bottom):
        return x
    n, across, down, c = x.shape
    out = torch.empty((n, left + across + right, top + down + bottom, c), dtype=x.dtype, device=x.device)
    out[:] = fill
    out[:, left : left + across, top : top + down] = x
    return out


def max_pool(x: Tensor, size: int, stride: int) -> Tensor:
    """The largest of each window; x with its padding."""
    across, down = ((extent - size) // stride * stride + 1 for extent in x.shape[1:3])
    cells = [x[:, i : i + across : stride, j : j + down : stride] for i in range(size) for j in range(size)]
    best = cells[0]
    for cell in cells[1:]:
        best = torch.maximum(best, cell)
    return best

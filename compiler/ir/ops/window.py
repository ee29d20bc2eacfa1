"""Sliding windows: the one place where the output-size formula of convolutions and pools stands."""

from __future__ import annotations

from itertools import product

from ..types import TensorType
from .base import Array, require

Ints = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]


def output_size(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int], ceil_mode: bool = False
) -> int:
    """floor((size + pads − dilation·(kernel−1) − 1) / stride) + 1; ceil_mode as in ONNX and PyTorch: the last window
    must start inside the input or its left padding."""
    free = size + sum(pads) - dilation * (kernel - 1) - 1
    require(free >= 0, f"window {kernel} (dilation {dilation}) is larger than the padded input {size + sum(pads)}")
    if not ceil_mode:
        return free // stride + 1
    count = -(-free // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pads[0] else count


def check_windows(x: TensorType, kernel: Ints, stride: Ints, dilation: Ints, pads: Pads) -> None:
    """IllegalOp unless x has axes N, C, then one spatial axis per kernel entry, and all numbers make sense."""
    require(x.rank == len(kernel) + 2, f"a {len(kernel)}-D window needs an input of rank {len(kernel) + 2}, got {x}")
    require(x.axes[:2] == "NC", f"the first two axes must be N and C, got {x}")
    require(
        len(stride) == len(dilation) == len(pads) == len(kernel), "stride, dilation and pads need one entry an axis"
    )
    require(all(k >= 1 for k in kernel), f"kernel {kernel} must be positive")
    require(all(s >= 1 for s in stride) and all(d >= 1 for d in dilation), "stride and dilation must be positive")
    require(all(len(p) == 2 and p[0] >= 0 and p[1] >= 0 for p in pads), f"pads {pads} must not be negative")


def output_sizes(
    x: TensorType, kernel: Ints, stride: Ints, dilation: Ints, pads: Pads, ceil_mode: bool = False
) -> Ints:
    check_windows(x, kernel, stride, dilation, pads)
    sizes = zip(x.shape[2:], kernel, stride, dilation, pads, strict=True)
    return tuple(output_size(*numbers, ceil_mode) for numbers in sizes)


def ceil_pads(x: Ints, kernel: Ints, stride: Ints, dilation: Ints, pads: Pads, out: Ints) -> Pads:
    """Pads with the end enlarged so that every one of `out` windows lies inside the padded input."""
    need = [(o - 1) * s + d * (k - 1) + 1 for o, s, d, k in zip(out, stride, dilation, kernel, strict=True)]
    return tuple((b, max(e, n - size - b)) for (b, e), n, size in zip(pads, need, x, strict=True))


def taps(x: Array, kernel: Ints, stride: Ints, dilation: Ints, out: Ints) -> list[tuple[Ints, Array]]:
    """For every kernel position, the (strided) view of padded x[n, c, …] that it meets: shape (n, c, *out)."""
    views = []
    for position in product(*map(range, kernel)):
        starts = [p * d for p, d in zip(position, dilation, strict=True)]
        index = tuple(slice(b, b + (o - 1) * s + 1, s) for b, o, s in zip(starts, out, stride, strict=True))
        views.append((position, x[(slice(None), slice(None), *index)]))
    return views

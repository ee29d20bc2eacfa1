"""Maximum pools in the forms that the machine has."""

from __future__ import annotations

from dataclasses import dataclass

from ...compiler.ir.ops import MaxPool
from ...compiler.ir.ops.window import output_size
from ...runtime.program.akida_shapes import padding, windows

MODES = ("same", "valid")


@dataclass(frozen=True)
class MaxWindow:
    """A square pool in a padding mode; of its results, every `every`-th is kept on both axes."""

    size: int
    stride: int
    mode: str
    every: int = 1


def max_window(op: MaxPool, sizes: tuple[int, ...]) -> MaxWindow | None:
    """The machine's form of a pool over frames of (X, Y) `sizes`; None if there is none.

    Padding cells never win, so what counts is where windows start and how many there are. A pool that pads half its
    odd kernel on both sides, with a stride that `same` would place otherwise, is one of stride 1 whose results are
    thinned out.
    """
    kernel, stride = op.kernel[0], op.stride[0]
    if set(op.kernel) != {kernel} or set(op.stride) != {stride} or set(op.dilation) != {1}:
        return None
    numbers = zip(sizes, op.kernel, op.stride, op.dilation, op.pads, strict=True)
    counts = [output_size(*n, op.ceil_mode) for n in numbers]
    for mode in MODES:
        if all(
            padding(n, kernel, stride, mode)[0] == begin and windows(n, kernel, stride, mode) == count
            for n, (begin, _), count in zip(sizes, op.pads, counts, strict=True)
        ):
            return MaxWindow(kernel, stride, mode)
    centred = kernel % 2 == 1 and all(begin == kernel // 2 for begin, _ in op.pads)
    if centred and all(-(-n // stride) == count for n, count in zip(sizes, counts, strict=True)):
        return MaxWindow(kernel, 1, "same", stride)
    return None

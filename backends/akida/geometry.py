"""Which windows the machine has, and how another window becomes one of them. Integers only, no graph.

A linear layer computes, along each of its two spatial axes,

    out[i] = Σ_k w[k] · x[stride·i + offset[k]]        zeros outside x

A window of the machine is a kernel size K, a stride and a padding mode. Its element j meets x[stride·i + j − a] with a
padding cells in front. So tap k fits if 0 ≤ offset[k] + a < K, and then stands at j = offset[k] + a.

A stride of 2, 4 or 8 that has no such window can be had by picks: depthwise 3×3 kernels with stride 2 and a single 1.0,
which keep one position of two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from ...compiler.ir.ops import Conv, ConvTranspose
from ...compiler.ir.ops.window import Ints, Pads
from ...runtime.program.akida_shapes import padding, windows

Taps = tuple[tuple[int, int], ...]
"""Of one axis: (index of a tap in the old kernel, in the new one), without taps that only ever meet padding."""
MODES = ("same", "valid", "sameupper")
PICK = 3
MAX_PICKS = 3
KERNELS: dict[str, dict[int, Ints]] = {
    "image": {1: (3, 4, 5, 7), 2: (3, 4, 5, 7), 3: (3, 4, 5, 7), 4: (4, 5, 7), 5: (5, 7), 6: (7,)},
    "plain": {1: (1, 3, 5, 7), 2: (1, 3)},
    "depthwise": {1: (1, 3, 5, 7), 2: (3,)},
}
"""Kernel sizes by kind of layer and stride, as published; depthwise layers of stride 2 have kernel 3 only."""


def window_mode(op: Conv, kernel: Ints, size: Ints) -> str | None:
    """The padding mode that a convolution with two spatial axes of these sizes has: "same" (if it and another one fit),
    "valid" or "sameupper"; None unless kernel and stride are square, the dilation 1 and the padding that of a mode."""
    (k, *others), (s, *strides) = kernel, op.stride
    if others != [k] or strides != [s] or op.dilation != (1, 1):
        return None
    for mode in MODES[: 3 if s == 2 else 2]:
        if op.pads == mode_pads(size, k, s, mode):
            return mode
    return None


def mode_pads(size: Ints, kernel: int, stride: int, mode: str) -> Pads:
    """The padding of both axes."""
    return tuple(padding(n, kernel, stride, mode) for n in size)


def modes(kind: str, kernel: int, stride: int) -> tuple[str, ...]:
    """The padding modes of a window of that kind ("image", "plain", "depthwise"), none if it does not exist."""
    if kernel not in KERNELS[kind].get(stride, ()):
        return ()
    upper = stride == 2 and kernel in ((3, 5, 7) if kind == "image" else (3,))
    return MODES if upper else MODES[:2]


def is_window(kind: str, op: Conv, kernel: Ints, size: Ints) -> bool:
    """Does the machine have this convolution as it is?"""
    mode = window_mode(op, kernel, size)
    return mode is not None and mode in modes(kind, kernel[0], op.stride[0])


def offsets_of(op: Conv | ConvTranspose, kernel: Ints) -> list[Ints]:
    """For each axis, where the taps lie relative to stride·i: dilation·k − pads in front."""
    return [tuple(d * k - p[0] for k in range(n)) for n, d, p in zip(kernel, op.dilation, op.pads, strict=True)]


@dataclass(frozen=True)
class Axis:
    """One axis of a linear layer: `size` elements of x, `out` results; tap k meets x[stride·i + offsets[k]]."""

    size: int
    out: int
    stride: int
    offsets: Ints

    @property
    def used(self) -> Ints:
        """The taps that meet an element of x, not only padding, for some i."""
        return tuple(k for k, offset in enumerate(self.offsets) if self._meets(offset))

    def _meets(self, offset: int) -> bool:
        first = max(0, -(offset // self.stride))
        return first < self.out and self.stride * first + offset < self.size

    @property
    def span(self) -> int:
        """How many elements of x one result depends on, gaps included."""
        reached = [self.offsets[k] for k in self.used]
        return max(reached) - min(reached) + 1 if reached else 1


@dataclass(frozen=True)
class Pick:
    """A depthwise 3×3 kernel with stride 2: its padding mode and where its 1.0 stands."""

    mode: str
    tap: tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """A window of the machine and the picks behind it; `taps` say where the weights go on both axes."""

    kernel: int
    stride: int
    mode: str
    taps: tuple[Taps, Taps]
    picks: tuple[Pick, ...] = ()

    def keeps(self, kernel: Ints) -> bool:
        """Does every weight stay where it is?"""
        return all(
            size == self.kernel and taps == tuple((k, k) for k in range(size))
            for size, taps in zip(kernel, self.taps, strict=True)
        )


def plan(kind: str, axes: Sequence[Axis]) -> Plan | None:
    """The cheapest plan for two axes: fewest picks, then the smallest kernel. None if there is none."""
    stride = axes[0].stride
    if any(axis.stride != stride for axis in axes):
        return None
    for count in range(MAX_PICKS + 1):
        if stride % 2**count:
            return None
        for kernel, chosen in _candidates(kind, stride >> count, count):
            solved = [_solve(axis, kernel, stride >> count, chosen) for axis in axes]
            if None in solved:
                continue
            taps, positions = zip(*(found for found in solved if found is not None), strict=True)
            picks = [Pick(mode, tap) for mode, tap in zip(chosen[1:], zip(*positions, strict=True), strict=True)]
            return Plan(kernel, stride >> count, chosen[0], taps, tuple(picks))
    return None


def _candidates(kind: str, stride: int, picks: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(kernel, modes of the window and of each pick), smallest kernel first."""
    for kernel in KERNELS[kind].get(stride, ()):
        for chosen in product(modes(kind, kernel, stride), *[MODES] * picks):
            yield kernel, chosen


def _solve(axis: Axis, kernel: int, stride: int, chosen: tuple[str, ...]) -> tuple[Taps, Ints] | None:
    """Where the taps of one axis stand in the window, and the 1.0 of each pick; None if they do not fit."""
    before = padding(axis.size, kernel, stride, chosen[0])[0]
    sizes = [windows(axis.size, kernel, stride, chosen[0])]
    starts = []
    for mode in chosen[1:]:
        starts.append(padding(sizes[-1], PICK, 2, mode)[0])
        sizes.append(windows(sizes[-1], PICK, 2, mode))
    if min(sizes) < 1 or sizes[-1] != axis.out:
        return None
    for positions in product(range(PICK), repeat=len(starts)):
        shifts = [position - start for position, start in zip(positions, starts, strict=True)]
        # A pick outside of what it reads would give zero instead of the layer's result.
        if any(d < 0 or 2 * (m - 1) + d >= n for d, n, m in zip(shifts, sizes, sizes[1:], strict=False)):
            continue
        shift = 0
        for d in reversed(shifts):
            shift = 2 * shift + d
        taps = tuple((k, axis.offsets[k] - stride * shift + before) for k in axis.used)
        if all(0 <= j < kernel for _, j in taps):
            return taps, positions
    return None


def why_not(kind: str, axes: Sequence[Axis]) -> str:
    """Why `plan` found nothing, in words for the user."""
    strides = tuple(axis.stride for axis in axes)
    if len(set(strides)) > 1:
        return f"its strides {strides} differ"
    whole, stride = strides[0], strides[0]
    while stride % 2 == 0 and stride not in KERNELS[kind]:
        stride //= 2
    if stride not in KERNELS[kind]:
        if kind != "image" and stride in KERNELS["image"]:
            return f"stride {whole} is only there for the image layer"
        return f"there is no stride {whole}"
    largest = max(max(sizes) for sizes in KERNELS[kind].values())
    span = max(axis.span for axis in axes)
    if span > largest:
        return f"its kernel spans {span} elements, the largest window {largest}"
    given, made = ("×".join(str(getattr(axis, name)) for axis in axes) for name in ("size", "out"))
    return f"no window of at most {largest} with stride {whole} and same or valid padding makes {made} of {given} so"

"""Where the elements of a resized axis come from, as ONNX Resize defines it: one index or a row of weights each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.emit import Array
from ..call import Call

MODES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
MARGIN = 1e-4  # of a position from one where it is rounded the other way
_HINT = "use half_pixel, align_corners or asymmetric, and mode nearest, linear or cubic"


@dataclass(frozen=True)
class Axis:
    """A resized axis: its lengths before and after, and the factor between them as the file states it."""

    size: int
    out: int
    scale: float

    @property
    def factor(self) -> int:
        """How often each element would be repeated; 0 if that is no whole number."""
        return self.out // self.size if self.out % self.size == 0 and self.scale == self.out // self.size else 0


def check_transform(call: Call, transform: str) -> None:
    newer = ("half_pixel_symmetric",) if call.opset >= 19 else ("tf_half_pixel_for_nn",) if call.opset < 13 else ()
    why = f"its coordinate_transformation_mode is {transform!r}"
    call.require(transform in (*MODES, *newer), "NMC-I011", why, _HINT)


def positions(axis: Axis, transform: str, dtype: Any = np.float64) -> Array:
    """Where in the input each element of the output lies."""
    i, scale, half = np.arange(axis.out, dtype=dtype), dtype(axis.scale), dtype(0.5)
    if transform == "asymmetric":
        return i / scale
    if transform == "align_corners":
        return i * dtype(axis.size - 1) / dtype(max(1, axis.out - 1))
    if transform == "tf_half_pixel_for_nn":
        return (i + half) / scale
    if transform == "pytorch_half_pixel" and axis.out == 1:
        return np.zeros(1, dtype)
    moved = (i + half) / scale - half
    if transform == "half_pixel_symmetric":
        center = dtype(axis.size) / 2
        return moved + center * (1 - dtype(axis.out) / (scale * dtype(axis.size)))
    return moved


def _rounded(at: Array, rounding: str) -> Array:
    rules = {
        "floor": np.floor,
        "ceil": np.ceil,
        "round_prefer_floor": lambda x: np.ceil(x - 0.5),
        "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    }
    return rules[rounding](at).astype(np.int64)


def nearest(call: Call, axis: Axis, transform: str, rounding: str) -> Array:
    """Index of the input element that each element of the output takes."""
    known = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
    call.require(rounding in known, "NMC-I011", f"its nearest_mode is {rounding!r}")
    if axis.factor == 1:
        return np.arange(axis.size)
    if axis.factor:
        found = _exact(axis, transform, rounding)
    else:
        wide, narrow = (positions(axis, transform, t) for t in (np.float64, np.float32))
        same = bool(np.all(_rounded(wide, rounding) == _rounded(narrow, rounding)))
        # The symmetric form has terms that cancel, in an order that each runtime chooses.
        clear = transform != "half_pixel_symmetric" or bool(np.all(np.abs(2 * wide - np.rint(2 * wide)) > MARGIN))
        why = f"an element of an axis of {axis.size} × {axis.scale:g} lies just between two: runtimes disagree"
        call.require(same and clear, "NMC-I011", why, "use mode linear or a whole factor")
        found = _rounded(wide, rounding)
    return np.clip(found, 0, axis.size - 1)


def _exact(axis: Axis, transform: str, rounding: str) -> Array:
    """The rounded positions for a whole factor, in whole numbers: up / down."""
    i, factor = np.arange(axis.out, dtype=np.int64), axis.factor
    if transform == "asymmetric":
        up, down = i, factor
    elif transform == "align_corners":
        up, down = i * (axis.size - 1), max(1, axis.out - 1)
    elif transform == "tf_half_pixel_for_nn":
        up, down = 2 * i + 1, 2 * factor
    elif transform == "pytorch_half_pixel" and axis.out == 1:
        up, down = i, 1
    else:
        up, down = 2 * i + 1 - factor, 2 * factor
    rounded = {
        "floor": lambda: up // down,
        "ceil": lambda: -(-up // down),
        "round_prefer_floor": lambda: -((down - 2 * up) // (2 * down)),
        "round_prefer_ceil": lambda: (2 * up + down) // (2 * down),
    }
    return rounded[rounding]()


def linear(axis: Axis, transform: str) -> Array:
    """Weights (out, size): the two nearest elements by distance, the outermost ones beyond the ends."""
    at = np.clip(positions(axis, transform), 0, axis.size - 1)
    low = np.floor(at).astype(np.int64)
    matrix, rows = np.zeros((axis.out, axis.size)), np.arange(axis.out)
    np.add.at(matrix, (rows, low), 1 - (at - low))
    np.add.at(matrix, (rows, np.minimum(low + 1, axis.size - 1)), at - low)
    return matrix


def cubic(axis: Axis, transform: str, a: float, exclude: bool) -> Array:
    """Weights (out, size) of Keys' cubic kernel over four elements. Beyond the ends the outermost element counts, or
    with `exclude` nothing, and the others grow to a sum of 1."""
    at = positions(axis, transform)
    low, rows = np.floor(at), np.arange(axis.out)
    matrix = np.zeros((axis.out, axis.size))
    for tap in range(-1, 3):
        index = (low + tap).astype(np.int64)
        d = np.abs(at - low - tap)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weight = np.where(d <= 1, near, np.where(d < 2, far, 0))
        inside = (index >= 0) & (index < axis.size)
        np.add.at(matrix, (rows, np.clip(index, 0, axis.size - 1)), weight * (inside | (not exclude)))
    return matrix / matrix.sum(axis=1, keepdims=True) if exclude else matrix

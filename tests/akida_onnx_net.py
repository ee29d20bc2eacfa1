"""ONNX models under construction with what Akida layers are made of: shifts, saturations, windows; all in float64."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto, helper

from nmc.runtime.program import Layer
from onnx_models import Net

Array = np.ndarray[Any, Any]


class Frames(NamedTuple):
    """A value of the model, float64 (streams, X, Y, C), and its (X, Y, C)."""

    value: str
    shape: tuple[int, int, int]


class AkidaNet(Net):
    """One frame of `streams` streams at a time."""

    def __init__(self, streams: int) -> None:
        super().__init__()
        self.streams = streams

    # --- windows ---

    def cells(
        self, given: Frames, k: int, s: int, mode: str, fill: Array | float
    ) -> tuple[list[str], tuple[int, int, int]]:
        """For each cell of a window, row by row, what all windows have there, (streams, X', Y', C); and that shape."""
        x, y, channels = given.shape
        (top, bottom), (left, right) = padding(x, k, s, mode), padding(y, k, s, mode)
        padded = self.padded(given.value, (0, top, left, 0, 0, bottom, right, 0), fill)
        rows, columns = windows(x, k, s, mode), windows(y, k, s, mode)
        starts = [(i, j) for i in range(k) for j in range(k)]
        ends = [(i + s * (rows - 1) + 1, j + s * (columns - 1) + 1) for i, j in starts]
        cells = [self.slice(padded, start, end, [1, 2], [s, s]) for start, end in zip(starts, ends, strict=True)]
        return cells, (rows, columns, channels)

    def spread_cells(self, given: Frames, k: int) -> tuple[list[str], tuple[int, int, int]]:
        """The windows of stride 1 of which a transposed convolution is the plain one.

        full[u] = Σ_i spread[u − i] · w[i] with zeros between the pixels: spread[2x] = given[x], spread[2x + 1] = 0. Of
        `full` 2X cells are wanted from the cell `crop` on, so windows start k − 1 − crop cells before the first pixel.
        """
        x, y, channels = given.shape
        crop = (k - 2) // 2
        before = k - 1 - crop
        pixels = self.reshape(given.value, (self.streams, x, 1, y, 1, channels))
        spread = self.padded(pixels, (0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0), 0)
        spread = self.reshape(spread, (self.streams, 2 * x, 2 * y, channels))
        around = self.padded(spread, (0, before, before, 0, 0, crop, crop, 0), 0)
        return self.cells(Frames(around, (2 * x + k - 1, 2 * y + k - 1, channels)), k, 1, "valid", 0)

    def padded(self, x: str, pads: Sequence[int], fill: Array | float) -> str:
        """x among cells that hold `fill`, a number or one for each channel."""
        if isinstance(fill, np.ndarray):
            return self.plus(self.padded(self.plus(x, -fill.astype(np.float64)), pads, 0), fill)
        return self.op("Pad", x, self.const(list(pads)), self.number(fill))

    # --- arithmetic ---

    def aligned(self, x: str, layer: Layer, frames: int = 1) -> str:
        """Step 1."""
        factors = np.tile(powers(layer.variables["input_shift"]), frames)
        return self.sat(self.times(x, factors), layer.parameters["buffer_bits"])

    def sat(self, x: str, bits: int) -> str:
        return self.op("Clip", x, self.number(-(2 ** (bits - 1))), self.number(2 ** (bits - 1) - 1))

    def usat(self, x: str, bits: int) -> str:
        return self.op("Clip", x, self.number(0), self.number(2**bits - 1))

    def shift(self, x: str, exponents: Array) -> str:
        """x · 2^s; where s is negative, the nearest integer, halves going up."""
        half = np.where(exponents < 0, 0.5, 0.0)
        return self.op("Floor", self.plus(self.times(x, powers(exponents)), half))

    def times(self, x: str, factors: Array) -> str:
        return self.op("Mul", x, self.number(factors))

    def plus(self, x: str, terms: Array | float) -> str:
        return self.op("Add", x, self.number(terms))

    def total(self, parts: Iterable[str]) -> str:
        return reduce(lambda a, b: self.op("Add", a, b), parts)

    # --- ONNX ---

    def number(self, data: Array | float) -> str:
        return self.const(data, np.float64)

    def cast(self, x: str, dtype: int) -> str:
        return self.op("Cast", x, to=dtype)

    def result(self, name: str, value: str, dtype: int = TensorProto.FLOAT) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, None))


def powers(exponents: Array) -> Array:
    """2^s as float64."""
    return 2.0 ** exponents.astype(np.float64)


def padding(n: int, k: int, s: int, mode: str) -> tuple[int, int]:
    """Cells before and after an axis of n."""
    if mode == "valid":
        return 0, 0
    total = max(k - s if n % s == 0 else k - n % s, 0)
    less, more = total // 2, total - total // 2
    return (less, more) if mode == "same" else (more, less)


def windows(n: int, k: int, s: int, mode: str) -> int:
    """How many windows an axis of n has."""
    return (n - k) // s + 1 if mode == "valid" else -(-n // s)

"""An ONNX model under construction, and what Akida layers are made of there: shifts, saturations, windows.

Numbers are float64, which holds them exactly: integers below 2^53, and such times a power of two. A shift is a
multiplication by a power of two, and the floor of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ....runtime.program.akida import Array, Layer, Triple
from ....runtime.program.akida_shapes import padding, windows

OPSET, IR_VERSION = 21, 10
SAMPLES = "N"
FLOAT, DOUBLE = int(TensorProto.FLOAT), int(TensorProto.DOUBLE)
INT32, INT64 = int(TensorProto.INT32), int(TensorProto.INT64)
FEW = 16


class Frames(NamedTuple):
    """A value of the model, float64 (N, X, Y, C), and its (X, Y, C)."""

    value: str
    shape: Triple


class Parts:
    """One frame of N streams at a time. Values are called after the layer they belong to."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.inputs: list[ValueInfoProto] = []
        self.outputs: list[ValueInfoProto] = []
        self.initializers: list[TensorProto] = []
        self.layer = ""
        self._taken: dict[str, int] = {}

    # --- names, nodes, constants ---

    def public(self, name: str) -> str:
        """`name`, with as many `_` behind it as it takes to be the only one."""
        while name in self._taken:
            name += "_"
        self._taken[name] = 1
        return name

    def fresh(self, what: str) -> str:
        """`<layer>.<what>`, from the second one on with a number behind it."""
        name = stem = f"{self.layer}.{what}"
        while name in self._taken:
            self._taken[stem] += 1
            name = f"{stem}.{self._taken[stem]}"
        self._taken[name] = 1
        return name

    def input(self, name: str, shape: Sequence[int], dtype: int) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, dtype, [SAMPLES, *shape]))
        return name

    def output(self, name: str, value: str, shape: Sequence[int], dtype: int) -> None:
        """The value as an output (N, *shape), cast to `dtype`."""
        self.nodes.append(helper.make_node("Cast", [value], [name], name, to=dtype))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, [SAMPLES, *shape]))

    def op(self, op_type: str, *operands: str, **attributes: Any) -> str:
        """Add a node; returns the name of its result."""
        name = self.fresh(op_type.lower())
        self.nodes.append(helper.make_node(op_type, operands, [name], name, **attributes))
        return name

    def const(self, array: Any, dtype: Any = np.int64, what: str = "constant") -> str:
        name = self.fresh(what)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array, dtype), name))
        return name

    def number(self, data: Array | float, what: str = "constant") -> str:
        """A float64 constant; integer arrays are stored in their own dtype, which is smaller."""
        if isinstance(data, np.ndarray) and data.dtype.kind in "iu" and data.size > FEW:
            return self.cast(self.const(data, data.dtype, what), DOUBLE)
        return self.const(data, np.float64, what)

    def cast(self, x: str, dtype: int) -> str:
        return self.op("Cast", x, to=dtype)

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """(N, …) to (N, *shape)."""
        return self.op("Reshape", x, self.const([0, *shape]))

    # --- arithmetic ---

    def aligned(self, x: str, layer: Layer, frames: int = 1) -> str:
        """Step 1 of a layer: inputs shifted to the left as `input_shift` says."""
        factors = np.tile(powers(layer.variables["input_shift"]), frames)
        return self.sat(self.times(x, factors), layer.parameters["buffer_bits"])

    def sat(self, x: str, bits: int, signed: bool = True) -> str:
        """Saturation to `bits` bits."""
        low = -(2 ** (bits - 1)) if signed else 0
        return self.op("Clip", x, self.number(low), self.number(low + 2**bits - 1))

    def shift(self, x: str, exponents: Array) -> str:
        """x · 2^s; where s is negative, the nearest integer, halves going up."""
        half = np.where(exponents < 0, 0.5, 0.0)
        return self.op("Floor", self.plus(self.times(x, powers(exponents)), half))

    def times(self, x: str, factors: Array | float) -> str:
        return self.op("Mul", x, self.number(factors))

    def plus(self, x: str, terms: Array | float) -> str:
        return self.op("Add", x, self.number(terms))

    def total(self, parts: Iterable[str]) -> str:
        return reduce(lambda a, b: self.op("Add", a, b), parts)

    # --- windows ---

    def cells(self, given: Frames, k: int, s: int, mode: str, fill: Array | float) -> tuple[list[str], Triple]:
        """For each cell of a window, row by row, what all windows have there, (N, X', Y', C); and that shape."""
        x, y, channels = given.shape
        (top, bottom), (left, right) = padding(x, k, s, mode), padding(y, k, s, mode)
        padded = self.padded(given.value, (0, top, left, 0, 0, bottom, right, 0), fill)
        rows, columns = windows(x, k, s, mode), windows(y, k, s, mode)
        found = []
        for i, j in ((i, j) for i in range(k) for j in range(k)):
            end = [i + s * (rows - 1) + 1, j + s * (columns - 1) + 1]
            found.append(self.slice(padded, [i, j], end, [1, 2], [s, s]))
        return found, (rows, columns, channels)

    def spread_cells(self, given: Frames, k: int) -> tuple[list[str], Triple]:
        """The windows of stride 1 of which a transposed convolution is the plain one.

        full[u] = Σ_i spread[u − i] · w[i] with zeros between the pixels: spread[2x] = given[x], spread[2x + 1] = 0. Of
        `full` 2X cells are wanted from the cell `crop` on, so windows start k − 1 − crop cells before the first pixel.
        """
        x, y, channels = given.shape
        crop = (k - 2) // 2
        before = k - 1 - crop
        pixels = self.reshape(given.value, (x, 1, y, 1, channels))
        spread = self.padded(pixels, (0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0), 0)
        spread = self.reshape(spread, (2 * x, 2 * y, channels))
        around = self.padded(spread, (0, before, before, 0, 0, crop, crop, 0), 0)
        return self.cells(Frames(around, (2 * x + k - 1, 2 * y + k - 1, channels)), k, 1, "valid", 0)

    def padded(self, x: str, pads: Sequence[int], fill: Array | float) -> str:
        """x among cells that hold `fill`, a number or one for each channel."""
        if not any(pads):
            return x
        if isinstance(fill, np.ndarray):
            return self.plus(self.padded(self.plus(x, -fill.astype(np.float64)), pads, 0), fill)
        return self.op("Pad", x, self.const(list(pads)), self.number(fill))

    def slice(self, x: str, starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> str:
        return self.op("Slice", x, *map(self.const, (starts, ends, axes, steps)))


def powers(exponents: Array) -> Array:
    """2^s as float64."""
    return 2.0 ** exponents.astype(np.float64)

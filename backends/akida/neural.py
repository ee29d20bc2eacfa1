"""Integers of a layer with weights: sums that provably fit, activation, and the way to the output's step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.diagnostics import limit
from ...runtime import arith
from .bounds import Bounds, of_sums
from .calibrate import levels
from .floats import Array, FloatLayer
from .steps import MOST_RIGHT
from .sums import max_pool
from .table import HALF, Table, reach, tabulate
from .weights import TABLE_RIGHT, Inputs, Quantized, choose

RAW_RIGHT = 100
ROUNDS = 20
NARROW = 4
POOL_BITS = 32
FREE_VALUE, FREE_SHIFT = 127, 31  # "no upper bound"


@dataclass(frozen=True)
class Integers:
    """All numbers of a layer.

    found    weights, bias, and (without a table) the output's m and n
    table    for a lut
    high     a relu's upper bound as (value, left shift), (F) each; None where the output's range is the bound
    scale    what one output step stands for, (F)
    reached  bounds of the sums; made: of the outputs
    raw      the sums themselves are the output
    right    by how much those of an average are shifted right to fit the output, (F)
    """

    found: Quantized
    table: Table | None
    high: tuple[Array, Array] | None
    scale: Array
    reached: Bounds
    made: Bounds
    raw: bool
    right: Array

    @property
    def output(self) -> tuple[Array, Array]:
        """m and n of the output: output_scales and −output_shift."""
        if self.raw:
            return np.ones(len(self.scale)), self.right
        if self.table is not None:
            return np.full(len(self.scale), self.table.m), np.full(len(self.scale), self.table.n)
        return self.found.m, self.found.n


def quantize(
    layer: FloatLayer,
    inputs: Inputs,
    given: Bounds,
    target: Array,
    scale: Array,
    before: tuple[float, float],
    raw: bool,
    correct: bool,
    clip: bool = False,
) -> Integers:
    """Integers for a layer whose output counts steps of `scale` (F).

    `given` bounds what it reads, `target` is the mean of its real sums (F), `before` the lowest and highest sum that a
    table has to hold; with `raw` the sums themselves are the output, with `correct` biases make up for mean errors,
    with `clip` weights of 4 bits may be clipped.

    The sum's unit is made coarser until no input within `given` can overflow the buffer. NmcError NMC-A002 (limit) if
    that cannot be reached.
    """
    bits = layer.parameters["weights_bits"]
    table, output, most_right = None, scale * layer.cells, MOST_RIGHT
    if layer.function is not None:
        step = reach(layer.function, *before) / (HALF - 1)
        table = tabulate(layer.function, step, None if raw else float(scale[0]), layer.cells)
        output, most_right = np.full(len(scale), step), TABLE_RIGHT
    elif raw:
        output, most_right = np.ones(len(scale)), RAW_RIGHT
    finest = np.zeros(len(scale))
    for _ in range(ROUNDS):
        found = choose(
            layer,
            inputs,
            output,
            target,
            correct=correct,
            bits=bits,
            most_right=most_right,
            finest=finest,
            exact=raw and layer.function is None,
            clip=clip and bits == NARROW,
        )
        reached = of_sums(layer, found.weights, found.added, given)
        over = _overflow(layer, reached, table)
        if (over < 1).all():
            break
        finest = np.where(over < 1, finest, found.unit * np.maximum(over, 1) * 1.01)
    else:
        raise limit("NMC-A002", f"the sums of layer {layer.name!r} cannot be kept within their buffer", layer.name)
    right = np.zeros(len(scale))
    if raw:
        if layer.pool == "avg":
            # With a little room, so that no sum is rounded up beyond the output's range.
            over = _pooled(layer, reached, table) * 1.01 / 2.0 ** (layer.parameters["buffer_bits"] - 1)
            right = np.maximum(np.ceil(np.log2(over)), 0)
        scale = np.full(len(scale), table.unit) if table is not None else found.unit
        scale = scale * 2.0**right / layer.cells
    high = _highest(layer, found, scale, raw)
    return Integers(found, table, high, scale, reached, _made(layer, table), raw, right)


def _overflow(layer: FloatLayer, reached: Bounds, table: Table | None) -> Array:
    """By how much each filter's sums, or the sums of an average pool, exceed their buffers; below 1 if they fit."""
    over = reached.largest / 2.0 ** (layer.parameters["buffer_bits"] - 1)
    if layer.pool != "avg" or table is not None:
        return over
    return np.maximum(over, _pooled(layer, reached, table) / 2.0 ** (POOL_BITS - 1))


def _pooled(layer: FloatLayer, reached: Bounds, table: Table | None) -> Array:
    """The largest |sum| that an average pool adds up, (F), at least 1."""
    kept = reached.high if layer.activation == "relu" else reached.largest
    if table is not None:
        kept = np.full_like(kept, np.abs(table.entries).max())
    return np.maximum(kept * layer.cells, 1)


def _highest(layer: FloatLayer, found: Quantized, scale: Array, raw: bool) -> tuple[Array, Array] | None:
    """A relu's upper bound in units of the sum, where clipping the output does not do the same."""
    if layer.high is None:
        return None
    clips_alike = (scale * levels(layer) <= layer.high * (1 + 1e-6)).all()
    if clips_alike and layer.pool != "avg" and not raw:
        return None
    wanted = layer.high / found.unit
    shift = np.maximum(np.ceil(np.log2(np.maximum(wanted, 1) / 255.5)), 0)
    shift += np.rint(wanted / 2.0**shift) > 255
    beyond = shift > FREE_SHIFT  # no sum gets there
    return np.where(beyond, FREE_VALUE, np.rint(wanted / 2.0**shift)), np.minimum(shift, FREE_SHIFT)


def _made(layer: FloatLayer, table: Table | None) -> Bounds:
    top = levels(layer)
    signed = layer.activation != "relu" if table is None else bool((table.entries < 0).any())
    return Bounds.of(layer.summed[2], -top - 1 if signed else 0, top)


def codes(layer: FloatLayer, integers: Integers, acc: Array) -> Array:
    """What the machine makes of the sums (with bias): the layer's outputs, as int16 (int64 where they are raw)."""
    p, found = layer.parameters, integers.found
    if layer.pool == "max":
        acc = max_pool(acc, p["pool_size"], p["pool_stride"], p["padding"])
    if layer.activation == "relu":
        acc = np.maximum(acc, 0, out=acc)
        if integers.high is not None:
            acc = np.minimum(acc, integers.high[0] * 2.0 ** integers.high[1])
    if integers.table is not None:
        index = scaled(acc, found.m, found.n, -HALF, HALF - 1)
        acc = integers.table.entries[index.astype(np.int64) + HALF]
    if layer.pool == "avg":
        acc = acc.sum(axis=(2, 3), keepdims=True, dtype=np.float64)
    if integers.raw:
        return arith.shift(acc.astype(np.int64), -integers.right)
    top = levels(layer)
    return scaled(acc, *integers.output, -top - 1 if p["output_bits"] > 4 else 0, top).astype(np.int16)


def scaled(acc: Array, m: Array, n: Array, low: int, high: int) -> Array:
    """clip(floor(acc · m · 2^−n + ½), low, high). m · 2^−n is exact, and so is its product with sums below 2^45."""
    product = acc * (m * 2.0**-n)
    product += 0.5
    np.floor(product, out=product)
    return np.clip(product, low, high, out=product)

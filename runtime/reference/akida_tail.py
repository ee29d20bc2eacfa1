"""What all neural layers of an Akida program do around their sums, step by step as in docs/akida.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import arith
from ..arith import Ints
from ..program.akida import Layer
from .akida_sums import max_pool

LUT_BITS = 11


@dataclass
class Clamps:
    """Saturates, and counts the values that this changed.

    buffer  inputs, sums and pools that left their buffer: none in a program whose ranges are proved
    scale   products with a scale (steps 5b and 7), and indices into a table, that left their width
    output  results clipped to the output's range
    """

    buffer: int = 0
    scale: int = 0
    output: int = 0

    def in_buffer(self, v: ArrayLike, bits: int) -> Ints:
        held = arith.saturate(v, bits)
        self.buffer += int(np.count_nonzero(held != v))
        return held

    def in_scale(self, v: ArrayLike, bits: int) -> Ints:
        held = arith.saturate(v, bits)
        self.scale += int(np.count_nonzero(held != v))
        return held

    def in_output(self, v: ArrayLike, bits: int, signed: bool) -> Ints:
        held = arith.saturate(v, bits) if signed else arith.saturate_unsigned(v, bits)
        self.output += int(np.count_nonzero(held != v))
        return held


def neural(x: Ints, layer: Layer, sums: Callable[[Ints, Layer], Ints], clamps: Clamps) -> Ints:
    """Steps 1 to 9: input (N, …, C) with the products that `sums` adds up, to output (N, X, Y, F)."""
    p, v = layer.parameters, layer.variables
    buffer, post = p["buffer_bits"], p["post_op_buffer_bits"]
    if "input_shift" in v:
        x = clamps.in_buffer(x << v["input_shift"], buffer)
    acc = clamps.in_buffer(sums(x, layer), buffer)
    acc = clamps.in_buffer(acc + (v["bias"] << v["bias_shift"]), buffer)
    if p.get("pool_type") == "max":
        acc = max_pool(acc, p["pool_size"], p["pool_stride"], p["padding"])
    acc = activate(acc, layer, clamps)
    if p.get("pool_type") == "avg":
        acc = clamps.in_buffer(acc.sum(axis=(1, 2), keepdims=True), post)
    acc = clamps.in_scale(acc * v["output_scales"], post)
    acc = arith.shift(acc, v["output_shift"])
    return clamps.in_output(acc, p["output_bits"], signed=p["output_bits"] > 4)


def activate(acc: Ints, layer: Layer, clamps: Clamps) -> Ints:
    """Step 5: a rectifier with an upper bound per channel, or a table of 2048 entries, or nothing."""
    v = layer.variables
    match layer.parameters["activation"]:
        case "relu":
            return np.minimum(np.maximum(acc, 0), v["max_value"] << v["max_value_shift"])
        case "lut":
            scaled = clamps.in_scale(acc * v["activation_scales"], layer.parameters["post_op_buffer_bits"])
            index = clamps.in_scale(arith.shift(scaled, v["activation_shift"]), LUT_BITS)
            return v["lut_values"][index + (1 << (LUT_BITS - 1))]
        case _:
            return acc


def add(a: Ints, b: Ints, layer: Layer, clamps: Clamps) -> Ints:
    """Both inputs shifted to one scale, summed, shifted to the output's; always signed."""
    p, v = layer.parameters, layer.variables
    left = clamps.in_buffer(a << v["a_shift"], p["buffer_bits"])
    right = clamps.in_buffer(b << v["b_shift"], p["buffer_bits"])
    total = clamps.in_buffer(left + right, p["buffer_bits"])
    return clamps.in_output(arith.shift(total, v["output_shift"]), p["output_bits"], signed=True)

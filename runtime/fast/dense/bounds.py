"""What is known of a layer's numbers, and with it whether 32 bits hold them all and no buffer is ever left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arith import Ints
from ...program.akida import Layer
from ...program.akida_shapes import Signal
from .routes import LANES
from .tail import CAP, FIELDS, FLOOR, HALF, HIGH, INIT, LEAST, LOW, MOST, SCALE, SHIFT

INT32, INT8 = np.iinfo(np.int32), np.iinfo(np.int8)
MAX_RIGHT_SHIFT = 31


@dataclass(frozen=True)
class Range:
    """Integers of `bits` bits from `low` to `high`; bits 64 stands for float32."""

    bits: int
    low: int
    high: int


def ends(bits: int, signed: bool) -> tuple[int, int]:
    """The least and the largest integer."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def output_range(layer: Layer, signal: Signal, inbounds: Sequence[Range]) -> Range:
    """What the layer can give."""
    if not signal.bits:
        return Range(64, 0, 0)
    low, high = ends(signal.bits, signal.signed)
    if layer.kind == "Concatenate":
        low, high = min(each.low for each in inbounds), max(each.high for each in inbounds)
    return Range(signal.bits, 0 if layer.parameters.get("activation") == "relu" else low, high)


def shifted(weights: Ints, layer: Layer, given: Range) -> Ints | None:
    """The weights [tap, C, F] times 2^input_shift, where that makes the same of the input and 8 bits hold it."""
    if "input_shift" not in layer.variables:
        return weights
    shift = layer.variables["input_shift"].astype(np.int64)
    low, high = ends(layer.parameters["buffer_bits"], True)
    if (given.low << shift).min() < low or (given.high << shift).max() > high:
        return None
    moved = weights << shift.reshape(-1, weights.shape[1], 1)
    return moved if INT8.min <= moved.min() and moved.max() <= INT8.max else None


def bias(layer: Layer) -> Ints:
    """What is added to the sums of each channel."""
    return layer.variables["bias"].astype(np.int64) << layer.variables["bias_shift"]


def sums(weights: Ints, given: Range) -> tuple[Ints, Ints]:
    """The least and the largest sum of products of each channel; weights [..., F]. Margins count as 0."""
    low, high = min(given.low, 0), max(given.high, 0)
    axes = tuple(range(weights.ndim - 1))
    least, most = (end(weights * low, weights * high) for end in (np.minimum, np.maximum))
    return least.sum(axis=axes), most.sum(axis=axes)


def held(layer: Layer, least: Ints, most: Ints) -> bool:
    """Whether the buffer holds sums within those bounds, without the bias and with it."""
    low, high = ends(layer.parameters["buffer_bits"], True)
    with_bias = least + bias(layer), most + bias(layer)
    return bool(low <= min(least.min(), with_bias[0].min()) and max(most.max(), with_bias[1].max()) <= high)


def rectifier(layer: Layer) -> dict[int, Ints]:
    """FLOOR and CAP of tail.py for sums that 32 bits hold."""
    v = layer.variables
    none = np.zeros(len(v["bias"]), np.int64)
    if layer.parameters["activation"] != "relu":
        return {FLOOR: none + INT32.min, CAP: none + INT32.max}
    return {FLOOR: none, CAP: np.minimum(v["max_value"].astype(np.int64) << v["max_value_shift"], INT32.max)}


def tail(layer: Layer, signal: Signal, least: Ints, most: Ints) -> dict[int, Any] | None:
    """The numbers of tail.py but for INIT, by field; None where they would not give what the reference gives.

    least, most: bounds of each channel's sum without its bias. In short: the sums stay within their buffer, and a
    product that is too large for 32 bits or for its buffer ends beyond the output's range anyway.
    """
    p, right = layer.parameters, -layer.variables["output_shift"].astype(np.int64)
    if p["activation"] == "lut" or right.min() < 0 or right.max() > MAX_RIGHT_SHIFT or not held(layer, least, most):
        return None
    limits = rectifier(layer)
    least, most = (np.minimum(np.maximum(end + bias(layer), limits[FLOOR]), limits[CAP]) for end in (least, most))
    scale, half = layer.variables["output_scales"].astype(np.int64), (1 << right) >> 1
    divisor, top = np.maximum(scale, 1), ends(p["post_op_buffer_bits"], True)[1]
    # The sums whose products the buffer holds; and those whose products 32 bits hold, rounding included.
    high = np.where(scale > 0, np.minimum(top // divisor, INT32.max), INT32.max)
    low = np.where(scale > 0, np.maximum(-((top + 1) // divisor), INT32.min), INT32.min)
    upmost = np.where(scale > 0, np.minimum(high, (INT32.max - half) // divisor), high)
    undermost = np.where(scale > 0, np.maximum(low, -((INT32.max + 1) // divisor)), low)
    bottom, top = ends(signal.bits, signal.signed)
    over = (most <= upmost) | ((upmost * scale + half) >> right > top)
    under = (least >= undermost) | ((undermost * scale + half) >> right < bottom)
    if not np.all(over & under):
        return None
    limits |= {LOW: low, HIGH: high, LEAST: undermost, MOST: upmost}
    return limits | {SCALE: scale, HALF: half, SHIFT: right}


def packed(fields: dict[int, Any], init: Ints) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The numbers as tail.py has them, int32 [vector, field, 16]; INIT modulo 2^32, 0 where there is no number."""
    vectors = -(-len(init) // LANES)
    made = np.zeros((vectors, len(FIELDS), LANES), np.int32)
    for field, values in {**fields, INIT: init}.items():
        spread = np.zeros(vectors * LANES, np.int64)
        spread[: len(init)] = values
        made[:, field] = spread.reshape(vectors, LANES).astype(np.int32)
    return made

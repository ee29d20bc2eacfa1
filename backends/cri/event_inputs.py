"""How the values of a spiking network's inputs become events: single bits, counts, or levels in bit planes."""

from __future__ import annotations

import numpy as np

from ...compiler.ir.ops import Quantize
from ...compiler.ir.ops.base import Array
from ...runtime import arith

MOST_BITS = 8
MANTISSA = 24


def input_code(samples: Array | None, bits: int = 0) -> Quantize:
    """The code for an input whose typical values are `samples`; bits 0 leaves their number to the samples.

    Whole numbers from 0 on are events and counts, one unit each, in as many bits as the largest needs (at most
    MOST_BITS; a larger count stands as the largest that fits where `bits` is given). Anything else is spread over its
    range, widened to hold 0. Without samples an input is 0 or 1, with bits given a count.
    """
    if samples is None:
        return Quantize(1.0, 0, bits or 1)
    low, high = min(0.0, float(samples.min())), max(0.0, float(samples.max()))
    if low == 0 and bool(np.all(samples == np.rint(samples))):
        needed = max(1, int(high).bit_length())
        if bits or needed <= MOST_BITS:
            return Quantize(1.0, 0, bits or needed)
    bits = bits or MOST_BITS
    top = 2**bits - 1
    scale = float(arith.round_mantissa((high - low) / top, MANTISSA)) or 1.0
    return Quantize(scale, int(np.clip(arith.round_half_even(-low / scale), 0, top)), bits)


def lost_counts(code: Quantize, samples: Array) -> bool:
    """Are there whole numbers among the samples that the code stores as smaller ones?"""
    return code.scale == 1 and code.zero_point == 0 and bool(samples.max(initial=0.0) > 2**code.bits - 1)

"""Values that are whole numbers in the file: codes of a quantizer.

In the IR a code stands as the real number that it means, so that QuantizeLinear becomes fake_quantize and
DequantizeLinear nothing. What the codes are (scale, zero point, type) is kept beside the value while the file is read.
Ops that only move or compare elements may work on codes; any other one, which would compute with the codes as numbers,
is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import Value
from ..common.emit import Array
from ..common.problems import Refusal

# Bits and sign of the integer types that values may be quantized to.
TYPES: dict[str, tuple[int, bool]] = {
    "int4": (4, True),
    "uint4": (4, False),
    "int8": (8, True),
    "uint8": (8, False),
    "int16": (16, True),
    "uint16": (16, False),
}
_MOVING = {"Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GlobalMaxPool", "Identity", "MaxPool", "Relu"}
_MOVING |= {"Reshape", "Shape", "Size", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
COMPUTES = "it computes with the whole numbers that a quantizer gave"
HINT = "put DequantizeLinear in front of it, as models in QDQ form have it"


@dataclass(frozen=True, eq=False)
class Codes:
    """What codes mean: scale · (code − zero_point), scale and zero_point being single numbers or one for each element
    of `axis`. `dynamic` codes of DynamicQuantizeLinear have a scale that only the input decides."""

    scale: Array
    zero_point: Array
    dtype: str
    axis: int = 1
    dynamic: bool = False

    def same(self, other: Codes) -> bool:
        """Do they mean the same numbers?"""
        pairs = ((self.scale, other.scale), (self.zero_point, other.zero_point))
        alike = all(np.array_equal(a, b) for a, b in pairs) and self.dynamic == other.dynamic
        return alike and self.dtype == other.dtype and (self.axis == other.axis or not self.scale.ndim)


@dataclass(frozen=True, eq=False)
class Coded:
    """An operand that is codes in the file, as the real numbers that they stand for."""

    value: Value
    codes: Codes


def moves_codes(op: str, operands: Sequence[object]) -> bool:
    """Is it an op that moves or compares codes?"""
    return op in _MOVING and any(isinstance(operand, Coded) for operand in operands)


def common_codes(op: str, operands: Sequence[object]) -> Codes:
    """What the codes mean that an op moves. Refusal if it puts different ones together."""
    first, *others = [operand.codes for operand in operands if isinstance(operand, Coded)]
    if first.scale.ndim and op not in ("Identity", "Shape", "Size"):
        raise Refusal("NMC-I011", "it moves whole numbers that have another scale in each channel", HINT)
    mixed = op == "Concat" and len(others) + 1 < len(operands)
    if mixed or not all(first.same(codes) for codes in others):
        raise Refusal("NMC-I011", "it joins whole numbers of different scales or zero points", HINT)
    if op == "Relu" and np.any(first.zero_point):
        raise Refusal("NMC-I011", "it rectifies whole numbers whose zero point is not 0", HINT)
    return first

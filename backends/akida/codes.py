"""How the host turns input values into integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...runtime import arith
from .floats import Array

MANTISSA = 24
# Steps that images are often stored in: grey levels divided by 255, and grey levels. The finer one comes first: samples
# that are black and white do not prove that all images are.
UNITS = (1 / 255, 1.0)
NEAR = 1e-3


@dataclass(frozen=True)
class InputCode:
    """code = clip(round(x / scale) + zero_point), unsigned of 8 bits for images, else signed."""

    scale: float
    zero_point: int
    signed: bool

    def encode(self, x: Array) -> Array:
        """The codes as int64."""
        code = arith.round_half_even(x / self.scale) + self.zero_point
        return arith.saturate(code, 8) if self.signed else arith.saturate_unsigned(code, 8)


def input_code(values: Array, image: bool) -> InputCode:
    """The code for calibration values of an input: exact for grey levels and small integers, else over their range.

    An image's range holds 0, which becomes the zero point.
    """
    low, high = float(values.min(initial=0.0)), float(values.max(initial=0.0))
    if not image:
        peak = max(high, -low)
        exact = _unit(values, 127 / peak if peak else 1.0, (1.0,))
        return InputCode(exact or float(arith.round_mantissa(peak / 127, MANTISSA)) or 1.0, 0, True)
    exact = _unit(values, 255 / (high or 1.0), UNITS) if low >= 0 else None
    scale = exact or float(arith.round_mantissa((high - low) / 255, MANTISSA)) or 1.0
    return InputCode(scale, int(np.clip(np.rint(-low / scale), 0, 255)), False)


def _unit(values: Array, most: float, units: tuple[float, ...]) -> float | None:
    """The first unit of which all values are whole multiples, not below the range divided by the codes (1 / most)."""
    for unit in units:
        steps = values / unit
        whole = np.abs(steps - np.rint(steps)).max(initial=0.0) < NEAR
        alive = np.abs(steps).max(initial=0.0) >= 0.5  # not all would become 0
        if whole and alive and unit * most >= 1 - NEAR:
            return unit
    return None

"""Rounding to codes."""

from __future__ import annotations

import numpy as np

from ...compiler.ir.ops import FakeQuantize
from .model import Array
from .proto import DOUBLE, FLOAT, Site


def fake_quantize(site: Site) -> None:
    """In float64, as in the reference: a quotient rounded to float32 may be a tie where the real one is none."""
    op = site.op
    assert isinstance(op, FakeQuantize)

    def parameter(name: str) -> str:
        data = site.data(name)
        assert data is not None
        placed: Array = np.asarray(data, np.float64)
        if placed.ndim:
            placed = placed.reshape(tuple(-1 if i == op.axis else 1 for i in range(len(site.shape))))
        return site.array(placed)

    scale, zero = parameter("scale"), parameter("zero_point")
    low, high = (site.array(np.float64(bound)) for bound in op.limits)
    rounded = site.part("Round", site.part("Div", site.part("Cast", site.x, to=DOUBLE), scale))
    codes = site.part("Clip", site.part("Add", rounded, zero), low, high)
    site.result("Cast", site.part("Mul", site.part("Sub", codes, zero), scale), to=FLOAT)

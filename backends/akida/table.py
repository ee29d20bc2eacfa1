"""Activations as tables of 2,048 entries: entry i + 1024 holds f(i · step), −1024 ≤ i ≤ 1023.

The step is one for all channels, so the sums' units are chosen as step · m · 2^−n. Entries have 14 bits: the table's
unit is the output's step times m · 2^−n, and the output's scale is exact as everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.ir.ops import Op
from .floats import Array
from .steps import steps_above

HALF = 1024
ENTRY = 8191
FLAT = 2.0**-12
GRID = 256


@dataclass(frozen=True)
class Table:
    """entries (2048,) in units of `unit`; m · 2^−n of them are one step of the output."""

    entries: Array
    unit: float
    m: float
    n: float


def reach(function: Op, low: float, high: float) -> float:
    """How far from 0 the table has to go for sums from low ≤ 0 to high ≥ 0; where the function stays flat it ends."""
    sides = [np.linspace(0, end, GRID + 1) for end in (low, high)]
    values = [function.evaluate(side) for side in sides]
    peak = max(float(np.abs(v).max()) for v in values) or 1.0
    ends = [side[np.abs(v - v[-1]) > FLAT * peak] for side, v in zip(sides, values, strict=True)]
    steps = max(-low, high) / GRID
    return max((float(np.abs(end).max()) for end in ends if end.size), default=0.0) + steps or 1.0


def tabulate(function: Op, step: float, output: float | None, cells: int = 1) -> Table:
    """The table for index step `step`; `output` is what one step of the results stands for, None where the entries
    themselves (or, of an average, their sums over `cells`) are the results. Sums fit 32 bits."""
    entry = min(ENTRY, (2**31 - 1) // cells)
    values = function.evaluate(np.arange(-HALF, HALF) * step)
    peak = float(np.abs(values).max(initial=0.0)) or 1.0
    if output is None:
        return Table(np.rint(values / (peak / entry)), peak / entry, 1.0, 0.0)
    steps = steps_above(np.array([peak / entry / output / cells]))
    unit = output * cells * float(steps.value[0])
    return Table(np.rint(values / unit), unit, float(steps.m[0]), float(steps.n[0]))

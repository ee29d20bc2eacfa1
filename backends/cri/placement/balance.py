"""Columns for the neurons of a core, given row by row, then improved in sweeps over all rows."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import IntArray
from .loads import Loads, steep
from .sources import Sources
from .types import COLUMNS

WORTH = 1000
"""A sweep that saves less than 1/WORTH of all rows is the last one."""


Grids = list[IntArray]
"""The neurons of each model: int64 [rows, 16], −1 where there is none."""


def balance(starts: list[Grids], sources: Sources, effort: int) -> Grids:
    """Grids of the same shapes and with the same neurons as those of every start, where sources take few rows.

    Each start is tried as it is, and with every row put in the columns where the sources of its neurons have fewest
    targets in the rows above. The best of these is improved in at most `effort` sweeps. Before sweep k column g is
    turned by g · k rows, so that every neuron meets others in its row and other exchanges are possible.
    """
    tried = [made for start in starts for made in (_plain(start, sources), _filled(start, sources))]
    loads, best = min(tried, key=lambda made: made[0].pairs())
    loads.use(steep)
    pairs, now = loads.pairs(), best
    for k in range(effort):
        now = [np.array([loads.settle(row) for row in _turned(grid, k)]) for grid in now]
        saved = pairs - loads.pairs()
        if saved > 0:
            pairs, best = pairs - saved, now
        if saved * WORTH < pairs:
            break
    return best


def _plain(start: Grids, sources: Sources) -> tuple[Loads, Grids]:
    loads = Loads(sources)
    for grid in start:
        loads.add(grid)
    return loads, start


def _filled(start: Grids, sources: Sources) -> tuple[Loads, Grids]:
    loads = Loads(sources)
    return loads, [np.array([loads.settle(row, placed=False) for row in grid]) for grid in start]


def _turned(grid: IntArray, by: int) -> IntArray:
    """Column g turned by g · `by` rows, which leaves every neuron in its column."""
    return np.stack([np.roll(grid[:, g], g * by) for g in range(COLUMNS)], axis=1)

"""Placement of neurons so that the targets of every source spread evenly over the columns."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray
from .balance import balance
from .order import sequences
from .sources import collect
from .types import BLOCK, COLUMNS, Group, Placement, model_groups

DEFECT = 512
"""Rows DEFECT · k, k ≥ 1, lose spikes on the builds known (one row of each block of 8,192 neurons)."""
EFFORT = 4


def place(program: CriProgram, *, avoid_defect_rows: bool = False, effort: int = EFFORT) -> Placement:
    """A placement in which the synapses take few rows: 2 · max(targets in one column) for each source.

    Neurons are put in a few orders, and each order is also balanced row by row; the best result is improved in at most
    `effort` sweeps (0 or more). It takes no more rows than natural order, and the same program gives the same
    placement on every machine.

    avoid_defect_rows  leave the rows empty in which neurons lose spikes (docs/cri_placement.md)
    """
    if effort < 0:
        raise ValueError(f"effort must be 0 or more, not {effort}")
    sources = collect(program)
    starts = [_Grid(program, order, avoid_defect_rows) for order in sequences(program, sources)]
    grids = balance([start.grids for start in starts], sources, effort)
    return starts[0].placement(grids)


class _Grid:
    """The neurons of each model as a grid of rows and columns.

    grids   int64 [rows, 16] for each model, −1 where there is no neuron
    rows    the hardware row of each row of a grid
    """

    def __init__(self, program: CriProgram, order: IntArray, avoid_defect_rows: bool) -> None:
        models, number = model_groups(program)
        self.grids: list[IntArray] = []
        self.rows: list[IntArray] = []
        groups, stop = [], 0
        for k, model in enumerate(models):
            members = order[number[order] == k]
            rows, stop = _free_rows(stop, -(-len(members) // COLUMNS), avoid_defect_rows)
            grid = np.full(len(rows) * COLUMNS, -1)
            grid[: len(members)] = members
            self.grids.append(grid.reshape(-1, COLUMNS))
            self.rows.append(rows)
            groups.append(Group(model, stop * COLUMNS))
        self.groups, self.neurons = tuple(groups), len(order)

    def placement(self, grids: list[IntArray]) -> Placement:
        """The placement with the neurons of these grids, which have the shapes of its own."""
        slot = np.zeros(self.neurons, np.int64)
        for grid, rows in zip(grids, self.rows, strict=True):
            at = rows[:, None] * COLUMNS + np.arange(COLUMNS)
            slot[grid[grid >= 0]] = at[grid >= 0]
        return Placement(slot, self.groups[-1].stop if self.groups else 0, self.groups)


def _free_rows(first: int, count: int, avoid_defect_rows: bool) -> tuple[IntArray, int]:
    """At least `count` usable rows from `first` on, and the row at which the group that has them stops."""
    step = BLOCK // COLUMNS
    rows = np.arange(first, first + count + count // (DEFECT - 1) + 2 * step)
    usable = (rows % DEFECT != 0) | (rows == 0) | (not avoid_defect_rows)
    last = int(rows[usable][count - 1])
    stop = (last // step + 1) * step
    return rows[usable & (rows < stop)], stop

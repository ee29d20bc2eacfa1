"""How many targets of each source stand in each column, and in which column one more would cost least.

The load of a source in a column is the number of its targets there. A row holds one neuron in each column, so that no
two neurons of a row add to the same load, and which neuron gets which column is an assignment problem with a 16 × 16
table of costs. Neurons that change columns only within their row never overfill a column.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....runtime.program.cri import IntArray
from .sources import Indices, Sources
from .types import COLUMNS

Price = Callable[[IntArray, IntArray], IntArray]
"""From loads and the even loads of their sources to what one target more costs."""

NONE = np.zeros(0, np.int32)
REACH = 4
STEEP = np.power(4, np.arange(2 * REACH + 1))


def square(load: IntArray, even: IntArray) -> IntArray:
    """For columns that are being filled: one target more costs as much as there are (the sum of squares grows so)."""
    return load


def steep(load: IntArray, even: IntArray) -> IntArray:
    """For full columns: each target more costs four times as much, from REACH below the even load to REACH above it, so
    that above all no load exceeds the even load of its source, ceil(targets / 16)."""
    return np.take(STEEP, load - even + REACH, mode="clip")


class Loads:
    """The loads of all classes of sources, and what one target more would cost in each column.

    load   int64 [classes · 16]
    cost   int64 [classes, 16]
    """

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.load = np.zeros(sources.classes * COLUMNS, np.int64)
        self.use(square)

    def use(self, price: Price) -> None:
        """Costs follow from this price from now on."""
        self.price = price
        load = self.load.reshape(-1, COLUMNS)
        self.cost = price(load, self.sources.least[:, None]) * self.sources.count[:, None]

    def add(self, grid: IntArray) -> None:
        """Add the neurons of a grid (int64 [rows, 16], −1 where there is none); the costs wait for `use`."""
        for column, members in enumerate(grid.T):
            for neuron in members[members >= 0]:
                np.add.at(self.load, self.sources.reached[neuron] * COLUMNS + column, 1)

    def pairs(self) -> int:
        """Pairs of rows of all sources that have targets."""
        most = self.load.reshape(-1, COLUMNS).max(axis=1, initial=0)
        return int(np.maximum(most, self.sources.least) @ self.sources.count)

    def settle(self, row: IntArray, placed: bool = True) -> IntArray:
        """The neurons of a row (int64 [16], −1 where there is none) in the columns that cost least.

        `placed` says that the neurons are part of the loads already.
        """
        parts = [self.sources.reached[n] if n >= 0 else NONE for n in row]
        degree, source = [len(part) for part in parts], np.concatenate(parts)
        if not len(source):
            return row
        if placed:
            self._add(source, np.repeat(np.arange(COLUMNS), degree), -1)
        # NOTE: np.sum over the first axis of such arrays takes twice as long.
        costs = np.stack([np.einsum("ij->j", self.cost.take(part, axis=0)) for part in parts])
        column = assignment(costs)
        self._add(source, np.repeat(column, degree), 1)
        settled = np.empty_like(row)
        settled[column] = row
        return settled

    def _add(self, source: Indices, column: IntArray, step: int) -> None:
        at = source * COLUMNS + column
        np.add.at(self.load, at, step)
        price = self.price(self.load.take(at), self.sources.least.take(source))
        self.cost.reshape(-1)[at] = price * self.sources.count.take(source)


def assignment(costs: IntArray) -> IntArray:
    """Column of each neuron by exchanges of two, best first, from neuron i in column i on.

    costs[i, g] is the cost of neuron i in column g. Each exchange lowers the sum, so this ends.
    """
    column = np.arange(len(costs))
    while True:
        here = costs[:, column]  # [i, j]: neuron i in the column of neuron j
        own = here.diagonal()
        change = here + here.T - own - own[:, None]
        i, j = divmod(int(change.argmin()), len(costs))
        if change[i, j] >= 0:
            return column
        column[[i, j]] = column[[j, i]]

"""Local search: blocks move to other cores as long as that saves messages."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import IntArray
from .reach import Reach
from .synapses import FPGA_COST

PASSES = 20


class Cut:
    """Blocks on cores: `core` int64 [blocks], and how many targets every edge has on each core."""

    def __init__(self, reach: Reach, core: IntArray, cores: int, per_fpga: int):
        self.reach, self.core, self.cores = reach, core.copy(), cores
        self.fpga = np.arange(cores) // per_fpga
        edge = np.repeat(np.arange(reach.edges), np.diff(reach.indptr))
        self.count = np.zeros((reach.edges, cores), np.int64)
        np.add.at(self.count, (edge, core[reach.target]), 1)
        blocks = len(core)
        self._reading = _lists(reach.target, edge, blocks)
        self._owned = _lists(reach.own, np.arange(reach.edges), blocks)

    def cost(self) -> int:
        """What `message_cost` gives for these blocks."""
        own = self.core[self.reach.own]
        near = (self.count > 0) & (np.arange(self.cores) != own[:, None])
        far = (self._by_fpga(self.count) > 0) & (np.arange(int(self.fpga[-1]) + 1) != self.fpga[own][:, None])
        return int(self.reach.weight @ (near.sum(axis=1) + FPGA_COST * far.sum(axis=1)))

    def prices(self, block: int) -> IntArray:
        """What the edges of a block cost, up to a constant, with the block on each core: int64 [cores]."""
        reading, owned = self._reading[block], self._owned[block]
        count = self.count[reading]
        count[:, self.core[block]] -= 1
        own = self.core[self.reach.own[reading]]
        more = (count == 0) & (np.arange(self.cores) != own[:, None])
        far = (self._by_fpga(count) == 0)[:, self.fpga] & (self.fpga != self.fpga[own][:, None])
        price = self.reach.weight[reading] @ (more + FPGA_COST * far)
        here = self.count[owned]
        kept = (here > 0) + FPGA_COST * (self._by_fpga(here) > 0)[:, self.fpga]
        return price - self.reach.weight[owned] @ kept

    def _by_fpga(self, count: IntArray) -> IntArray:
        first = np.flatnonzero(np.diff(self.fpga, prepend=-1))
        return np.add.reduceat(count, first, axis=1)

    def move(self, block: int, core: int) -> None:
        reading = self._reading[block]
        self.count[reading, self.core[block]] -= 1
        self.count[reading, core] += 1
        self.core[block] = core


def _lists(key: IntArray, items: IntArray, count: int) -> list[IntArray]:
    """The items of every key."""
    order = np.argsort(key, kind="stable")
    return np.split(items[order], np.cumsum(np.bincount(key, minlength=count))[:-1])


def refine(cut: Cut, weights: IntArray, most: IntArray) -> None:
    """Move blocks, one after the other in passes, each to the core where its edges cost least, until no move saves
    anything or PASSES are done.

    weights  int64 [blocks, resources]
    most     int64 [resources]: no move takes a core above it
    """
    load = np.zeros((cut.cores, len(most)), np.int64)
    np.add.at(load, cut.core, weights)
    for _ in range(PASSES):
        moved = False
        for block, weight in enumerate(weights):
            here, prices = int(cut.core[block]), cut.prices(block)
            allowed = np.all(load + weight <= most, axis=1)
            allowed[here] = True
            best = int(np.where(allowed, prices, np.iinfo(np.int64).max).argmin())
            if prices[best] < prices[here]:
                load[here] -= weight
                load[best] += weight
                cut.move(block, best)
                moved = True
        if not moved:
            return

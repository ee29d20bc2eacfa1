"""Contiguous partitions to begin with: cuts of an order of the blocks into parts of equal weight."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import IntArray
from .blocks import Blocks


def seeds(blocks: Blocks, weight: IntArray, cores: int) -> dict[str, IntArray]:
    """The core of each block by the name of the order: layer after layer, bands of rows or columns through all feature
    maps, and tiles of both. `weight` is int64 [blocks]."""
    number = np.arange(blocks.count)
    found = {
        "layers": _in_order(number, weight, cores),
        "rows": _in_order(np.lexsort((number, blocks.y)), weight, cores),
        "columns": _in_order(np.lexsort((number, blocks.x)), weight, cores),
    }
    tiles = np.zeros(blocks.count, np.int64)
    _halve(blocks, weight, number, (0, cores), 0, tiles)
    return found | {"tiles": tiles}


def program_order(neurons: int, cores: int) -> IntArray:
    """The core of each neuron if the neurons of a program are cut into equal runs."""
    return np.arange(neurons) * cores // max(neurons, 1)


def _in_order(order: IntArray, weight: IntArray, cores: int) -> IntArray:
    total, core = max(int(weight.sum()), 1), np.empty(len(order), np.int64)
    middle = 2 * np.cumsum(weight[order]) - weight[order]
    core[order] = np.minimum(middle * cores // (2 * total), cores - 1)
    return core


def _halve(blocks: Blocks, weight: IntArray, part: IntArray, cores: tuple[int, int], axis: int, core: IntArray) -> None:
    """Give the blocks in `part` the cores from cores[0] to cores[1] − 1, half of the cores on either side of a cut."""
    low, high = cores
    if high - low <= 1 or not len(part):
        core[part] = low
        return
    places = (blocks.x, blocks.y) if axis == 0 else (blocks.y, blocks.x)
    order = part[np.lexsort((part, places[0][part], places[1][part]))]
    middle, total = 2 * np.cumsum(weight[order]) - weight[order], int(weight[order].sum())
    half = (high - low) // 2
    first = middle * (high - low) < 2 * total * half
    _halve(blocks, weight, order[first], (low, low + half), 1 - axis, core)
    _halve(blocks, weight, order[~first], (low + half, high), 1 - axis, core)

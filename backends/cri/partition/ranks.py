"""Which process simulates which neuron: the search of a partition, without what cores of the machine cannot do.

A spike reaches another process within its timestep, so no neuron runs later, recurrent parts may be cut, and a process
has no limit of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....runtime.program.cri import CriProgram, IntArray
from .blocks import tiles
from .reach import collect
from .refine import Cut, refine
from .search import SLACK, Tried
from .seeds import seeds
from .synapses import incoming, message_cost

SYNAPSES_PER_NEURON = 16
"""A neuron counts as so many synapses: it is looked at in every timestep, they only when their source fires."""


@dataclass(frozen=True)
class Ranks:
    """owner    int32 [neurons], the process of each neuron
    chosen   the order that was cut
    tried    all orders: messages as they are, and after moves
    """

    owner: NDArray[np.int32]
    chosen: str
    tried: tuple[Tried, ...]


def over_ranks(program: CriProgram, ranks: int, activity: IntArray | None = None) -> Ranks:
    """Cut a program over `ranks` processes, 1 or more, with about equal work and few messages; the same everywhere.

    activity  whole numbers [neurons]: spikes of each neuron, as far as known; by default all count as firing once
    """
    neurons = len(program.neuron_model)
    weight = np.ones(neurons, np.int64) if activity is None else activity
    blocks = tiles(program, ranks)
    load = blocks.sums(SYNAPSES_PER_NEURON + incoming(program))
    reach, average = collect(program, blocks, weight), -(-int(load.sum()) // ranks)
    found: list[tuple[Tried, IntArray]] = []
    for order, first in seeds(blocks, load, ranks).items():
        cut = Cut(reach, first, ranks, ranks)
        contiguous = cut.cost()
        refine(cut, load[:, None], np.array([average + average // SLACK]))
        found.append((Tried(order, contiguous, cut.cost()), cut.core))
    best, rank = min(found, key=lambda pair: pair[0].refined)
    return Ranks(rank[blocks.of].astype(np.int32), best.name, tuple(one for one, _ in found))


def messages(program: CriProgram, owner: NDArray[np.integer], spikes: IntArray) -> int:
    """Messages between processes for these numbers of spikes, int64 [neurons]: each spike once for every other process
    that has a neuron which it reaches. A run sends as many."""
    ranks = int(owner.max(initial=0)) + 1
    return message_cost(program, owner.astype(np.int64), ranks, spikes, ranks)

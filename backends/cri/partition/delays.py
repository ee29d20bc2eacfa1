"""How many timesteps later than in the program each population runs, so that spikes have time to change cores."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import IntArray
from ..spiking.depths import Edge, depths

NEURON, AXON = 4, 1
"""What a relay neuron and a relay axon count for where delays can be chosen."""


def extra_steps(every: IntArray, cut: IntArray, sizes: IntArray) -> IntArray | None:
    """Extra timesteps of each population, int64 [populations]; None where a loop is cut.

    A population that reads another one over a cut runs at least one timestep later than that one, and none runs earlier
    than what it reads. Where that leaves a choice, spikes wait where fewest relay neurons are needed.

    every  synapses from population to population, int64 [populations, populations]
    cut    those that lead to another core
    sizes  neurons of each population
    """
    count = len(sizes)
    pairs = [(int(a), int(b)) for a, b in np.argwhere(every + cut)]
    edges = [Edge(a, b, 1 - int(cut[a, b] > 0)) for a, b in pairs]
    found, loops = depths(count, range(count), edges)
    if loops:
        return None
    extra = np.array([found[p] for p in range(count)], np.int64)
    least = (cut > 0).astype(np.int64)
    readers = [[b for a, b in pairs if a == p and b != p] for p in range(count)]
    sources = [[a for a, b in pairs if b == p and a != p] for p in range(count)]
    while _settle(extra, least, readers, sources, sizes):
        pass
    return extra


def _settle(
    extra: IntArray, least: IntArray, readers: list[list[int]], sources: list[list[int]], sizes: IntArray
) -> bool:
    """Put each population where it and its sources need fewest relays; did any change?"""

    def price(p: int) -> int:
        gaps = {int(extra[r] - extra[p]) for r in readers[p]} - {0}
        return int(sizes[p]) * (NEURON * max(max(gaps, default=0) - 1, 0) + AXON * len(gaps))

    changed = False
    for p in range(len(extra)):
        if not readers[p] or not sources[p]:
            continue
        low = max(int(extra[s] + least[s, p]) for s in sources[p])
        high = min(int(extra[r] - least[p, r]) for r in readers[p])
        now, prices = int(extra[p]), {}
        for value in range(low, high + 1):
            extra[p] = value
            prices[value] = sum(price(s) for s in sources[p]) + price(p)
        best = min(prices, key=lambda value: (prices[value], value))
        extra[p] = best if prices[best] < prices[now] else now
        changed |= extra[p] != now
    return bool(changed)

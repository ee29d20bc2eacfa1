"""An order of neurons for tables that say nothing about their structure."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import IntArray
from .sources import Sources, Words, scrambled

SIGNATURES = 4


def wave(sources: Sources) -> IntArray:
    """All neurons in the order in which a wave meets them that spreads over the synapses: int64 [neurons].

    It starts at the sources with the fewest targets, the corners of an image. A source passes it to its targets, a
    target to its other sources, those with fewer targets first (Cuthill and McKee, "Reducing the bandwidth of sparse
    symmetric matrices", 1969). Targets that it meets at once come by their signatures, so that those with the same
    sources are neighbours.
    """
    neurons, classes = len(sources.reached.lengths), sources.classes
    by_rank, rank = np.lexsort(signatures(sources)).astype(np.int64), np.empty(neurons, np.int64)
    rank[by_rank] = np.arange(neurons)
    fanout = sources.targets.lengths
    met, queued = np.zeros(neurons, np.bool_), np.zeros(classes, np.bool_)
    found: list[IntArray] = []
    for start in np.argsort(fanout, kind="stable"):
        queue = [] if queued[start] else [int(start)]
        queued[start] = True
        for source in queue:  # grows while it is read
            targets = sources.targets[source]
            fresh = targets[~met[targets]]
            if not len(fresh):
                continue
            met[fresh] = True
            found.append(by_rank[np.unique(rank[fresh])])
            for target in found[-1]:
                others = sources.reached[target]
                others = others[~queued[others]]
                queued[others] = True
                queue.extend(others[np.argsort(fanout[others], kind="stable")].tolist())
    return np.concatenate([*found, np.flatnonzero(~met)])


def signatures(sources: Sources) -> Words:
    """Words that are likely to be equal for neurons with much the same sources: uint64 [SIGNATURES, neurons].

    Two neurons agree in one signature with a probability that is the share of sources that they have in common
    (min-wise hashing: Broder, "On the resemblance and containment of documents", 1997).
    """
    indptr, some = sources.reached.indptr, np.flatnonzero(sources.reached.lengths)
    result = np.zeros((SIGNATURES, len(indptr) - 1), np.uint64)
    if len(some):
        for seed, signature in enumerate(result, 1):
            words = scrambled(sources.classes, seed)
            signature[some] = np.minimum.reduceat(words[sources.reached.items], indptr[some])
    return result

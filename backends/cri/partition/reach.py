"""Which blocks every neuron reaches, neurons of a block that reach the same blocks taken together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.program.cri import CriProgram, IntArray
from ..placement.sources import scrambled
from .blocks import Blocks
from .synapses import synapse_blocks


@dataclass(frozen=True)
class Reach:
    """Edge i leads from block own[i] to the blocks target[indptr[i]:indptr[i+1]], all others than its own, and carries
    weight[i] spikes."""

    own: IntArray
    weight: IntArray
    indptr: IntArray
    target: IntArray

    @property
    def edges(self) -> int:
        return len(self.own)


def collect(program: CriProgram, blocks: Blocks, weight: IntArray) -> Reach:
    """The edges of a program; `weight` is int64 [neurons].

    Sets of blocks are told apart by 64-bit sums. Sets with equal sums by chance would be taken for one: that would
    mislead the search, but what it finds is priced without them.
    """
    words, sources, targets = scrambled(blocks.count, 0), [], []
    for _, source, target in synapse_blocks(program.neurons):
        key = np.unique(source * blocks.count + blocks.of[target])
        source, target = key // blocks.count, key % blocks.count
        away = blocks.of[source] != target
        sources.append(source[away])
        targets.append(target[away])
    nothing = np.zeros(0, np.int64)
    source, target = np.concatenate([nothing, *sources]), np.concatenate([nothing, *targets])
    member, first, degree = np.unique(source, return_index=True, return_counts=True)
    total = np.zeros(len(member), np.uint64)
    if len(member):
        total = np.add.reduceat(words[target], first)
    own = blocks.of[member]
    _, chosen, kind = np.unique(total ^ scrambled(blocks.count, 1)[own], return_index=True, return_inverse=True)
    spikes = np.zeros(len(chosen), np.int64)
    np.add.at(spikes, kind.reshape(-1), weight[member])
    indptr = np.append(0, np.cumsum(degree[chosen]))
    at = np.arange(indptr[-1]) + np.repeat(first[chosen] - indptr[:-1], degree[chosen])
    return Reach(own[chosen], spikes, indptr, target[at])

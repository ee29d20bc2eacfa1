"""Passes over all synapses of a program, in blocks of about a million."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....runtime.program.cri import BLOCK, CriProgram, IntArray, Table, source_blocks


def synapse_blocks(table: Table) -> Iterator[tuple[int, IntArray, IntArray]]:
    """(first synapse, sources, targets), int64 each, sources ascending; together all synapses."""
    for low, high in source_blocks(table.indptr):
        first, stop = int(table.indptr[low]), int(table.indptr[high])
        source = np.repeat(np.arange(low, high), np.diff(table.indptr[low : high + 1]))
        yield first, source, table.target[first:stop].astype(np.int64)


def population_of(program: CriProgram) -> IntArray:
    """The number of the population of each neuron, int64 [neurons]."""
    return np.repeat(np.arange(len(program.populations)), [p.size for p in program.populations])


def incoming(program: CriProgram) -> IntArray:
    """Synapses that lead to each neuron, int64 [neurons]."""
    found = np.zeros(len(program.neuron_model), np.int64)
    for table in (program.axons, program.neurons):
        for low in range(0, table.synapses, BLOCK):
            found += np.bincount(table.target[low : low + BLOCK], minlength=len(found))
    return found


def population_pairs(program: CriProgram, core: IntArray | None = None) -> tuple[IntArray, IntArray]:
    """Synapses from population to population, int64 [populations, populations] each.

    The first counts all but those of a neuron to itself, the second those from one core to another (none without
    `core`, int64 [neurons]).
    """
    count, owner = len(program.populations), population_of(program)
    every, cut = np.zeros(count * count, np.int64), np.zeros(count * count, np.int64)
    for _, source, target in synapse_blocks(program.neurons):
        key = owner[source] * count + owner[target]
        every += np.bincount(key[source != target], minlength=count * count)
        if core is not None:
            cut += np.bincount(key[core[source] != core[target]], minlength=count * count)
    return every.reshape(count, count), cut.reshape(count, count)


def message_cost(program: CriProgram, core: IntArray, cores: int, weight: IntArray, per_fpga: int) -> int:
    """What a partition costs: over all neurons weight · (other cores that it reaches + FPGA_COST · other FPGAs).

    core    int64 [neurons], the core of each neuron
    weight  int64 [neurons], its spikes
    """
    total = 0
    for size, price in ((1, 1), (per_fpga, FPGA_COST)):
        group, groups = core // size, -(-cores // size)
        for _, source, target in synapse_blocks(program.neurons) if groups > 1 else ():
            away = group[source] != group[target]
            key = np.unique(source[away] * groups + group[target[away]])
            total += price * int(weight[key // groups].sum())
    return total


FPGA_COST = 8
"""A message to another FPGA costs so many times one more than a message to another core."""

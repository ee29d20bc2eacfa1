"""Programs to place: random ones, and convolutions with and without their structure."""

import numpy as np
from hypothesis import strategies as st

from nmc.backends.cri.target import PROFILES
from nmc.backends.cri.unroll import layer_synapses
from nmc.compiler.ir.ops import Conv
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table

CONV = Conv((2, 2), ((0, 0), (0, 0)), (1, 1))
IMAGE, HIDDEN, LAST = (2, 23, 23), (20, 10, 10), (20, 3, 3)
EMPTY = np.zeros(0, np.int32), np.zeros(0, np.int16)


def program(
    axons: Table, neurons: Table, populations: tuple[Population, ...] = (), models: tuple[int, ...] = (100,)
) -> CriProgram:
    """Neurons of one model after the other in turn; the last neuron is an output."""
    count = neurons.sources
    read = np.array([count - 1])
    return CriProgram(
        profile=PROFILES["hw2024"],
        models=tuple(NeuronModel(3, threshold, 0, -17) for threshold in models),
        neuron_model=(np.arange(count) % len(models)).astype(np.uint8),
        axons=axons,
        neurons=neurons,
        populations=populations or (Population("neurons", "plain", 0, (count,)),),
        inputs=(Input("x", (axons.sources,), 0, 1, 1.0, 0),),
        schedule=(),
        readouts=(Readout("y", "count", (1,), read, np.zeros(1, np.int64), np.ones(1)),),
        steps=1,
    )


def random_table(rng: np.random.Generator, sources: int, neurons: int) -> Table:
    """Synapses in any order, some of them repeated, some of weight 0."""
    indptr = np.append(0, np.cumsum(rng.integers(0, 40, sources)))
    target = rng.integers(0, neurons, indptr[-1]).astype(np.int32)
    return Table(indptr, target, rng.integers(0, 4, indptr[-1]).astype(np.int16))


@st.composite
def programs(draw: st.DrawFn) -> CriProgram:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    axons, shape = draw(st.integers(0, 9)), (draw(st.integers(1, 6)), draw(st.integers(1, 12)), 2)
    size, rest = int(np.prod(shape)), draw(st.integers(1, 9))
    populations = (Population("image", "plain", 0, shape), Population("rest", "plain", size, (rest,)))
    models = tuple(range(100, 100 + draw(st.integers(1, 3))))
    tables = (random_table(rng, sources, size + rest) for sources in (axons, size + rest))
    return program(*tables, populations, models)


def convolutions(density: float = 1.0) -> CriProgram:
    rng, tables = np.random.default_rng(0), []
    for before, after in ((IMAGE, HIDDEN), (HIDDEN, LAST)):
        weight = rng.integers(1, 100, (after[0], before[0], 5, 5)) * (rng.random((after[0], before[0], 5, 5)) < density)
        tables.append(layer_synapses(CONV, weight.astype(np.int8), before))
    hidden, last = int(np.prod(HIDDEN)), int(np.prod(LAST))
    second = Table(
        np.append(tables[1].indptr, [tables[1].synapses] * last), tables[1].target + np.int32(hidden), tables[1].weight
    )
    populations = (Population("hidden", "plain", 0, HIDDEN), Population("last", "plain", hidden, LAST))
    return program(tables[0], second, populations)


def permuted(source: CriProgram) -> CriProgram:
    """The same network as a bare table, its neurons in any order."""
    new = np.random.default_rng(1).permutation(len(source.neuron_model))
    old, table = np.argsort(new), source.neurons
    lists = [table.target[table.indptr[s] : table.indptr[s + 1]] for s in old]
    weights = [table.weight[table.indptr[s] : table.indptr[s + 1]] for s in old]
    indptr = np.append(0, np.cumsum([len(part) for part in lists]))
    neurons = Table(indptr, new[np.concatenate(lists)].astype(np.int32), np.concatenate(weights))
    axons = Table(source.axons.indptr, new[source.axons.target].astype(np.int32), source.axons.weight)
    return program(axons, neurons)

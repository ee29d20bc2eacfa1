"""Rows of memory that placement saves, and how long it takes.

The network of `cri_tables` with 5×5 kernels in three cases: `shapes`, with the shapes of its layers; `bare`, the
neurons of each layer permuted at random and no shapes; `pruned`, the same as bare with a tenth of the weights 0. Each
runs once, in a process of its own, so that the peak memory is its own (the tables, 340 MB, and those of the network
before it was permuted included). Rows are shares of a core's rows: in the order of the program, placed, and a bound
below which no placement gets.
`python benchmarks/cri_placement.py CASE` runs one and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
from cri_tables import CHANNELS, network
from machine import own_process, peak_mb
from page import Section, ms, run

from nmc.backends.cri.placement import natural, place
from nmc.backends.cri.placement.efficiency import efficiency
from nmc.backends.cri.target import PROFILES
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table

CASES = ("shapes", "bare", "pruned")
INPUT = (2, 63, 63)
SIDES, DENSE = (30, 13, 5), ((120,), (84,), (11,))


def program(case: str, channels: int) -> CriProgram:
    axons, neurons = network(5, channels)
    shapes = (*((channels, side, side) for side in SIDES), *DENSE)
    first = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    populations = tuple(Population(f"layer{k}", "plain", int(first[k]), shape) for k, shape in enumerate(shapes))
    count, outputs = int(first[-1]), DENSE[-1][0]
    if case != "shapes":
        rng = np.random.default_rng(1)
        new = np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(first)])
        axons, neurons = renumbered(axons, np.arange(axons.sources), new), renumbered(neurons, new, new)
        populations = (Population("neurons", "plain", 0, (count,)),)
    if case == "pruned":
        axons, neurons = pruned(axons), pruned(neurons)
    read = np.arange(count - outputs, count)
    return CriProgram(
        profile=PROFILES["hw2024"],
        models=(NeuronModel(3, 100, 0, -17),),
        neuron_model=np.zeros(count, np.uint8),
        axons=axons,
        neurons=neurons,
        populations=populations,
        inputs=(Input("events", INPUT, 0, 1, 1.0, 0),),
        schedule=(),
        readouts=(Readout("y", "count", (outputs,), read, np.zeros_like(read), np.ones(outputs)),),
        steps=1,
    )


def renumbered(table: Table, source: np.ndarray, target: np.ndarray) -> Table:
    """Source s becomes source[s], target t becomes target[t]; the weights, which are random, stay in the same order."""
    degrees = np.diff(table.indptr)
    keys = (np.repeat(source, degrees) << 32) | target[table.target]
    keys.sort()  # targets ascend within a source, as everywhere
    keys &= (1 << 32) - 1
    indptr = np.append(0, np.cumsum(degrees[np.argsort(source)]))
    return Table(indptr, keys.astype(np.int32), table.weight)


def pruned(table: Table) -> Table:
    kept = np.random.default_rng(2).random(table.synapses) >= 0.1
    return replace(table, weight=table.weight * kept)


def of_case(case: str, channels: int = CHANNELS) -> dict[str, float]:
    network = program(case, channels)
    before = efficiency(network, natural(network))
    start = time.perf_counter()
    placed = place(network)
    seconds = time.perf_counter() - start
    peak = peak_mb()
    after = efficiency(network, placed)
    share = {"natural": before.share, "placed": after.share, "least": after.least / after.rows * after.share}
    return {"seconds": seconds, "peak_mb": peak, **share, "rows": after.rows}


def measure(section: Section, quick: bool) -> None:
    section.table("case", "time", "natural", "placed", "least", "peak memory")
    for case in CASES:
        one = of_case(case, 4) if quick else own_process(__file__, case)
        rows = (f"{one[name]:.1%}" for name in ("natural", "placed", "least"))
        section.row(case, ms(one["seconds"]), *rows, f"{one['peak_mb']:.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in CASES:
        print(json.dumps(of_case(sys.argv[1])))
    else:
        run(__file__, __doc__, measure)

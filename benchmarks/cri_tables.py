"""Synapse tables of large spiking networks.

Three convolutions of 100 channels and three dense layers on 2×63×63, with random integers as weights. Each build runs
in a process of its own, so that the peak memory is its own (interpreter and numpy included); medians of 3. `input` is
the reference engine's sum over the synapses of 5 % of all axons and neurons.
`python benchmarks/cri_tables.py KERNEL` builds one network and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from machine import medians, peak_mb
from page import Section, ms, run

from nmc.backends.cri.tables import Placed, table
from nmc.backends.cri.unroll import fan
from nmc.compiler.ir.ops import Conv, Dense
from nmc.runtime.program.cri import Table
from nmc.runtime.reference.synapses import add_input

RUNS = 3
ACTIVE = 0.05
INPUT, CHANNELS, DENSE = (1, 2, 63, 63), 100, (120, 84, 11)


def network(kernel: int, channels: int = CHANNELS) -> tuple[Table, Table]:
    """The tables of axons (one per input element) and of neurons, layer after layer."""
    rng = np.random.default_rng(0)
    source, layers = np.arange(np.prod(INPUT)).reshape(INPUT), []
    axons = stop = source.size
    for outputs in (*[channels] * 3, *DENSE):
        if len(layers) < 3:
            op = Conv((2, 2), ((0, 0), (0, 0)), (1, 1))
            shape = (outputs, source.shape[1], kernel, kernel)
        else:
            op, source = Dense(), source.reshape(1, -1)
            shape = (outputs, source.size)
        weight = rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)  # a weight of 0 would be no synapse
        layers.append((fan(op, weight.astype(np.int8), source), stop - axons))
        source = np.arange(layers[-1][0].target.size).reshape(layers[-1][0].shape) + stop
        stop += source.size
    number = np.arange(stop)
    first = [Placed(part, np.where(number < axons, number, -1), target) for part, target in layers]
    rest = [Placed(part, np.where(number < axons, -1, number - axons), target) for part, target in layers]
    return table(first, axons), table(rest, stop - axons)


def of_kernel(kernel: int) -> dict[str, float]:
    start = time.perf_counter()
    axons, neurons = network(kernel)
    seconds = time.perf_counter() - start
    peak = peak_mb()
    rng, sums, events = np.random.default_rng(1), np.zeros((1, neurons.sources), np.int64), 0
    start = time.perf_counter()
    for part in (axons, neurons):
        events += add_input(sums, part, rng.random((1, part.sources)) < ACTIVE)
    step = time.perf_counter() - start
    synapses = axons.synapses + neurons.synapses
    found = {"neurons": neurons.sources, "axons": axons.sources, "synapses": synapses}
    return {"seconds": seconds, "peak_mb": peak, "step": step, "events": events, **found}


def measure(section: Section, quick: bool) -> None:
    section.table("kernels", "neurons", "axons", "synapses", "tables", "M synapses/s", "peak memory", "input")
    for kernel in (3,) if quick else (5, 3):
        one = medians(__file__, str(kernel), runs=1 if quick else RUNS)
        size = (f"{one['neurons']:,.0f}", f"{one['axons']:,.0f}", f"{one['synapses'] / 1e6:.1f} M")
        rate, peak = f"{one['synapses'] / one['seconds'] / 1e6:.0f}", f"{one['peak_mb']:.0f} MB"
        section.row(f"{kernel}×{kernel}", *size, ms(one["seconds"]), rate, peak, ms(one["step"]))


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].isdigit():
        print(json.dumps(of_kernel(int(sys.argv[1]))))
    else:
        run(__file__, __doc__, measure)

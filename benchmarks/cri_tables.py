"""How long the tables of large spiking networks take: 3 convolutions of 100 channels and 3 dense layers on 2×63×63.

Weights are random integers. Each build runs in a process of its own, so that the peak memory is its own (interpreter
and numpy included). Then one timestep of the reference simulator with 5 % of all axons and neurons active.
`python benchmarks/cri_tables.py KERNEL` builds one network and prints JSON.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from machine import describe, row

from nmc.backends.cri.tables import Placed, table
from nmc.backends.cri.unroll import fan
from nmc.compiler.ir.ops import Conv, Dense
from nmc.runtime.program.cri import Table
from nmc.runtime.reference.synapses import add_input

RUNS = 3
ACTIVE = 0.05
INPUT, CHANNELS, DENSE = (1, 2, 63, 63), 100, (120, 84, 11)


def network(kernel: int) -> tuple[Table, Table]:
    """The tables of axons (one per input element) and of neurons, layer after layer."""
    rng = np.random.default_rng(0)
    source, layers = np.arange(np.prod(INPUT)).reshape(INPUT), []
    axons = stop = source.size
    for outputs in (*[CHANNELS] * 3, *DENSE):
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


def measure(kernel: int) -> dict[str, float]:
    start = time.perf_counter()
    axons, neurons = network(kernel)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rng, sums, events = np.random.default_rng(1), np.zeros((1, neurons.sources), np.int64), 0
    start = time.perf_counter()
    for part in (axons, neurons):
        events += add_input(sums, part, rng.random((1, part.sources)) < ACTIVE)
    step = time.perf_counter() - start
    synapses = axons.synapses + neurons.synapses
    found = {"neurons": neurons.sources, "axons": axons.sources, "synapses": synapses}
    return {"seconds": seconds, "peak_mb": peak, "step": step, "events": events, **found}


def main() -> None:
    print(f"{describe()}; tables: medians of {RUNS}\n")
    for kernel in (5, 3):
        command = [sys.executable, __file__, str(kernel)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(RUNS)]
        one = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        name = f"{kernel}×{kernel} kernels"
        size = f"{one['neurons']:,} neurons, {one['axons']:,} axons, {one['synapses'] / 1e6:.1f} M synapses"
        rate = f"{one['synapses'] / one['seconds'] / 1e6:.0f} M synapses/s, peak {one['peak_mb']:.0f} MB; {size}"
        row(f"{name}: tables", one["seconds"], rate)
        row(f"{name}: one timestep, 5 % active", one["step"], f"{one['events'] / 1e6:.1f} M synaptic events")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(int(sys.argv[1]))))
    else:
        main()

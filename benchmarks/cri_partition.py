"""A convolutional spiking network of 300 k neurons on four cores: messages, time, and equality with one machine.

2×128×128 events, three convolutions, one dense layer, random weights. The partition is compared with the network cut
into equal runs of neurons in the order of the program. Then both machines run with random events, and every neuron's
spikes are compared in every timestep. One process, so that the peak memory holds for all of it.
"""

from __future__ import annotations

import resource
import time

import numpy as np
from machine import describe, row

from nmc.backends.cri.partition import partition
from nmc.backends.cri.target import PROFILES
from nmc.backends.cri.unroll import layer_synapses
from nmc.compiler.ir.ops import Conv, Dense
from nmc.runtime.program.cri import CriProgram, Input, NeuronModel, Population, Readout, Table
from nmc.runtime.reference.cri import CriMachine
from nmc.runtime.reference.cri_cores import CoresMachine

CORES, STEPS, EVENTS = 4, 6, 0.1
INPUT = (2, 128, 128)
# Channels, kernel, stride.
LAYERS = ((16, 3, 1), (32, 5, 4), (32, 3, 2))
CLASSES = 11


def network() -> CriProgram:
    """Layer k has depth k + 1; every neuron fires at the threshold of its layer and does not leak."""
    rng, shape, shapes, tables = np.random.default_rng(0), INPUT, [], []
    for channels, kernel, stride in LAYERS:
        pad = kernel // 2
        weight = rng.integers(-20, 30, (channels, shape[0], kernel, kernel)).astype(np.int8)
        tables.append(layer_synapses(Conv((stride,) * 2, ((pad, pad),) * 2, (1, 1)), weight, shape))
        shape = (channels, *(-(-side // stride) for side in shape[1:]))
        shapes.append(shape)
    weight = rng.integers(-20, 30, (CLASSES, int(np.prod(shape)))).astype(np.int8)
    tables.append(layer_synapses(Dense(), weight, (int(np.prod(shape)),)))
    shapes.append((CLASSES,))
    first = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)])
    steps = STEPS + len(shapes)
    populations = tuple(
        Population(f"layer{k}", "spiking", int(first[k]), shape, 1, (k + 1, k + STEPS))
        for k, shape in enumerate(shapes)
    )
    thresholds = (60, 300, 400, 500)
    read = np.arange(first[-2], first[-1])
    return CriProgram(
        profile=PROFILES["hw2024"],
        models=tuple(NeuronModel(3, threshold, 0, -17) for threshold in thresholds),
        neuron_model=np.repeat(np.arange(len(shapes), dtype=np.uint8), np.diff(first)),
        axons=tables[0],
        neurons=stacked(tables[1:], first[1:], CLASSES),
        populations=populations,
        inputs=(Input("events", (STEPS, *INPUT), 0, 1, 1.0, 0, every=1),),
        schedule=(),
        readouts=(Readout("y", "count", (CLASSES,), read, 0 * read, np.ones(CLASSES), len(shapes), STEPS),),
        steps=steps,
    )


def stacked(tables: list[Table], first: np.ndarray, last: int) -> Table:
    """The tables of layers that read one another; the `last` neurons reach nothing."""
    degrees = np.concatenate([*(np.diff(table.indptr) for table in tables), np.zeros(last, np.int64)])
    target = np.concatenate([table.target + np.int32(start) for table, start in zip(tables, first, strict=False)])
    return Table(np.append(0, np.cumsum(degrees)), target, np.concatenate([table.weight for table in tables]))


def differences(program: CriProgram, cores: CoresMachine) -> tuple[int, int]:
    """Spikes that differ between both machines, and spikes in all, over a whole run."""
    rng, whole, wrong, spikes, late = np.random.default_rng(1), CriMachine.of(program), 0, 0, cores.cores.latency
    expected: list[np.ndarray] = []
    for step in range(program.steps + late):
        axons = (rng.random((1, program.axons.sources)) < EVENTS) & (step < STEPS)
        expected.append(whole.step(axons))
        made = cores.step(axons)
        if step >= late:
            wrong += int(np.count_nonzero(made != expected[step - late]))
            spikes += int(made.sum())
    return wrong, spikes


def main() -> None:
    print(f"{describe()}; one run\n")
    program = network()
    start = time.perf_counter()
    found = partition(program, CORES)
    seconds = time.perf_counter() - start
    synapses = program.axons.synapses + program.neurons.synapses
    row("partition over 4 cores", seconds, f"{len(program.neuron_model):,} neurons, {synapses / 1e6:.1f} M synapses")
    for one in found.search.tried:
        print(f"  {one.name:<14} {one.contiguous:>9,} messages as it is, {one.refined:>9,} after moves")
    kept = "kept as it was" if found.search.kept else "improved"
    print(f"  chosen: {found.search.chosen}, {kept}: {found.cores.messages:,} messages")
    for number, needs in enumerate(found.needs):
        print(f"  core {number}: " + ", ".join(f"{need.count:,} {need.what}" for need in needs))
    start = time.perf_counter()
    machine = CoresMachine(found.cores)
    wrong, spikes = differences(program, machine)
    row("both machines, a run", time.perf_counter() - start, f"{wrong} of {spikes:,} spikes differ")
    print(f"  {machine.messages:,} messages; {found.cores.latency} timesteps more")
    print(f"  peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()

"""A convolutional spiking network of 300 k neurons on four cores.

2×128×128 events, three convolutions, one dense layer, random weights. The partition is compared with the network cut
into equal runs of neurons in several orders. Then the four cores and one machine run with random events, reference
engine, and every neuron's spikes are compared in every timestep. One process, one run.
"""

from __future__ import annotations

import time

import numpy as np
from machine import peak_mb
from page import Section, ms, run

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


def network(shape: tuple[int, ...] = INPUT) -> CriProgram:
    """Layer k has depth k + 1; every neuron fires at the threshold of its layer and does not leak."""
    rng, events, shapes, tables = np.random.default_rng(0), shape, [], []
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
        inputs=(Input("events", (STEPS, *events), 0, 1, 1.0, 0, every=1),),
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


def measure(section: Section, quick: bool) -> None:
    program = network((2, 32, 32)) if quick else network()
    start = time.perf_counter()
    found = partition(program, CORES)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    machine = CoresMachine(found.cores)
    wrong, spikes = differences(program, machine)
    both, synapses = time.perf_counter() - start, program.axons.synapses + program.neurons.synapses
    columns = ("synapses", "partition", "messages", "run, both machines", "spikes", "differ", "peak memory")
    section.table("neurons", *columns)
    results = (ms(seconds), f"{found.cores.messages:,}", ms(both), f"{spikes:,}", f"{wrong}", f"{peak_mb():.0f} MB")
    section.row(f"{len(program.neuron_model):,}", f"{synapses / 1e6:.1f} M", *results)
    section.table("order in which neurons are cut", "messages", "after moves")
    for one in found.search.tried:
        section.row(one.name, f"{one.contiguous:,}", f"{one.refined:,}")
    for number, needs in enumerate(found.needs):
        section.text(f"Core {number}: " + ", ".join(f"{need.count:,} {need.what}" for need in needs) + ".")


if __name__ == "__main__":
    run(__file__, __doc__, measure)

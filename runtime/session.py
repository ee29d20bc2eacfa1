"""Running a program: arrays in, arrays, counters and traces out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arith import Ints
from .encode import Array, Bools, bit_planes, check_inputs, codes, control_axons, read_out
from .program.container import load
from .program.cri import CriProgram
from .program.cri_check import validate
from .program.diagnostics import bad_file, usage
from .reference.cri import CriMachine

# "auto" takes the fastest engine there is for the program.
ENGINES: dict[str, Callable[[CriProgram, int], CriMachine]] = {"auto": CriMachine.of, "reference": CriMachine.of}

# Samples that run together are limited so that an array with one int64 per neuron and sample takes at most 16 MiB;
# a timestep needs about ten such arrays.
BATCH_ENTRIES = 1 << 21
MAX_BATCH = 256


@dataclass(frozen=True)
class Result:
    """What a run gives. Every array has the samples as its first axis; n samples, T timesteps each.

    outputs     float32 (n, *shape) by output name: integer · scale
    integers    int64 (n, *shape) by output name
    counters    totals over all samples: `samples` n, `steps` T, `synaptic_events`, `spikes`, `spikes_per_population`,
                `input_clipped` (values outside the code range), `out_of_range` (potentials clamped or wrapped)
    trace       with trace=True: int64 (n, *shape) spike counts by population name
    potentials  with trace=True: int64 (n, *shape) potentials after the last timestep by population name
    """

    outputs: dict[str, NDArray[np.float32]]
    integers: dict[str, Ints]
    counters: dict[str, Any]
    trace: dict[str, Ints] = field(default_factory=dict)
    potentials: dict[str, Ints] = field(default_factory=dict)


class Session:
    """A program on an engine. `run` takes whole samples; `step` and `reset` single timesteps, on `machine`."""

    def __init__(self, program: CriProgram | str | os.PathLike[str], engine: str = "auto"):
        """NmcError NMC-F… for a damaged file, NMC-R008 for a program with noise, NMC-R009 for an unknown engine."""
        if engine not in ENGINES:
            raise usage("NMC-R009", f"unknown engine {engine!r}", hint=f"engines: {', '.join(ENGINES)}")
        if isinstance(program, CriProgram):
            validate(program)
        self.program = program if isinstance(program, CriProgram) else load(program)
        self._build = ENGINES[engine]
        self.machine = self._build(self.program, 1)

    def step(self, axons: Bools) -> Bools:
        """One timestep of `machine`: axons bool [batch, axons] to fired bool [batch, neurons].

        Another batch size than in the step before starts that many copies from zero. NMC-R005, NMC-R006.
        """
        given, count = np.asarray(axons), self.program.axons.sources
        if given.dtype != np.bool_:
            raise bad_file("NMC-R006", f"expected axons of dtype bool, got {given.dtype}")
        if given.ndim != 2 or given.shape[1] != count:
            raise bad_file("NMC-R005", f"expected axons of shape (batch, {count}), got {given.shape}")
        if len(given) != self.machine.batch:
            self.machine = self._build(self.program, len(given))
        return self.machine.step(given)

    def reset(self) -> None:
        """Clear the potentials of `machine`."""
        self.machine.reset()

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        trace: bool = False,
        batch: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Result:
        """Run every sample from potential 0 through all timesteps.

        inputs    (samples, *shape) by input name, or one array where the program has one input; NMC-R004 to R007
        trace     also keep spike counts and last potentials of every population
        batch     samples that run together (the result does not depend on it)
        progress  called with (samples done, samples in all) after each batch
        """
        arrays = check_inputs(self.program.inputs, inputs)
        samples = len(next(iter(arrays.values()))) if arrays else 1
        size = _batch_size(self.program) if batch is None else batch
        if size < 1:
            raise ValueError(f"batch must be at least 1, not {size}")
        run = _Run(self.program, samples, trace)
        for low in range(0, samples, size):
            part = {name: array[low : low + size] for name, array in arrays.items()}
            count = min(size, samples - low)
            run.add(low, part, self._build(self.program, count))
            if progress:
                progress(low + count, samples)
        return run.result


class _Run:
    """A result that grows batch by batch."""

    def __init__(self, program: CriProgram, samples: int, trace: bool):
        self.program = program
        outputs = {r.name: np.zeros((samples, *r.shape), np.float32) for r in program.readouts}
        integers = {r.name: np.zeros((samples, *r.shape), np.int64) for r in program.readouts}
        traced = program.populations if trace else ()
        counters = {
            "samples": samples,
            "steps": program.steps,
            "synaptic_events": 0,
            "spikes": 0,
            "spikes_per_population": {p.name: 0 for p in program.populations},
            "input_clipped": 0,
            "out_of_range": 0,
        }
        spikes, potentials = ({p.name: np.zeros((samples, *p.shape), np.int64) for p in traced} for _ in range(2))
        self.result = Result(outputs, integers, counters, spikes, potentials)

    def add(self, low: int, part: dict[str, Array], machine: CriMachine) -> None:
        """Run one batch, the samples from `low` on."""
        spikes, clipped = _advance(self.program, part, machine)
        rows = slice(low, low + machine.batch)
        self._count(machine, spikes, clipped)
        potentials = machine.potentials
        for readout in self.program.readouts:
            integers = read_out(readout, spikes, potentials)
            self.result.integers[readout.name][rows] = integers
            self.result.outputs[readout.name][rows] = integers * readout.scale.reshape(readout.shape)
        for p in self.program.populations if self.result.trace else ():
            shape = (machine.batch, *p.shape)
            self.result.trace[p.name][rows] = spikes[:, p.first : p.stop].reshape(shape)
            self.result.potentials[p.name][rows] = potentials[:, p.first : p.stop].reshape(shape)

    def _count(self, machine: CriMachine, spikes: Ints, clipped: int) -> None:
        counters = self.result.counters
        counters["synaptic_events"] += machine.synaptic_events
        counters["spikes"] += machine.spikes
        counters["input_clipped"] += clipped
        counters["out_of_range"] += machine.out_of_range
        for p in self.program.populations:
            counters["spikes_per_population"][p.name] += int(spikes[:, p.first : p.stop].sum())


def _advance(program: CriProgram, part: dict[str, Array], machine: CriMachine) -> tuple[Ints, int]:
    """All timesteps of one batch: spike counts int64 [batch, n], and how many input values were clipped."""
    spikes = np.zeros((machine.batch, len(program.neuron_model)), np.int64)
    axons = np.zeros((machine.batch, program.axons.sources), np.bool_)
    clipped = 0
    for step in range(program.steps):
        axons[:] = False
        control_axons(program.schedule, step, axons)
        for entry in program.inputs:
            if entry.step == step:
                code, out = codes(entry, part[entry.name])
                axons[:, entry.first : entry.first + entry.axons] |= bit_planes(entry, code)
                clipped += out
        spikes += machine.step(axons)
    return spikes, clipped


def _batch_size(program: CriProgram) -> int:
    widest = max(len(program.neuron_model), program.axons.sources, 1)
    return min(max(BATCH_ENTRIES // widest, 1), MAX_BATCH)

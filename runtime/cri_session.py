"""Running a CRI program: arrays in, arrays, counters and traces out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from .arith import Ints
from .encode import Array, Bools, bit_planes, check_inputs, codes, control_axons, read_out
from .program.cri import CriProgram
from .program.cri_check import validate
from .program.diagnostics import bad_file
from .reference.cri import CriMachine
from .result import BATCH_ENTRIES, MAX_BATCH, Result, in_batches, named_engine

# "auto" takes the fastest engine there is for the program.
ENGINES: dict[str, Callable[[CriProgram, int], CriMachine]] = {"auto": CriMachine.of, "reference": CriMachine.of}


class CriSession:
    """A CRI program on an engine. `run` takes whole samples; `step` and `reset` single timesteps, on `machine`."""

    def __init__(self, program: CriProgram, engine: str = "auto"):
        """NmcError NMC-F… for an inconsistent program, NMC-R008 for one with noise, NMC-R009 for an unknown engine."""
        validate(program)
        self.program = program
        self._build = named_engine(ENGINES, engine)
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
        run = _Run(self.program, samples, trace)
        for low, count, part in in_batches(arrays, samples, size, progress):
            run.add(low, part, self._build(self.program, count))
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
            if step in entry.steps:
                given = part[entry.name]
                code, out = codes(entry, given[:, entry.steps.index(step)] if entry.every else given)
                axons[:, entry.first : entry.first + entry.axons] |= bit_planes(entry, code)
                clipped += out
        spikes += machine.step(axons)
    return spikes, clipped


def _batch_size(program: CriProgram) -> int:
    widest = max(len(program.neuron_model), program.axons.sources, 1)
    return min(max(BATCH_ENTRIES // widest, 1), MAX_BATCH)

"""Running a CRI program: arrays in, arrays, counters and traces out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod

import numpy as np
from numpy.typing import ArrayLike

from .arith import Ints
from .cost import Meter
from .cri_engines import ENGINES, Stepping, has_noise
from .encode import Array, Bools, check_inputs, codes, step_axons
from .program.cri import CriProgram, Population
from .program.cri_check import validate
from .program.diagnostics import bad_file
from .program.retime import retime
from .recording import Recording, traced_populations, traced_shape
from .result import BATCH_ENTRIES, MAX_BATCH, Result, in_batches, named_engine, take_results


class CriSession:
    """A CRI program on an engine. `run` takes whole samples; `step` and `reset` single timesteps, on `machine`."""

    def __init__(self, program: CriProgram, engine: str = "auto", seed: int | None = None):
        """seed: 0 or more, for a program with noise. Sample n of a run gets noise that depends on the seed and n alone.

        NmcError NMC-F… for an inconsistent program, NMC-R008 for noise without a seed, NMC-R009 for an engine that is
        unknown or cannot run the program; ValueError for a negative seed.
        """
        validate(program)
        if seed is not None and seed < 0:
            raise ValueError(f"seed must be at least 0, not {seed}")
        self.program = program
        self._build = named_engine(ENGINES, engine)(program, seed)
        self.machine = self._build(1, 0)
        self._noted = {} if seed is None or not has_noise(program) else {"noise_seed": seed}

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
            self.machine = self._build(len(given), 0)
        return self.machine.step(given)

    def reset(self) -> None:
        """Clear the potentials of `machine`. Its noise goes on."""
        self.machine.reset()

    def run(
        self,
        inputs: Mapping[str, ArrayLike] | ArrayLike,
        *,
        trace: bool = False,
        batch: int | None = None,
        progress: Callable[[int, int], object] | None = None,
        meter: Meter | None = None,
    ) -> Result:
        """Run every sample from potential 0 through all timesteps.

        inputs    (samples, *shape) by input name, or one array where the program has one input; NMC-R004 to R007.
                  Trains for a spiking network may have any number of timesteps (samples, T, …); all have the same
        trace     also keep spike counts and last potentials of every population; of a spiking network spikes step by
                  step, aligned: row t of a population is what it did in step t of the source network
        batch     samples that run together (the result does not depend on it)
        progress  called with (samples done, samples in all) after each batch
        meter     counts what each timestep costs on the hardware; the counters get its totals under `hardware`
        """
        program = timed(self.program, inputs)
        arrays = check_inputs(program.inputs, inputs)
        samples = len(next(iter(arrays.values()))) if arrays else 1
        size = batch_size(program) if batch is None else batch
        take_room(program, samples, trace, size)
        run = Run(program, samples, trace)
        run.result.counters.update(self._noted)
        for low, count, part in in_batches(arrays, samples, size, progress):
            run.add(low, part, self._build(count, low), meter)
        if meter is not None:
            parts = {"by_step": meter.by_step(), "by_layer": meter.by_layer(program.populations)}
            run.result.counters["hardware"] = meter.total() | parts
        return run.result


class Run:
    """A result that grows batch by batch."""

    def __init__(self, program: CriProgram, samples: int, trace: bool):
        self.program = program
        outputs = {r.name: np.zeros((samples, *r.shape), np.float32) for r in program.readouts}
        integers = {r.name: np.zeros((samples, *r.shape), np.int64) for r in program.readouts}
        counters = {
            "samples": samples,
            "steps": program.steps,
            "synaptic_events": 0,
            "spikes": 0,
            "spikes_per_population": {p.name: 0 for p in program.populations},
            "input_clipped": 0,
            "out_of_range": 0,
        }
        self.traced = traced_populations(program) if trace else ()
        spikes = {p.name: np.zeros((samples, *traced_shape(program, p)), np.int64) for p in self.traced}
        self.potentials = program.populations if trace else ()
        potentials = {p.name: np.zeros((samples, *p.shape), np.int64) for p in self.potentials}
        self.result = Result(outputs, integers, counters, spikes, potentials)

    def add(self, low: int, part: dict[str, Array], machine: Stepping, meter: Meter | None) -> None:
        """Run one batch, the samples from `low` on."""
        seen, clipped = _advance(self.program, part, machine, self.traced, meter)
        rows = slice(low, low + machine.batch)
        self._count(machine, seen.spikes, clipped)
        for readout in self.program.readouts:
            integers = seen.output(readout)
            made = integers * readout.scale.reshape(readout.row_shape)
            self.result.integers[readout.name][rows] = integers
            self.result.outputs[readout.name][rows] = made / readout.rows if readout.mean else made
        for p in self.traced:
            self.result.trace[p.name][rows] = seen.trace(p)
        for p in self.potentials:
            potentials = machine.read(np.arange(p.first, p.stop))
            self.result.potentials[p.name][rows] = potentials.reshape(machine.batch, *p.shape)

    def _count(self, machine: Stepping, spikes: Ints, clipped: int) -> None:
        counters = self.result.counters
        counters["synaptic_events"] += machine.synaptic_events
        counters["spikes"] += machine.spikes
        counters["input_clipped"] += clipped
        counters["out_of_range"] += machine.out_of_range
        for p in self.program.populations:
            counters["spikes_per_population"][p.name] += int(spikes[:, p.first : p.stop].sum())


def _advance(
    program: CriProgram, part: dict[str, Array], machine: Stepping, traced: Sequence[Population], meter: Meter | None
) -> tuple[Recording, int]:
    """All timesteps of one batch: what was recorded, and how many input values were clipped."""
    seen = Recording(program, machine.batch, traced)
    coded = {entry.name: codes(entry, part[entry.name]) for entry in program.inputs}
    given = {name: code for name, (code, _) in coded.items()}
    axons = np.zeros((machine.batch, program.axons.sources), np.bool_)
    if meter is not None:
        meter.restart(machine.batch)
    for step in range(program.steps):
        axons[:] = False
        step_axons(program, step, given, axons)
        fired = machine.step(axons)
        seen.see(step, fired, machine)
        if meter is not None:
            meter.step(axons, fired)
    return seen, sum(clipped for _, clipped in coded.values())


def timed(program: CriProgram, inputs: Mapping[str, ArrayLike] | ArrayLike) -> CriProgram:
    """A spiking program with as many timesteps as its trains have here, where they are trains of one length at all."""
    trains = {entry.name: entry for entry in program.inputs if entry.every}
    if not program.timesteps or not trains:
        return program
    named = inputs if isinstance(inputs, Mapping) else dict.fromkeys(trains, inputs)
    try:
        shapes = [np.shape(named[name]) for name in trains]
    except (KeyError, ValueError):
        return program  # a name is wrong or a list uneven: check_inputs says it
    lengths = {shape[1] if len(shape) > 1 else 0 for shape in shapes}
    return retime(program, lengths.pop()) if len(lengths) == 1 and lengths != {0} else program


def take_room(program: CriProgram, samples: int, trace: bool, size: int) -> None:
    """Call before a run of so many samples, `size` together. NMC-R050 if its arrays would be too large."""
    kept = [prod(traced_shape(program, p)) for p in traced_populations(program)] + [p.size for p in program.populations]
    widest = max(len(program.neuron_model), program.axons.sources)
    take_results(samples, [prod(r.shape) for r in program.readouts], kept if trace else (), min(size, samples) * widest)


def batch_size(program: CriProgram) -> int:
    """How many samples run together, unless the user says."""
    widest = max(len(program.neuron_model), program.axons.sources, 1)
    return min(max(BATCH_ENTRIES // widest, 1), MAX_BATCH)

"""Running a CRI program that was cut over cores: arrays in, the integers of its outputs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .arith import Ints
from .cri_session import batch_size, timed
from .encode import Array, check_inputs, codes, step_axons
from .program.cri import CriProgram
from .program.cri_cores import Cores
from .recording import Recording
from .reference.cri_cores import CoresMachine
from .result import in_batches


@dataclass
class CoresRun:
    """integers  int64 (samples, *shape) by output name, as a run of the whole program gives them
    messages     spikes that went to other cores, all samples together, once for every core
    out_of_range potentials that left the profile's width
    steps        timesteps of one sample
    """

    integers: dict[str, Ints]
    messages: int
    out_of_range: int
    steps: int


def run_cores(
    cores: Cores,
    inputs: Mapping[str, ArrayLike] | ArrayLike,
    *,
    batch: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> CoresRun:
    """Run every sample from potential 0; arguments as in `CriSession.run`. NMC-R004 to R007."""
    cores = replace(cores, program=timed(cores.program, inputs))
    program = cores.program
    arrays = check_inputs(program.inputs, inputs)
    samples = len(next(iter(arrays.values()))) if arrays else 1
    integers = {r.name: np.zeros((samples, *r.shape), np.int64) for r in program.readouts}
    run = CoresRun(integers, 0, 0, program.steps + cores.latency)
    size = batch_size(program) if batch is None else batch
    for low, count, part in in_batches(arrays, samples, size, progress):
        machine = CoresMachine(cores, count)
        seen = _advance(program, part, machine)
        for readout in program.readouts:
            integers[readout.name][low : low + count] = seen.output(readout)
        run.messages += machine.messages
        run.out_of_range += machine.out_of_range
    return run


def _advance(program: CriProgram, part: dict[str, Array], machine: CoresMachine) -> Recording:
    """All timesteps of one batch, and those in which later neurons catch up."""
    given = {entry.name: codes(entry, part[entry.name])[0] for entry in program.inputs}
    seen, late = Recording(program, machine.batch, ()), machine.cores.latency
    for step in range(program.steps + late):
        axons = np.zeros((machine.batch, program.axons.sources), np.bool_)
        if step < program.steps:
            step_axons(program, step, given, axons)
        fired = machine.step(axons)
        if step >= late:
            seen.see(step - late, fired, machine)
    return seen

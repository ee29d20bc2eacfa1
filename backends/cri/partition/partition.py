"""A program cut over cores so that few spikes change cores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ....compiler.diagnostics import Collector, Exit, NmcError
from ....runtime.program.cri import CriProgram, IntArray
from ....runtime.program.cri_cores import Core, Cores
from ..placement import Placement
from .build import build
from .capacity import CORES_PER_FPGA, Capacity, Need, cores_needed, needs
from .search import Found, search

ATTEMPTS = 8
"""Numbers of cores that are tried where none is given."""
COUNTER = 1
"""The model code of neurons that count timesteps."""


@dataclass(frozen=True)
class Partition:
    """cores       what each core holds
    search      what was tried, and what it cost
    needs       what each core takes, and what it has
    placements  where the neurons of each core stand, for these needs
    """

    cores: Cores
    search: Found
    needs: tuple[tuple[Need, ...], ...]
    placements: tuple[Placement, ...]


def partition(
    program: CriProgram,
    cores: int | None = None,
    *,
    capacity: Capacity | None = None,
    activity: ArrayLike | None = None,
    cores_per_fpga: int = CORES_PER_FPGA,
) -> Partition:
    """Cut a program over `cores` cores, or over as few as hold it.

    The run takes more timesteps than that of the program, and computes the same (docs/cri_partition.md).

    activity  whole numbers [neurons]: spikes of each neuron, as far as known. What fires often is cut last

    NMC-C005 (exit code 5) for what does not fit a core, with all cores and numbers; NMC-C030 for a recurrent part that
    is larger than a core, NMC-C031 (unsupported) for neurons that do something before their first input. ValueError for
    less than one core or an activity of another shape.
    """
    held = capacity or Capacity()
    weight = np.ones(len(program.neuron_model), np.int64) if activity is None else np.asarray(activity).astype(np.int64)
    if weight.shape != program.neuron_model.shape:
        raise ValueError(f"activity must have shape {program.neuron_model.shape}, not {weight.shape}")
    if (cores is not None and cores < 1) or cores_per_fpga < 1:
        raise ValueError(f"cores and cores_per_fpga must be 1 or more, not {cores} and {cores_per_fpga}")
    least = cores_needed(program, held) if cores is None else cores
    last = least + ATTEMPTS - 1 if cores is None else least
    while True:
        try:
            return _cut(program, least, held, weight, cores_per_fpga)
        except NmcError as error:
            if least == last or any(problem.code != "NMC-C005" for problem in error.diagnostics):
                raise
        least += 1


def _cut(program: CriProgram, cores: int, capacity: Capacity, weight: IntArray, per_fpga: int) -> Partition:
    """The cheapest partition that fits; NmcError with what is too much in the cheapest of all if none does."""
    first: NmcError | None = None
    for found in search(program, cores, capacity, weight, per_fpga):
        try:
            return _made(program, cores, capacity, found)
        except NmcError as error:
            first = first or error
    assert first is not None  # there is always one partition at least
    raise first


def _made(program: CriProgram, cores: int, capacity: Capacity, found: Found) -> Partition:
    _check_rest(program, found.extra)
    made = build(program, cores, found.core, found.extra)
    taken = tuple(needs(core.program, capacity, _sent(core)) for core in made.cores)
    problems = Collector(Exit.LIMIT)
    for number, need in ((k, need) for k, (own, _) in enumerate(taken) for need in own if need.over):
        what = f"core {number} of {cores} needs {need.count:,} {need.what}, a core holds {need.most:,}"
        problems.add("NMC-C005", what, why=f"{need.over:,} too many", hint=f"more cores, or {need.advice}")
    problems.raise_if_any()
    return Partition(made, found, tuple(own for own, _ in taken), tuple(placed for _, placed in taken))


def _sent(core: Core) -> IntArray:
    """Entries for relay axons in the rows of each neuron."""
    return np.bincount(core.links.source, minlength=len(core.neuron))


def _check_rest(program: CriProgram, extra: IntArray) -> None:
    """NMC-C031 where a neuron that runs later than in the program would do something before its first input."""
    problems = Collector()
    for p in program.populations:
        own = slice(p.first, p.stop)
        models = [program.models[m] for m in np.unique(program.neuron_model[own][extra[own] > 0])]
        never = 0 if program.profile.compare == ">" else 1
        awake = [model for model in models if model.threshold < never or model.code == COUNTER]
        if awake:
            why = f"its neurons with threshold {awake[0].threshold} and model code {awake[0].code} change without input"
            what = f"%{p.name} cannot run later than in the program"
            problems.add("NMC-C031", what, ", ".join(p.origin), why, "fewer cores, or thresholds above 0")
    problems.raise_if_any()

"""What a program does with samples: activations, spikes, memory accesses, answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...backends.cri.image import footprint_of
from ...backends.cri.placement import place
from ...runtime import Session
from ...runtime.cost import Meter
from ...runtime.cri_session import timed
from ...runtime.encode import check_inputs
from ...runtime.program import CriProgram, Program
from ...runtime.program.akida_shapes import Signal, signals
from ...runtime.program.diagnostics import NmcError
from ...runtime.program.hybrid import HybridProgram
from ...runtime.result import Result
from .answers import answers, frame_answers, step_answers
from .histograms import of_floats, of_integers
from .raster import raster

Array = np.ndarray[Any, np.dtype[Any]]
Facts = dict[str, Any]


def activity(
    program: Program,
    given: Mapping[str, Array] | Array,
    limit: int,
    seed: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Facts:
    """Run the first `limit` samples with a trace; the first one also step by step or frame by frame.

    Gives `samples` that ran and are `given`, `counters`, `activations` by layer, `answers` (class scores), and of CRI
    programs `raster` and `cost`, of clips and trains `frames` (class scores in every frame or timestep). NmcError as
    `Session.run`.
    """
    run = timed(program, given) if isinstance(program, CriProgram) else program
    whole = check_inputs(run.inputs, given)
    arrays = {name: array[:limit] for name, array in whole.items()}
    more: dict[str, Any] = {}
    facts: Facts = {"given": len(next(iter(whole.values()))) if whole else 1}
    if isinstance(run, CriProgram):
        meter, facts["cost_missing"] = _meter(run)
        more = {"meter": meter} if meter else {}
    result = Session(run, "auto", seed).run(arrays, trace=True, progress=progress, **more)
    counters = dict(result.counters)
    facts |= {"samples": counters["samples"], "cost": counters.pop("hardware", None), "counters": counters}
    facts["activations"] = _spikes(run, result) if isinstance(run, CriProgram) else _activations(run, result)
    facts["answers"] = answers(run, result)
    facts["raster"] = facts["frames"] = None
    first = {name: array[:1] for name, array in arrays.items()}
    if facts["samples"] and isinstance(run, CriProgram):
        facts["raster"] = raster(run, first, seed)
        facts["frames"] = step_answers(run, first, seed)
    if facts["samples"] and not isinstance(run, CriProgram) and run.temporal:
        facts["frames"] = frame_answers(run, first)
    return facts


def _meter(program: CriProgram) -> tuple[Meter | None, str]:
    """What counts memory accesses, or why nothing can."""
    try:
        return Meter(footprint_of(program, place(program)), program.profile), ""
    except NmcError as error:
        return None, "; ".join(problem.what for problem in error.diagnostics)


def _spikes(program: CriProgram, result: Result) -> list[Facts]:
    """By population: spikes, spikes a neuron and timestep of the run, silent neurons, and how often neurons fire."""
    rows = []
    steps = program.steps * result.counters["samples"]
    for p in program.populations:
        spikes = result.counters["spikes_per_population"][p.name]
        row: Facts = {"layer": p.name, "kind": p.kind, "neurons": p.size, "spikes": spikes}
        row["rate"] = spikes / (p.size * steps) if p.size * steps else 0.0
        row["silent"] = row["histogram"] = None
        if p.name in result.trace:
            trace = result.trace[p.name]
            each = trace.sum(axis=1) if program.timesteps else trace
            row["silent"] = int(np.count_nonzero(each.sum(axis=0) == 0)) if len(each) else p.size
            most = p.levels or program.timesteps or int(each.max(initial=0))
            at_end = int(np.count_nonzero(each >= most)) if p.levels else None
            row["histogram"] = of_integers(each, 0, max(most, int(each.max(initial=0)))) | {"at_end": at_end}
        rows.append(row)
    return rows


def _activations(program: Program, result: Result) -> list[Facts]:
    """By layer, and by value that a host segment gives: a histogram, clipped integers, the share of zeros, MACs."""
    ranges: dict[str, Signal] = {}
    if isinstance(program, HybridProgram):
        for segment in program.devices:
            ranges |= {f"{segment.name}/{name}": s for name, s in signals(segment.program).items()}
    elif not isinstance(program, CriProgram):
        ranges = signals(program)
    rows = []
    for name, trace in result.trace.items():
        clipped = result.counters["saturations"].get(name)
        if name in ranges:
            low, high = _range(ranges[name], trace)
            histogram = of_integers(trace, low, high)
        else:
            histogram = of_floats(trace)
        zeros = int(np.count_nonzero(trace == 0)) / trace.size if trace.size else 0.0
        clips = None if clipped is None else clipped["output"]
        macs = result.counters.get("macs_per_layer", {}).get(name)
        rows.append({"layer": name, "zeros": zeros, "clipped": clips, "MACs": macs, "histogram": histogram})
    return rows


def _range(signal: Signal, trace: Array) -> tuple[int, int]:
    """The range of a layer's bits; of more than 8 bits what occurs."""
    if signal.bits > 8:
        return (int(trace.min()), int(trace.max())) if trace.size else (0, 0)
    low = -(1 << (signal.bits - 1)) if signal.signed else 0
    return low, low + (1 << signal.bits) - 1

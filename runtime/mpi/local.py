"""What a rank records of a run, and the whole result made of what all ranks recorded."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..encode import Array
from ..program.cri import CriProgram, Input, IntArray, Table
from ..recording import traced_populations, traced_shape
from ..result import Result
from .part import Owner, Part

SUMMED = ("synaptic_events", "spikes", "input_clipped", "out_of_range")
"""Counters of a result that are the sums over all ranks; `spikes_per_population` is one, too."""


def local_program(program: CriProgram, owner: Owner, rank: int, part: Part) -> CriProgram:
    """The program as far as it is the rank's, for a recording: inputs, schedule, neurons, populations and outputs.
    It has no synapses."""
    own, heard = part.own, part.heard
    populations = []
    for p in program.populations:
        first, stop = np.searchsorted(own, (p.first, p.stop)).tolist()
        populations.append(replace(p, first=first, shape=(stop - first,)))
    readouts = []
    for r in program.readouts:
        mine = np.flatnonzero(owner[r.neuron] == rank)
        shape = (*r.shape[: int(r.by_step)], len(mine))
        neuron = np.searchsorted(own, r.neuron[mine])
        readouts.append(replace(r, shape=shape, neuron=neuron, offset=r.offset[mine], scale=r.scale[mine]))
    inputs = []
    for entry in program.inputs:
        shape = (*entry.shape[: int(entry.every > 0)], len(elements(entry, part)))
        inputs.append(replace(entry, shape=shape, first=int(np.searchsorted(heard, entry.first))))
    schedule = []
    for phase in program.schedule:
        first, stop = np.searchsorted(heard, (phase.first, phase.first + phase.count)).tolist()
        schedule.append(replace(phase, first=first, count=stop - first))
    return replace(
        program,
        neuron_model=program.neuron_model[own],
        axons=_unconnected(len(heard)),
        neurons=_unconnected(len(own)),
        populations=tuple(populations),
        inputs=tuple(inputs),
        schedule=tuple(schedule),
        readouts=tuple(readouts),
    )


def _unconnected(sources: int) -> Table:
    return Table(np.zeros(sources + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int16))


def elements(entry: Input, part: Part) -> IntArray:
    """Which elements of an input's row have axons that the rank hears, ascending."""
    first, stop = np.searchsorted(part.heard, (entry.first, entry.first + entry.axons))
    return (part.heard[first : stop : entry.bits] - entry.first) // entry.bits


def rows(entry: Input, array: Array) -> Array:
    """The values of an input with the elements of a row on one axis, the last."""
    return array.reshape(*array.shape[: 1 + int(entry.every > 0)], prod(entry.row_shape))


def share(entry: Input, rank: int, ranks: int) -> slice:
    """The elements of a row for which a rank counts what is clipped, so that all are counted once."""
    count = prod(entry.row_shape)
    return slice(rank * count // ranks, (rank + 1) * count // ranks)


def assembled(program: CriProgram, owner: Owner, results: list[Result], trace: bool) -> Result:
    """The result of the whole program from those of all ranks' `local_program`s, in the order of the ranks."""
    first, samples = results[0], int(results[0].counters["samples"])
    outputs, integers = {}, {}
    for r in program.readouts:
        ranks = _elements(owner[r.neuron], len(results))
        outputs[r.name] = _merged([one.outputs[r.name] for one in results], ranks, (samples, *r.shape))
        integers[r.name] = _merged([one.integers[r.name] for one in results], ranks, (samples, *r.shape))
    traces, potentials = {}, {}
    for p in program.populations if trace else ():
        ranks = _elements(owner[p.first : p.stop], len(results))
        potentials[p.name] = _merged([one.potentials[p.name] for one in results], ranks, (samples, *p.shape))
    for p in traced_populations(program) if trace else ():
        ranks, shape = _elements(owner[p.first : p.stop], len(results)), (samples, *traced_shape(program, p))
        traces[p.name] = _merged([one.trace[p.name] for one in results], ranks, shape)
    counters = dict(first.counters)
    for name in SUMMED:
        counters[name] = sum(one.counters[name] for one in results)
    each = [one.counters["spikes_per_population"] for one in results]
    counters["spikes_per_population"] = {name: sum(one[name] for one in each) for name in each[0]}
    return Result(outputs, integers, counters, traces, potentials)


def _elements(rank: Owner, ranks: int) -> list[IntArray]:
    """Which elements each rank has."""
    return [np.flatnonzero(rank == one) for one in range(ranks)]


def _merged(parts: list[NDArray[Any]], elements: list[IntArray], shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of that shape; its last axes, as one, are those elements of each part's last axis."""
    rows = parts[0].shape[:-1]
    flat = np.zeros((*rows, sum(map(len, elements))), parts[0].dtype)
    for part, own in zip(parts, elements, strict=True):
        flat[..., own] = part
    return flat.reshape(shape)

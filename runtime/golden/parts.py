"""Digests of the parts of a program: where two digests of programs differ, these say in which part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..program import records
from ..program.akida import AkidaProgram
from ..program.container import Program
from ..program.cri import CriProgram, NeuronModel, Population, Table, source_blocks
from ..program.hybrid import HostSegment, HybridProgram
from ..program.task import NO_TASK


@dataclass(frozen=True)
class Part:
    """A layer, a population, a phase of the schedule, …: what it is called, and the digest of all that it holds."""

    name: str
    sha256: str


def parts(program: Program) -> tuple[Part, ...]:
    """The parts of a program in its order; together they hold all of it but the provenance."""
    if isinstance(program, CriProgram):
        found = _cri(program)
    else:
        found = _hybrid(program) if isinstance(program, HybridProgram) else _akida(program)
    task = () if program.task == NO_TASK else (Part("task", _digest(program.task)),)
    return (*found, *task)


def _akida(program: AkidaProgram) -> Iterator[Part]:
    for what, entries in (("input", program.inputs), ("layer", program.layers), ("output", program.outputs)):
        for entry in entries:
            yield Part(f"{what} {entry.name}", _digest(entry))


def _hybrid(program: HybridProgram) -> Iterator[Part]:
    """The layers of device segments, host segments as a whole, and what holds them together."""
    for segment in program.segments:
        if isinstance(segment, HostSegment):
            yield Part(f"segment {segment.name}", _digest(segment))
        else:
            for part in _akida(segment.program):
                yield Part(f"segment {segment.name}, {part.name}", part.sha256)
    order = json.dumps([program.device, *(segment.name for segment in program.segments)])
    yield Part("order of segments", hashlib.sha256(order.encode()).hexdigest())
    for what, entries in (("input", program.inputs), ("output", program.outputs)):
        for entry in entries:
            yield Part(f"{what} {entry.name}", _digest(entry))


def _cri(program: CriProgram) -> Iterator[Part]:
    yield Part("profile", _digest(program.profile))
    yield Part("number of timesteps", hashlib.sha256(str(program.steps).encode()).hexdigest())
    for entry in program.inputs:
        yield Part(f"input {entry.name}", _digest(entry))
    synapses = [_arriving(table, program.populations) for table in (program.axons, program.neurons)]
    for population, *arriving in zip(program.populations, *synapses, strict=True):
        slots = program.neuron_model[population.first : population.stop]
        used = {int(slot): _text(program.models[slot]) for slot in np.unique(slots)}
        held = [_digest(population), str(used), hashlib.sha256(slots.tobytes()).hexdigest(), *arriving]
        yield Part(f"population {population.name}", hashlib.sha256("\n".join(held).encode()).hexdigest())
    for phase in program.schedule:
        yield Part(f"schedule {phase.name}", _digest(phase))
    for readout in program.readouts:
        yield Part(f"output {readout.name}", _digest(readout))


def _text(model: NeuronModel) -> str:
    """Its fields, without a refractory period of 0: digests were recorded before there were any."""
    text = str(model)
    return text if model.refractory else text.replace(", refractory=0", "")


def _digest(record: Any) -> str:
    """Of a record's fields as JSON and of its arrays."""
    arrays: records.Arrays = {}
    fields = records.encode(record, type(record), "", arrays)
    total = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(f"\n{name} {little.dtype.str} {len(little)}\n".encode())
        total.update(little.tobytes())
    return total.hexdigest()


def _arriving(table: Table, populations: tuple[Population, ...]) -> list[str]:
    """By population, a digest of the synapses that arrive there: sources, targets within it, weights."""
    streams = [[hashlib.sha256() for _ in range(3)] for _ in populations]
    for low, high in source_blocks(table.indptr):
        inside = slice(int(table.indptr[low]), int(table.indptr[high]))
        source = np.repeat(np.arange(low, high), np.diff(table.indptr[low : high + 1]))
        target, weight = table.target[inside], table.weight[inside]
        for population, stream in zip(populations, streams, strict=True):
            at = np.flatnonzero((target >= population.first) & (target < population.stop))
            columns = source[at].astype("<i8"), (target[at] - population.first).astype("<i4"), weight[at].astype("<i2")
            for total, column in zip(stream, columns, strict=True):
                total.update(column.tobytes())
    return [" ".join(total.hexdigest() for total in stream) for stream in streams]

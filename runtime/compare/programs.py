"""What two programs differ in: layers or populations, integers, schedule, inputs, outputs, task, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..program.akida import AkidaProgram
from ..program.container import Program
from ..program.cri import CriProgram, NeuronModel
from ..program.hybrid import DeviceSegment, HostSegment, HybridProgram
from .synapses import synapse_differences

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Difference:
    """One thing that differs: part of the program ("layer", "schedule", …), name there, field, and both values as text
    ("" where only one program has it)."""

    part: str
    name: str
    field: str
    first: str
    second: str


def diff_programs(first: Program, second: Program) -> list[Difference]:
    """All differences, in the order of the parts; none where the programs are equal. Programs of different targets are
    only said to be that."""
    if first.target != second.target:
        return [Difference("target", "", "", first.target, second.target)]
    if isinstance(first, HybridProgram) != isinstance(second, HybridProgram):
        kinds = ["with" if isinstance(program, HybridProgram) else "without" for program in (first, second)]
        return [Difference("host segments", "", "", *kinds)]
    if isinstance(first, CriProgram) and isinstance(second, CriProgram):
        found = _cri(first, second)
    elif isinstance(first, HybridProgram) and isinstance(second, HybridProgram):
        found = _hybrid(first, second)
    else:
        assert isinstance(first, AkidaProgram) and isinstance(second, AkidaProgram)
        found = _akida(first, second)
    found = [*found, *_values("task", "", first.task.facts(), second.task.facts())]
    ours, theirs = (dict(_flat(program.provenance)) for program in (first, second))
    return [*found, *_values("provenance", "", ours, theirs)]


def _akida(first: AkidaProgram, second: AkidaProgram) -> Iterator[Difference]:
    yield from _records("input", first.inputs, second.inputs)
    yield from _records("layer", first.layers, second.layers)
    yield from _records("output", first.outputs, second.outputs)


def _hybrid(first: HybridProgram, second: HybridProgram) -> Iterator[Difference]:
    yield from _values("program", "", *({"device": program.device} for program in (first, second)))
    yield from _records("input", first.inputs, second.inputs)
    yield from _records("segment", *(list(map(_named, program.segments)) for program in (first, second)))
    others = {segment.name: segment.program for segment in second.devices}
    for segment in first.devices:
        if segment.name in others:
            for found in _akida(segment.program, others[segment.name]):
                yield replace(found, name=f"{segment.name}/{found.name}")
    yield from _records("output", first.outputs, second.outputs)


@dataclass(frozen=True)
class _Named:
    """A segment: of the host with all that it holds, of the device with its name alone."""

    name: str
    on: str
    held: dict[str, Any]


def _named(segment: DeviceSegment | HostSegment) -> _Named:
    held = {} if isinstance(segment, DeviceSegment) else {f.name: getattr(segment, f.name) for f in fields(segment)}
    return _Named(segment.name, "device" if isinstance(segment, DeviceSegment) else "host", held)


def _cri(first: CriProgram, second: CriProgram) -> Iterator[Difference]:
    profiles = [{"name": program.profile.name, **_fields(program.profile)} for program in (first, second)]
    yield from _values("profile", "", *profiles)
    yield from _values("program", "", {"steps": first.steps}, {"steps": second.steps})
    models = [{str(i): _model(m) for i, m in enumerate(program.models)} for program in (first, second)]
    yield from _values("neuron model", "", *models)
    yield from _records("input", first.inputs, second.inputs)
    yield from _records("population", first.populations, second.populations)
    yield from _synapses(first, second)
    yield from _records("schedule", first.schedule, second.schedule)
    yield from _records("output", first.readouts, second.readouts)


def _model(m: NeuronModel) -> str:
    text = f"code {m.code}, threshold {m.threshold}, leak {m.leak}, shift {m.shift}"
    resets = f"{text}, soft reset" if m.soft else text
    return f"{resets}, refractory {m.refractory}" if m.refractory else resets


# --- records ---


def _records(part: str, first: Iterable[Any], second: Iterable[Any]) -> Iterator[Difference]:
    """Dataclasses that have a name, field by field; of several with one name the order counts."""
    ours, theirs = _by_name(first), _by_name(second)
    for name in {**ours, **theirs}:
        if name not in ours or name not in theirs:
            present = ("present", "") if name in ours else ("", "present")
            yield Difference(part, name, "", *present)
        else:
            yield from _values(part, name, _fields(ours[name]), _fields(theirs[name]))
    common = [[name for name in side if name in ours and name in theirs] for side in (ours, theirs)]
    if common[0] != common[1]:
        yield Difference(part, "", "order", ", ".join(common[0]), ", ".join(common[1]))


def _by_name(records: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for record in records:
        name, number = record.name, 2
        while name in found:
            name, number = f"{record.name} ({number})", number + 1
        found[name] = record
    return found


def _fields(record: Any) -> dict[str, Any]:
    return dict(_flat({f.name: getattr(record, f.name) for f in fields(record) if f.name != "name"}))


def _flat(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping):
            yield from _flat(value, path)
        else:
            yield path, value


def _values(part: str, name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Difference]:
    for field in {**ours, **theirs}:
        if field not in ours or field not in theirs:
            yield Difference(part, name, field, _text(ours.get(field, "")), _text(theirs.get(field, "")))
        elif isinstance(ours[field], np.ndarray) and isinstance(theirs[field], np.ndarray):
            if not _same(ours[field], theirs[field]):
                yield Difference(part, name, field, *_arrays(ours[field], theirs[field]))
        elif ours[field] != theirs[field]:
            yield Difference(part, name, field, _text(ours[field]), _text(theirs[field]))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    return str(list(value)) if isinstance(value, tuple) else str(value)


# --- arrays ---


def _same(ours: Array, theirs: Array) -> bool:
    return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)


def _arrays(ours: Array, theirs: Array) -> tuple[str, str]:
    """Two arrays that are not the same: their types, or how many numbers differ, how far, and the first ones."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return _text(ours), _text(theirs)
    places = np.argwhere(ours != theirs)
    at = tuple(places[0].tolist())
    wide = np.int64 if ours.dtype.kind in "iu" else np.float64
    largest = np.abs(ours.astype(wide) - theirs.astype(wide)).max()
    what = f"{len(places)} of {ours.size} differ, by up to {largest:g}; the first, {list(at)}, is"
    return f"{what} {ours[at]}", str(theirs[at])


# --- synapses ---


def _synapses(first: CriProgram, second: CriProgram) -> Iterator[Difference]:
    """Neuron models and synapses of each population that both have with one size, and tables as a whole."""
    for what, ours, theirs in (("axons", first.axons, second.axons), ("neurons", first.neurons, second.neurons)):
        if ours.sources != theirs.sources:
            yield Difference("program", "", what, str(ours.sources), str(theirs.sources))
    others = {p.name: p for p in second.populations}
    pairs = [(p, others[p.name]) for p in first.populations if p.name in others and others[p.name].size == p.size]
    for p, q in pairs:
        slots = first.neuron_model[p.first : p.stop], second.neuron_model[q.first : q.stop]
        yield from _values("population", p.name, {"neuron_model": slots[0]}, {"neuron_model": slots[1]})
    for what, p, texts in synapse_differences(first, second, pairs):
        yield Difference("population", p.name, f"synapses from {what}", *texts)

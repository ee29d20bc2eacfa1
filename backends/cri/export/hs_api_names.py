"""Names of axons and neurons: the keys of hs_api's dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from ....runtime.program.cri import CriProgram

Name = str | int
KEY = "names"
"""Key of the provenance under which an imported network keeps the names it came with."""


def names_of(program: CriProgram) -> tuple[list[Name], list[Name]]:
    """The names of all axons and all neurons, in order; no two are equal.

    Those the network was imported with, else `a<axon>:<input>.<element>.bit<k>` or `a<axon>:<phase>.<number>` after
    whatever drives the axon first, and `n<neuron>:<population>.<element>`. Elements are positions: 0.2.1.
    """
    kept = _kept(program)
    return kept if kept is not None else (_axons(program), _neurons(program))


def _kept(program: CriProgram) -> tuple[list[Name], list[Name]] | None:
    names: Any = program.provenance.get(KEY)
    if not isinstance(names, dict) or names.keys() != {"axons", "neurons"}:
        return None
    axons, neurons = names["axons"], names["neurons"]
    if not isinstance(axons, list) or not isinstance(neurons, list):
        return None
    together = [*axons, *neurons]
    fits = (len(axons), len(neurons)) == (program.axons.sources, len(program.neuron_model))
    fits = fits and all(type(name) in (str, int) for name in together) and len(set(together)) == len(together)
    return (axons, neurons) if fits else None


def _axons(program: CriProgram) -> list[Name]:
    drivers = [""] * program.axons.sources
    for phase in reversed(program.schedule):
        drivers[phase.first : phase.first + phase.count] = [f":{phase.name}.{k}" for k in range(phase.count)]
    for entry in reversed(program.inputs):
        bits = [f".bit{k}" for k in range(entry.bits)]
        lines = [f":{entry.name}{place}{bit}" for place in _places(entry.row_shape) for bit in bits]
        drivers[entry.first : entry.first + entry.axons] = lines
    return [f"a{axon}{driver}" for axon, driver in enumerate(drivers)]


def _neurons(program: CriProgram) -> list[Name]:
    return [
        f"n{neuron}:{population.name}{place}"
        for population in program.populations
        for neuron, place in enumerate(_places(population.shape), population.first)
    ]


def _places(shape: tuple[int, ...]) -> Iterator[str]:
    """Every position in an array of this shape, row-major: .0.2.1"""
    return ("".join(f".{k}" for k in place) for place in product(*map(range, shape)))

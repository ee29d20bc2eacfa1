"""Programs of one network for several builds of the CRI machine, compared bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..arith import Ints
from ..cri_session import CriSession, timed
from ..encode import check_inputs, codes, step_axons
from ..program.cri import CriProgram, Population
from ..program.diagnostics import Diagnostic
from ..reference.cri import CriMachine
from ..reference.neuron import decay, fires
from ..result import Result
from .neuron import parameters_of


@dataclass(frozen=True)
class ProfileDeparture:
    """Where a program begins to do something else than the first one; until then all potentials are equal.

    population  the neuron's population, and its `element` there; sample and timestep of the run
    potential   the potential that both have before the timestep
    fired       whether the neuron fires, in the first program and in this one; after: likewise the potential behind it
    cause       compare (a tie with the threshold, or a threshold that does not fit), reset, leak, rails (the width of
                potentials), input (synapses)
    """

    population: str
    element: tuple[int, ...]
    sample: int
    timestep: int
    potential: int
    fired: tuple[bool, bool]
    after: tuple[int, int]
    cause: str


@dataclass(frozen=True)
class ProfileResult:
    """What a profile makes of the network, beside the first one.

    refused    why it cannot hold the network; then nothing ran
    differing  outputs and populations whose integers differ, with how many do
    departure  where that begins, None where nothing differs
    lost       potentials that left the profile's width
    """

    name: str
    refused: tuple[Diagnostic, ...] = ()
    differing: Mapping[str, int] | None = None
    departure: ProfileDeparture | None = None
    lost: int = 0

    @property
    def verdict(self) -> str:
        """identical, different or refused."""
        return "refused" if self.refused else "different" if self.differing else "identical"


def compare_profiles(
    programs: Iterable[tuple[str, CriProgram | Sequence[Diagnostic]]], inputs: Mapping[str, ArrayLike] | ArrayLike
) -> list[ProfileResult]:
    """Run programs of one network, each with its profile's name, on the same samples; a profile may have diagnostics in
    the place of a program.

    Outputs, spikes of every population and last potentials are compared with those of the first program. The arrays
    are those of `Session.run`, as are its errors. ValueError if the first program is missing.
    """
    base: CriProgram | None = None
    wanted: Result | None = None
    results = []
    for name, program in programs:
        if not isinstance(program, CriProgram):
            results.append(ProfileResult(name, tuple(program)))
            continue
        found = CriSession(program).run(inputs, trace=True)
        if base is None or wanted is None:
            base, wanted = program, found
        differing = _differing(wanted, found)
        departure = _departure(base, program, inputs) if differing else None
        results.append(ProfileResult(name, (), differing, departure, int(found.counters["out_of_range"])))
    if not results or results[0].refused:
        raise ValueError("the profile to compare with has no program")
    return results


def _differing(wanted: Result, found: Result) -> dict[str, int]:
    """How many integers differ, by output, population (spikes) and population.potential."""
    differences: dict[str, int] = {}
    for suffix, ours, theirs in (
        ("", wanted.integers, found.integers),
        ("", wanted.trace, found.trace),
        (".potential", wanted.potentials, found.potentials),
    ):
        for name, values in ours.items():
            count = int(np.count_nonzero(values != theirs[name]))
            if count:
                differences[name + suffix] = max(count, differences.get(name + suffix, 0))
    return differences


def _departure(
    base: CriProgram, program: CriProgram, inputs: Mapping[str, ArrayLike] | ArrayLike
) -> ProfileDeparture | None:
    """Both machines side by side, sample by sample, up to the first timestep after which they differ."""
    base, program = timed(base, inputs), timed(program, inputs)
    arrays = check_inputs(base.inputs, inputs)
    samples = len(next(iter(arrays.values()))) if arrays else 1
    for sample in range(samples):
        given = {e.name: codes(e, arrays[e.name][sample : sample + 1])[0] for e in base.inputs}
        found = _side_by_side(base, program, given, sample)
        if found is not None:
            return found
    return None


def _side_by_side(
    base: CriProgram, program: CriProgram, given: dict[str, Ints], sample: int
) -> ProfileDeparture | None:
    machines = [CriMachine.of(p, 1) for p in (base, program)]
    for step in range(base.steps):
        before, fired, after = machines[0].potentials[0], [], []
        lost = sum(machine.out_of_range for machine in machines)
        for p, machine in zip((base, program), machines, strict=True):
            axons = np.zeros((1, p.axons.sources), np.bool_)
            step_axons(p, step, given, axons)
            fired.append(machine.step(axons)[0])
            after.append(machine.potentials[0])
        other = fired[0] != fired[1]
        # What a wrong spike does to the neurons behind it in the same timestep comes after the spike itself.
        places = np.flatnonzero(other if other.any() else after[0] != after[1])
        if len(places):
            neuron = int(places[0])
            p, element = _place(base, neuron)
            spikes = bool(fired[0][neuron]), bool(fired[1][neuron])
            ends = int(after[0][neuron]), int(after[1][neuron])
            misfits = sum(machine.out_of_range for machine in machines) > lost
            cause = _cause(base, program, neuron, int(before[neuron]), spikes, misfits)
            return ProfileDeparture(p.name, element, sample, step, int(before[neuron]), spikes, ends, cause)
    return None


def _place(program: CriProgram, neuron: int) -> tuple[Population, tuple[int, ...]]:
    p = next(p for p in program.populations if p.first <= neuron < p.stop)
    return p, tuple(int(i) for i in np.unravel_index(neuron - p.first, p.shape))


def _cause(base: CriProgram, program: CriProgram, neuron: int, v: int, fired: tuple[bool, bool], misfits: bool) -> str:
    """`misfits`: whether potentials left the width of either profile in this timestep."""
    if fired[0] != fired[1]:
        return "compare"
    kept = []
    for p in (base, program):
        parameters, potential, spike = parameters_of(p, neuron), np.array([v]), np.array([fired[0]])
        assert bool(fires(potential, parameters.threshold, p.profile)[0]) == fired[0]
        kept.append(int(decay(potential, spike, parameters, p.profile)[0]))
    if kept[0] != kept[1]:
        return "reset" if fired[0] else "leak"
    return "rails" if misfits else "input"

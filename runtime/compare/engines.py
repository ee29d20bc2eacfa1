"""The engines of the simulator against each other: they may differ in speed alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..akida_session import ENGINES as AKIDA_ENGINES
from ..cri_session import ENGINES as CRI_ENGINES
from ..program.container import Program
from ..program.cri import CriProgram
from ..program.diagnostics import Diagnostic, NmcError
from ..result import Result
from ..session import Session

REFERENCE = "reference"


@dataclass(frozen=True)
class EngineResult:
    """What an engine gives beside the reference: the names of all that differs, or why it does not run the program."""

    name: str
    differing: tuple[str, ...] = ()
    refused: tuple[Diagnostic, ...] = ()


def compare_engines(program: Program, inputs: Mapping[str, ArrayLike] | ArrayLike) -> list[EngineResult]:
    """Run every engine but the reference, on the same samples, and compare outputs, traces, potentials and counters
    with the reference's to the last bit. Errors of the inputs are those of `Session.run`."""
    engines = CRI_ENGINES if isinstance(program, CriProgram) else AKIDA_ENGINES
    wanted = Session(program, REFERENCE).run(inputs, trace=True)
    results = []
    for name in engines:
        if name == REFERENCE:
            continue
        try:
            session = Session(program, name)
        except NmcError as error:
            results.append(EngineResult(name, refused=tuple(error.diagnostics)))
            continue
        results.append(EngineResult(name, differing_parts(wanted, session.run(inputs, trace=True))))
    return results


def differing_parts(wanted: Result, found: Result) -> tuple[str, ...]:
    """The names of outputs, traces, potentials and counters that are not the same in both."""
    names = []
    for kind in ("outputs", "integers", "trace", "potentials"):
        ours, theirs = getattr(wanted, kind), getattr(found, kind)
        names += [f"{kind}.{name}" for name in ours if not np.array_equal(ours[name], theirs[name])]
    counters = (f"counters.{name}" for name in wanted.counters if wanted.counters[name] != found.counters[name])
    return (*names, *counters)

"""Running a program: `Session` opens the kind of session that the program's target has."""

from __future__ import annotations

import os
from typing import overload

from .akida_session import AkidaSession
from .cri_session import CriSession
from .hybrid_session import HybridSession
from .program.akida import AkidaProgram
from .program.container import Program, load
from .program.cri import CriProgram
from .program.diagnostics import usage
from .program.hybrid import HybridProgram
from .result import Result

__all__ = ["AkidaSession", "CriSession", "HybridSession", "Result", "Session"]


@overload
def Session(program: CriProgram, engine: str = "auto", seed: int | None = None) -> CriSession: ...
@overload
def Session(program: AkidaProgram, engine: str = "auto", seed: int | None = None) -> AkidaSession: ...
@overload
def Session(program: HybridProgram, engine: str = "auto", seed: int | None = None) -> HybridSession: ...
@overload
def Session(
    program: Program | str | os.PathLike[str], engine: str = "auto", seed: int | None = None
) -> CriSession | AkidaSession | HybridSession: ...
def Session(
    program: Program | str | os.PathLike[str], engine: str = "auto", seed: int | None = None
) -> CriSession | AkidaSession | HybridSession:
    """A program, or the file that holds it, on an engine. All sessions have `run`, `step` and `reset`.

    seed: for CRI programs with noise, see `CriSession`. NmcError NMC-F… for a damaged file or inconsistent program,
    NMC-R008 for noise without a seed or a seed for a machine without noise, NMC-R009 for an unknown engine.
    """
    loaded = program if isinstance(program, Program) else load(program)
    if isinstance(loaded, CriProgram):
        return CriSession(loaded, engine, seed)
    if seed is not None:
        raise usage("NMC-R008", f"a program for target {loaded.target!r} has no noise", hint="leave the seed out")
    return HybridSession(loaded, engine) if isinstance(loaded, HybridProgram) else AkidaSession(loaded, engine)

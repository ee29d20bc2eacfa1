"""Running a program: `Session` opens the kind of session that the program's target has."""

from __future__ import annotations

import os
from typing import overload

from .akida_session import AkidaSession
from .cri_session import CriSession
from .program.akida import AkidaProgram
from .program.container import load
from .program.cri import CriProgram
from .program.diagnostics import usage
from .result import Result

__all__ = ["AkidaSession", "CriSession", "Result", "Session"]


@overload
def Session(program: CriProgram, engine: str = "auto", seed: int | None = None) -> CriSession: ...
@overload
def Session(program: AkidaProgram, engine: str = "auto", seed: int | None = None) -> AkidaSession: ...
@overload
def Session(
    program: CriProgram | AkidaProgram | str | os.PathLike[str], engine: str = "auto", seed: int | None = None
) -> CriSession | AkidaSession: ...
def Session(
    program: CriProgram | AkidaProgram | str | os.PathLike[str], engine: str = "auto", seed: int | None = None
) -> CriSession | AkidaSession:
    """A program, or the file that holds it, on an engine. All sessions have `run`, `step` and `reset`.

    seed: for CRI programs with noise, see `CriSession`. NmcError NMC-F… for a damaged file or inconsistent program,
    NMC-R008 for noise without a seed or a seed for a machine without noise, NMC-R009 for an unknown engine.
    """
    loaded = program if isinstance(program, CriProgram | AkidaProgram) else load(program)
    if isinstance(loaded, CriProgram):
        return CriSession(loaded, engine, seed)
    if seed is not None:
        raise usage("NMC-R008", f"a program for target {loaded.target!r} has no noise", hint="leave the seed out")
    return AkidaSession(loaded, engine)

"""Running a program: `Session` opens the kind of session that the program's target has."""

from __future__ import annotations

import os
from typing import overload

from .akida_session import AkidaSession
from .cri_session import CriSession
from .program.akida import AkidaProgram
from .program.container import load
from .program.cri import CriProgram
from .result import Result

__all__ = ["AkidaSession", "CriSession", "Result", "Session"]


@overload
def Session(program: CriProgram, engine: str = "auto") -> CriSession: ...
@overload
def Session(program: AkidaProgram, engine: str = "auto") -> AkidaSession: ...
@overload
def Session(
    program: CriProgram | AkidaProgram | str | os.PathLike[str], engine: str = "auto"
) -> CriSession | AkidaSession: ...
def Session(
    program: CriProgram | AkidaProgram | str | os.PathLike[str], engine: str = "auto"
) -> CriSession | AkidaSession:
    """A program, or the file that holds it, on an engine. All sessions have `run`, `step` and `reset`.

    NmcError NMC-F… for a damaged file or inconsistent program, NMC-R008 for one with noise, NMC-R009 for an unknown
    engine.
    """
    loaded = program if isinstance(program, CriProgram | AkidaProgram) else load(program)
    return AkidaSession(loaded, engine) if isinstance(loaded, AkidaProgram) else CriSession(loaded, engine)

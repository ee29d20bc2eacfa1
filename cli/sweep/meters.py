"""Counting a CRI program's memory accesses during an evaluation."""

from __future__ import annotations

from collections.abc import Callable

from ...backends.cri.image import footprint_of
from ...backends.cri.placement import place
from ...runtime.cost import Meter
from ...runtime.program import CriProgram, Program


def meters(program: Program) -> Callable[[], Meter] | None:
    """What makes meters for the program as an export places it; None where accesses are not counted."""
    if not isinstance(program, CriProgram):
        return None
    footprint = footprint_of(program, place(program))
    return lambda: Meter(footprint, program.profile)

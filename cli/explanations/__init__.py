"""A paragraph for each diagnostic code: `nmc explain CODE` and docs/reference/diagnostics.md show them.

importing  reading models (I)
targets    passes, targets, lowering, exports (P, V, T, Q, C, A, X)
files      program files and vendors' files (F)
runs       data, simulation, evaluation, comparison (R)
"""

from __future__ import annotations

from ...compiler.codes import CODES as COMPILER_CODES
from ...runtime.program import CODES as RUNTIME_CODES
from .entry import Explanation
from .files import FILES
from .importing import IMPORTING
from .runs import RUNS
from .targets import TARGETS

MEANINGS: dict[str, str] = {**COMPILER_CODES, **RUNTIME_CODES}
EXPLANATIONS: dict[str, Explanation] = {**IMPORTING, **TARGETS, **FILES, **RUNS}

__all__ = ["EXPLANATIONS", "MEANINGS", "Explanation", "sentence"]


def sentence(code: str) -> str:
    """The meaning of a code as a sentence without its full stop."""
    meaning = MEANINGS[code]
    return meaning if meaning.startswith("nmc") else meaning[0].upper() + meaning[1:]

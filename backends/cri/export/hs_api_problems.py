"""What is wrong with a file of hs_api's kinds, collected so that all of it is told at once."""

from __future__ import annotations

import reprlib

from ....runtime.program.diagnostics import Diagnostic, Exit, NmcError

SHOWN = 20
MAX_BYTES = 1 << 33
"""Larger files, and archives that unpack to more, are not read."""

HINTS = {
    "F030": "docs/hs_api.md shows the layouts that nmc reads",
    "F031": "docs/hs_api.md shows the layouts that nmc reads",
    "F032": "each axon and each neuron needs a name of its own; synapses and outputs name neurons",
    "F033": "scale the weights to whole numbers from -32768 to 32767",
    "F034": "write the network with plain lists, tuples, numbers, text and the neuron classes of hs_api",
    "F035": "write the network as .npz arrays",
    "F036": "export the program again",
}


class Refusal(Exception):
    """A file cannot be read any further; `code` and `what` say why."""

    def __init__(self, code: str, what: str):
        super().__init__(what)
        self.code, self.what = code, what


class Findings:
    """Problems of one file: the first SHOWN of them, and how many there are."""

    def __init__(self) -> None:
        self.first: list[tuple[str, str]] = []
        self.count = 0

    def add(self, code: str, what: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append((code, what))

    def stop(self, where: str) -> None:
        """NmcError with all that was found, if anything was."""
        if not self.first:
            return
        found = [Diagnostic(f"NMC-{code}", what, where, hint=HINTS[code]) for code, what in self.first]
        if self.count > len(found):
            rest = f"… and {self.count - len(found):,} more problems, {self.count:,} in all"
            found.append(Diagnostic(found[-1].code, rest, where))
        raise NmcError(found, Exit.BAD_FILE)


def short(value: object) -> str:
    """A value as text of bounded length and depth."""
    try:
        return reprlib.repr(value)[:80]
    except ValueError:  # Python writes no number of thousands of digits
        return f"a {type(value).__name__} of many digits"

"""Diagnostics on the compiler's side: the shared types, and a collector that reports all problems at once."""

from __future__ import annotations

from ..runtime.program.diagnostics import Diagnostic, Exit, NmcError, bad_file, limit, unsupported, usage

__all__ = ["Collector", "Diagnostic", "Exit", "NmcError", "bad_file", "limit", "unsupported", "usage"]


class Collector:
    """Gathers diagnostics of one kind of failure and raises them together."""

    def __init__(self, exit_code: Exit = Exit.UNSUPPORTED):
        self.exit_code = exit_code
        self.diagnostics: list[Diagnostic] = []

    def add(self, code: str, what: str, where: str = "", why: str = "", hint: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, what, where, why, hint))

    def raise_if_any(self) -> None:
        if self.diagnostics:
            raise NmcError(self.diagnostics, self.exit_code)

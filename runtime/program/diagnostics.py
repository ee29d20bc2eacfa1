"""What nmc tells a user about a problem: a code, what, where, why, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command (public, see docs/cli.md)."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNSUPPORTED = 3
    BAD_FILE = 4
    LIMIT = 5


@dataclass(frozen=True)
class Diagnostic:
    """One problem. `code` is stable (`NMC-I012`) and has an entry in docs/diagnostics.md."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        lines = [f"error[{self.code}] {self.what}"]
        lines += [f"  {label}  {text}" for label, text in (("at ", self.where), ("why", self.why), ("try", self.hint)) if text]
        return "\n".join(lines)

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class NmcError(Exception):
    """One or more diagnostics that end a command, with the exit code they stand for."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic], exit_code: Exit):
        self.diagnostics = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        self.exit_code = exit_code
        super().__init__("\n".join(map(str, self.diagnostics)))


def bad_file(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """A file or array is missing, damaged, not what it claims, unwritable, of wrong shape or dtype, or holds NaN."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.BAD_FILE)


def unsupported(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """The model is not supported as asked."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.UNSUPPORTED)


def usage(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """The command or call is incomplete or contradicts itself."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.USAGE)


def limit(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """A stated limit of the target or of the command is exceeded."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.LIMIT)

"""What the checks of all kinds of programs share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from .diagnostics import Diagnostic, Exit, NmcError
from .task import Task, task_problems

MAX_AXES = 30  # with the samples axis this is within the 32 of older numpy
MAX_ZERO_POINT = 2**31


class Named(Protocol):
    """A record with a name."""

    @property
    def name(self) -> str: ...


class Problems:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def need(self, holds: bool | np.bool, code: str, where: str, what: str) -> bool:
        if not holds:
            hint = "the file or the program that made it is at fault: compile the model again, or report it"
            self.found.append(Diagnostic(f"NMC-{code}", f"{where}: {what}", hint=hint))
        return bool(holds)

    def stop(self) -> None:
        """NmcError with all that was found, if anything was."""
        if self.found:
            raise NmcError(self.found, Exit.BAD_FILE)

    def distinct(self, where: str, entries: Sequence[Named]) -> bool:
        names = [entry.name for entry in entries]
        return self.need(len(set(names)) == len(names), "F013", where, "names must differ from each other")

    def plain_json(self, where: str, data: dict[str, Any]) -> bool:
        try:
            survives = json.loads(json.dumps(data, allow_nan=False, sort_keys=True)) == data
        except (TypeError, ValueError, RecursionError):
            survives = False
        return self.need(survives, "F009", where, "must be plain JSON: lists, text keys, finite numbers")

    def task(self, task: Task, outputs: Mapping[str, int | None]) -> None:
        """`outputs`: the classes that each output scores."""
        for name, what in task_problems(task, outputs):
            self.need(False, "F013", f"task/{name}", what)

    def shape(self, where: str, shape: tuple[int, ...]) -> bool:
        fits = len(shape) <= MAX_AXES and all(extent >= 1 for extent in shape)
        return self.need(fits, "F013", f"{where}/shape", f"must be at most {MAX_AXES} extents of 1 or more")

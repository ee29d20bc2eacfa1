"""What a user says of a program's task, held against the network before any work is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..runtime.program.framed import classes_of
from ..runtime.program.records import FieldError, decode
from ..runtime.program.task import Task, task_problems
from .diagnostics import Diagnostic, Exit, NmcError, usage
from .frontends import Imported
from .ir import Graph


def read_task(data: Mapping[str, Any]) -> Task:
    """A task of plain data, as of TOML; NmcError NMC-T005 (usage) for unknown keys or values of the wrong type."""
    try:
        return decode(dict(data), Task, "task", {})
    except FieldError as error:
        raise usage("NMC-T005", "the program's task is not as it should be", why=str(error)) from error


def take_task(task: Task, source: Imported, notes: list[str]) -> Task:
    """The task for the program of an imported model: as given, with the class names of the model's file where none are
    given. NmcError NMC-T005 (usage) with everything that does not fit the network's outputs."""
    outputs = _scored(source.graph)
    if found := [Diagnostic("NMC-T005", f"{name}: {what}") for name, what in task_problems(task, outputs)]:
        raise NmcError(found, Exit.USAGE)
    if task.classes or not source.classes:
        return task
    if list(task_problems(Task(source.classes), outputs)):
        notes.append(f"the model's {len(source.classes)} class names fit none of its outputs and are left out")
        return task
    return replace(task, classes=source.classes)


def _scored(graph: Graph) -> dict[str, int | None]:
    """The number of classes that each output scores. Of a stepped graph, time is no axis of a value."""
    types = {name: value.type for name, value in graph.outputs.items()}
    times = {name: kind.axis("T") for name, kind in types.items()}
    return {name: classes_of(kind.shape[1:], times[name] or -1) for name, kind in types.items()}

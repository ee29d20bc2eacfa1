"""What a program is for, as its user says it: the classes' names, and what the host does before and behind it.

Nothing of it changes what the machine computes. Commands take it where the user gives no option.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .records import OPTIONAL

MOST_LETTERS = 200  # of a class name: it stands in tables


@dataclass(frozen=True)
class Task:
    """What is not said is None or ().

    classes      names of the classes, in the order of the network's scores
    smoothing    decay of the smoothing of class probabilities over frames (`classify.Smoother`), 0 to below 1
    pixel_scale  pixels 0 … 255 of images and videos become x = (pixel / pixel_scale − mean) / std
    pixel_mean   mean, one number or one for each channel; () stands for 0
    pixel_std    std likewise, above 0; () stands for 1
    """

    classes: tuple[str, ...] = field(default=(), metadata=OPTIONAL)
    smoothing: float | None = field(default=None, metadata=OPTIONAL)
    pixel_scale: float | None = field(default=None, metadata=OPTIONAL)
    pixel_mean: tuple[float, ...] = field(default=(), metadata=OPTIONAL)
    pixel_std: tuple[float, ...] = field(default=(), metadata=OPTIONAL)

    def facts(self) -> dict[str, Any]:
        """What is said, as JSON data: no key for what is not."""
        said = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in said.items() if v not in (None, ())}


NO_TASK = Task()


def task_problems(task: Task, outputs: Mapping[str, int | None]) -> Iterator[tuple[str, str]]:
    """(field, sentence) for everything that is wrong; `outputs` are the classes that each output scores (`classes_of`).

    The names must be those of one of the outputs.
    """
    names = task.classes
    for i, name in enumerate(names):
        if not name.strip() or not name.isprintable() or len(name) > MOST_LETTERS:
            yield "classes", f"name {i} is empty, too long, or not printable: {name[:MOST_LETTERS]!r}"
        elif name in names[:i]:
            yield "classes", f"{name!r} stands there twice"
    if names and len(names) not in outputs.values():
        scored = ", ".join(f"{name!r} has {count or 'no'} classes" for name, count in outputs.items())
        yield "classes", f"there are {len(names)} names, and of the outputs {scored}"
    if task.smoothing is not None and not 0 <= task.smoothing < 1:
        yield "smoothing", f"must be at least 0 and below 1, not {task.smoothing}"
    if task.pixel_scale is not None and not 0 < task.pixel_scale < math.inf:
        yield "pixel_scale", f"must be finite and above 0, not {task.pixel_scale}"
    if not all(map(math.isfinite, task.pixel_mean)):
        yield "pixel_mean", "must be finite"
    if not all(0 < std < math.inf for std in task.pixel_std):
        yield "pixel_std", "must be finite and above 0"

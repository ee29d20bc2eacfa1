"""The options of what a program is for: class names, smoothing, pixels (`nmc.runtime.program.task`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..runtime.program import Program
    from ..runtime.program.task import Task

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("classes", "smoothing", "pixel_scale", "pixel_mean", "pixel_std")


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    """For click: "0.485,0.456,0.406"."""
    try:
        numbers = tuple(float(number) for number in text.split(",")) if text else ()
    except ValueError:
        numbers = (math.nan,)
    if not all(map(math.isfinite, numbers)):
        raise click.BadParameter(f"{text!r} is no list of numbers such as 0.5 or 0.48,0.46,0.41", context, parameter)
    return numbers


def task_options(function: F) -> F:
    """Decorator for a command function: it gets the options by name."""
    for option in reversed(
        (
            click.option("--classes", metavar="FILE|NAMES", help="Class names to keep, one a line, or between commas."),
            click.option("--smoothing", type=float, help="Decay of the smoothing over frames to keep, e.g. 0.8."),
            click.option(
                "--pixel-scale", type=float, help="To keep: x = (pixel / this - mean) / std, pixels 0 to 255."
            ),
            click.option("--pixel-mean", callback=_numbers, metavar="M[,M,M]", help="To keep: one, or one a channel."),
            click.option("--pixel-std", callback=_numbers, metavar="S[,S,S]", help="To keep: one, or one a channel."),
        )
    ):
        function = option(function)
    return function


def take_task(options: dict[str, Any]) -> Task:
    """The task among a command's options, which are taken out; NmcError NMC-R001, R021 for a file of names."""
    from ..runtime.program.task import Task

    given = {name: options.pop(name) for name in NAMES}
    return Task(**{**given, "classes": parse_names(given["classes"]) if given["classes"] else ()})


def parse_names(given: str) -> tuple[str, ...]:
    """Class names in a file, one a line, or between commas; NmcError NMC-R001 for one name that is no file."""
    from ..runtime.label_lists import read_class_list

    if "," in given and not Path(given).is_file():
        return tuple(name.strip() for name in given.split(","))
    return read_class_list(given)


def task_lines(program: Program) -> list[str]:
    """Sentences on a program's task, none where nothing is said."""
    task, lines = program.task, []
    if task.classes:
        lines.append(f"classes: {', '.join(task.classes)}")
    if task.smoothing is not None:
        lines.append(f"class probabilities are smoothed over frames with decay {task.smoothing:g}")
    if task.pixel_scale is not None or task.pixel_mean or task.pixel_std:
        scale = 255 if task.pixel_scale is None else task.pixel_scale
        mean = f" - {_text(task.pixel_mean)}" if task.pixel_mean else ""
        std = f" / {_text(task.pixel_std)}" if task.pixel_std else ""
        lines.append(f"pixels 0 to 255 become {f'(pixel / {scale:g}{mean})' if mean else f'pixel / {scale:g}'}{std}")
    return lines


def _text(numbers: tuple[float, ...]) -> str:
    shown = ", ".join(f"{number:g}" for number in numbers)
    return f"({shown})" if len(numbers) > 1 else shown

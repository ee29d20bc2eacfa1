"""Bars on standard error for what takes more than a moment."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from ..compiler.passes.base import Context

DELAY = 0.5
"""Seconds before a bar appears: most commands are done by then."""


class Bar:
    """A bar that appears after DELAY seconds. Call it with (done, in all); until then, and after `stage`, it only shows
    that something is done, and for how long."""

    def __init__(self, console: Console, what: str):
        self._console, self._what = console, what
        self._done: int = 0
        self._total: int | None = None
        self._drawn: tuple[Progress, TaskID] | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(DELAY, self._appear)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, done: int, total: int) -> None:
        with self._lock:
            self._done, self._total = done, total
            if self._drawn is not None:
                bar, task = self._drawn
                bar.update(task, completed=done, total=total)

    def stage(self, what: str) -> None:
        """Something else is done from now on."""
        with self._lock:
            self._what, self._done, self._total = what, 0, None
            if self._drawn is not None:
                bar, task = self._drawn
                bar.reset(task, total=None, description=what)

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._ended = True
            self._timer.cancel()
            if self._drawn is not None:
                self._drawn[0].stop()

    def _appear(self) -> None:
        with self._lock:
            if not self._ended:
                bar = _drawing(self._console)
                bar.start()
                self._drawn = bar, bar.add_task(self._what, completed=self._done, total=self._total)


def _drawing(console: Console) -> Progress:
    """A name, a bar, the share that is done, seconds so far, and, where it can be told, seconds left."""
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    class Times(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = "" if task.time_remaining is None else f", {task.time_remaining:.0f} s left"
            return Text(f"{task.elapsed or 0:.0f} s{left}")

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Times())
    # What is printed meanwhile stays on its stream where that goes to a file.
    return Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())


@contextmanager
def progress_bar(visible: bool, what: str) -> Iterator[Bar | None]:
    """A bar on standard error, None where nobody would see it: not `visible`, or no terminal."""
    if not visible or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    bar = Bar(Console(stderr=True), what)
    try:
        yield bar
    finally:
        bar.end()


def context_of(bar: Bar | None) -> Context:
    """The context of a compilation that the bar follows."""
    from ..compiler.passes.base import Context

    return Context() if bar is None else Context(progress=bar, stage=bar.stage)

"""Plays a show: on a terminal, as lines, or without a word, and keeps what the end needs."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click

from .keys import quit_key
from .names import likeliest
from .play import Moment, Show
from .view import View

RECENT = 1000
Shown = Callable[[Moment, list[tuple[str, float]]], None]


@dataclass
class Stage:
    """A show and how it is shown. `bounds`: values that are black and white; `kept`: images for a GIF.

    A show without an end remembers its last RECENT moments only; `seen` counts all.
    """

    show: Show
    view: View
    bounds: tuple[float, float]
    names: tuple[str, ...]
    top: int
    fps: float
    keeps: bool
    silent: bool
    kept: list[Any] = field(default_factory=list)
    by_moment: deque[dict[str, Any]] = field(init=False)
    busy: deque[float] = field(default_factory=lambda: deque[float](maxlen=RECENT))
    seen: int = 0
    passed: float = 0.0
    worked: float = 0.0

    def __post_init__(self) -> None:
        self.by_moment = deque(maxlen=RECENT if self.show.endless else None)

    def play(self) -> None:
        """All moments, until somebody presses q. On a terminal no more than `fps` in a second."""
        with quit_key() as pressed, self._screen() as shown:
            start = time.perf_counter()
            moments = iter(self.show.moments)
            while not pressed():
                before = time.perf_counter()
                moment = next(moments, None)
                if moment is None:
                    break
                self.busy.append(time.perf_counter() - before)
                self.worked += self.busy[-1]
                rows = self._note(moment)
                self.passed = time.perf_counter() - start
                shown(moment, rows)
            self.passed = time.perf_counter() - start

    def _note(self, moment: Moment) -> list[tuple[str, float]]:
        answered = moment.probabilities is not None
        rows = likeliest(moment.probabilities, self.names, self.top) if moment.probabilities is not None else []
        best = None if not answered else self.names.index(rows[0][0])
        found = {"index": moment.index, "class": best, "top": [{"name": n, "probability": p} for n, p in rows]}
        self.by_moment.append(found | {"sparsity": moment.zeros})
        self.seen += 1
        if self.keeps:
            from .gif import drawn

            caption = f"{self._place()}, sparsity {100 * moment.zeros:.0f} %"
            room = min(self.top, len(self.names))
            self.kept.append(drawn(self.view.paint(moment.frame, *self.bounds), rows, caption, room))
        return rows

    def _place(self) -> str:
        return f"{self.show.unit} {self.seen}" + ("" if self.show.count is None else f"/{self.show.count}")

    # --- ways to show a moment ---

    @contextmanager
    def _screen(self) -> Iterator[Shown]:
        """What shows a moment: a terminal, lines of text, or nothing."""
        if self.silent:
            yield lambda moment, rows: None
            return
        from rich.console import Console

        console = Console(highlight=False)
        if not console.is_terminal:
            from .terminal import line

            yield lambda moment, rows: click.echo(line(self.show.unit, self.seen, self.show.count, rows, moment.zeros))
            return
        from rich.live import Live

        from .terminal import screen

        width, start = max(map(len, self.names)), time.perf_counter()
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:

            def draw(moment: Moment, rows: list[tuple[str, float]]) -> None:
                colours = self.view.paint(moment.frame, *self.bounds)
                live.update(screen(console, colours, rows, self._status(moment), min(width, 32)), refresh=True)
                time.sleep(max(0.0, start + self.seen / self.fps - time.perf_counter()))

            yield draw

    def _status(self, moment: Moment) -> list[str]:
        rate = self.seen / self.passed if self.passed else 0.0
        return [
            self._place() + ("" if moment.probabilities is not None else ", no answer yet"),
            f"{rate:.1f} {self.show.unit}s/s, simulated in {1000 * median(self.busy):.1f} ms each",
            f"sparsity {100 * moment.zeros:.1f} %",
        ]

    # --- the end ---

    def facts(self) -> dict[str, Any]:
        last = self.by_moment[-1] if self.by_moment else {"class": None, "top": []}
        return {
            "unit": self.show.unit,
            "moments": list(self.by_moment),
            "seen": self.seen,
            "class": last["class"],
            "top": last["top"],
            "seconds": self.worked,
        }

    def summary(self) -> None:
        """The decision, in one line. The first moments take long, as kernels load: a mean would say little."""
        if not self.by_moment or not self.by_moment[-1]["top"]:
            click.echo(f"no answer yet after {self.seen} {self.show.unit}s")
            return
        name, chance = self.by_moment[-1]["top"][0].values()
        sparse = sum(moment["sparsity"] for moment in self.by_moment) / len(self.by_moment)
        pace = f"simulated in {1000 * median(self.busy):.1f} ms each (median)"
        unit = self.show.unit + ("s" if self.seen > 1 else "")
        click.echo(f"{name}, {100 * chance:.1f} %; {self.seen} {unit}, {pace}, sparsity {100 * sparse:.1f} %")

    def save(self, path: Path) -> None:
        """Write the GIF; NMC-F014 where it cannot be written."""
        from .gif import write_gif

        write_gif(path, self.kept, self.fps)

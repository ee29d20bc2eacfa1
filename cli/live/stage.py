"""Plays a show: on a terminal, as lines, or without a word, and keeps what the end needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import click

from .names import likeliest
from .play import Moment, Show
from .view import View

Shown = Callable[[Moment, list[tuple[str, float]]], None]


@dataclass
class Stage:
    """A show and how it is shown. `bounds`: values that are black and white; `kept`: images for a GIF."""

    show: Show
    view: View
    bounds: tuple[float, float]
    names: tuple[str, ...]
    top: int
    fps: float
    keeps: bool
    silent: bool
    kept: list[Any] = field(default_factory=list)
    by_moment: list[dict[str, Any]] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    passed: float = 0.0

    @property
    def seen(self) -> int:
        return len(self.by_moment)

    def play(self) -> None:
        """All moments. On a terminal no more than `fps` in a second."""
        with self._screen() as shown:
            start = time.perf_counter()
            moments = iter(self.show.moments)
            while True:
                before = time.perf_counter()
                moment = next(moments, None)
                if moment is None:
                    break
                self.busy.append(time.perf_counter() - before)
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
        last = self.by_moment[-1]
        return {
            "unit": self.show.unit,
            "moments": self.by_moment,
            "class": last["class"],
            "top": last["top"],
            "seconds": sum(self.busy),
        }

    def summary(self) -> None:
        """The decision, in one line. The first moments take long, as kernels load: a mean would say little."""
        name, chance = self.by_moment[-1]["top"][0].values()
        sparse = sum(moment["sparsity"] for moment in self.by_moment) / self.seen
        pace = f"simulated in {1000 * median(self.busy):.1f} ms each (median)"
        unit = self.show.unit + ("s" if self.seen > 1 else "")
        click.echo(f"{name}, {100 * chance:.1f} %; {self.seen} {unit}, {pace}, sparsity {100 * sparse:.1f} %")

    def save(self, path: Path) -> None:
        """Write the GIF; NMC-F014 where it cannot be written."""
        from .gif import write_gif

        write_gif(path, self.kept, self.fps)

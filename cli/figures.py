"""Plots as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.program.atomic import atomic_write
from ..runtime.program.diagnostics import usage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
SIZE = (7.0, 4.5)  # inches


def check_figure(path: Path) -> None:
    """NmcError (usage) NMC-R076 for another kind of file, R070 without matplotlib."""
    if path.suffix.lower() not in FORMATS:
        hint = f"give one of {', '.join(FORMATS)}"
        raise usage("NMC-R076", f"unknown kind of plot file {path.suffix!r}", str(path), hint=hint)
    _figure(SIZE)


def write_figure(path: Path, draw: Callable[[Axes], object], size: tuple[float, float] = SIZE) -> None:
    """Write what `draw` draws; equal drawings give equal files. NmcError NMC-F014, R070."""
    from matplotlib import rc_context

    figure = _figure(size)
    draw(figure.add_subplot())
    kind = path.suffix.lower().removeprefix(".")
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    settings = {"format": kind, "dpi": 150, "bbox_inches": "tight", "metadata": dates.get(kind)}
    with rc_context({"svg.hashsalt": "nmc"}):
        atomic_write(path, lambda file: figure.savefig(file, **settings))


def _figure(size: tuple[float, float]) -> Figure:
    """An empty one, of no window system; NmcError NMC-R070 without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install 'nmc[report]'"
        raise usage("NMC-R070", "plots need the package matplotlib", why=str(error), hint=hint) from error
    return Figure(figsize=size)

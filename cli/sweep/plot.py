"""A sweep's accuracies against a cost, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...runtime.plot import tradeoff
from ...runtime.program.diagnostics import usage
from ..figures import check_figure, write_figure
from .rows import COSTS, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

USUAL = ("spikes", "macs", "weight_bytes")
"""The costs of which the first that there is is drawn if none is named."""


def check_plot(path: Path, cost: str | None, options: list[str]) -> None:
    """NmcError NMC-R076 for another kind of file, or a cost that is neither in COSTS nor an option; R070 without
    matplotlib."""
    check_figure(path)
    known = [*options, *COSTS]
    if cost is not None and cost not in known:
        raise usage("NMC-R076", f"there is no cost {cost!r}", "--cost", hint=f"one of {', '.join(known)}")


def write_plot(path: Path, rows: list[Row], options: list[str], cost: str | None) -> None:
    """Write the plot; equal rows give equal files. NmcError NMC-R076 where no point has the cost, F014."""
    name = cost or next((name for name in USUAL if any(row.get(name) is not None for row in rows)), USUAL[0])

    def draw(axes: Axes) -> None:
        try:
            tradeoff(rows, name, options, axes=axes)
        except ValueError as error:
            raise usage("NMC-R076", str(error), "--cost", hint="`-o` shows the columns") from error
        axes.grid(alpha=0.3)

    write_figure(path, draw)

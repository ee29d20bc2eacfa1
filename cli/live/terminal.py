"""A moment as a terminal shows it: the frame in half blocks, the likeliest classes as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.encode import Array

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

BAR = 24  # columns
LINES = 24  # of the picture at most
SHADES, ASCII = " ░▒▓█", " .:+#"
EIGHTHS = " ▏▎▍▌▋▊▉█"


def screen(
    console: Console, colours: Array, rows: Sequence[tuple[str, float]], status: Sequence[str], width: int
) -> Table:
    """The picture uint8 (H, W, 3) beside bars for `rows` (class, probability) and lines of text. `width`: of names."""
    from rich.table import Table
    from rich.text import Text

    plain = console.options.ascii_only
    beside = Text(no_wrap=True, overflow="ellipsis")
    for name, chance in rows:
        beside.append(f"{name[:width]:<{width}} ", "bold" if (name, chance) == rows[0] else "")
        beside.append(_bar(chance, plain), "cyan")
        beside.append(f" {100 * chance:5.1f} %\n")
    beside.append("\n" + "\n".join(status), "dim")
    grid = Table.grid(padding=(0, 2))
    grid.add_row(picture(console, colours, console.width - width - BAR - 14), beside)
    return grid


def picture(console: Console, colours: Array, columns: int) -> Text:
    """The picture in at most `columns` columns and the terminal's lines; shades of grey where there are no colours."""
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    shown = _resized(colours, max(columns, 8), max(min(LINES, console.height - 2), 2))
    text = Text(no_wrap=True)
    plain, coloured = console.options.ascii_only, console.color_system is not None and not console.no_color
    for upper, lower in zip(shown[::2], shown[1::2], strict=True):
        if coloured and not plain:
            for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
                text.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        else:
            shades = ASCII if plain else SHADES
            levels = np.maximum(upper, lower).max(axis=-1).astype(np.int64) * len(shades) // 256
            text.append("".join(shades[level] for level in levels))
        text.append("\n")
    text.rstrip()
    return text


def _resized(colours: Array, columns: int, lines: int) -> Array:
    """Pixels repeated, or left out, so that they fill the room. The number of rows is even; the last may be black."""
    height, width = colours.shape[:2]
    factor = min(columns / width, 2 * lines / height)
    factor = np.floor(factor) if factor >= 1 else factor
    tall, wide = max(int(height * factor), 1), max(int(width * factor), 1)
    shown = colours[np.arange(tall) * height // tall][:, np.arange(wide) * width // wide]
    return np.pad(shown, ((0, tall % 2), (0, 0), (0, 0)))


def _bar(chance: float, plain: bool) -> str:
    """BAR columns, filled from the left."""
    if plain:
        return ("#" * round(chance * BAR)).ljust(BAR)
    whole, part = divmod(round(min(max(chance, 0.0), 1.0) * BAR * 8), 8)
    return ("█" * whole + (EIGHTHS[part] if part else "")).ljust(BAR)


def line(unit: str, number: int, count: int | None, rows: Sequence[tuple[str, float]], zeros: float) -> str:
    """A moment as one line of text."""
    total = "" if count is None else f"/{count}"
    said = ", ".join(f"{name} {100 * chance:.1f} %" for name, chance in rows) or "no answer yet"
    return f"{unit} {number}{total}: {said}; sparsity {100 * zeros:.1f} %"

"""Tables on standard output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

WIDE = 160
"""Columns where the output is no terminal."""
SHORT = 12
"""Cells of up to so many letters stay on one line, longer ones get room for as many at least."""
EDGES, GAP = 2, 3
"""Blanks around a table and between its columns."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; columns whose cells are all numbers are right-aligned. Where a terminal is too narrow for all columns,
    the last ones are left out, and a line says which. A file gets all of them, and no word in it is cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    body = [[str(cell) for cell in row] for row in rows]
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    console, needed, shown = Console(highlight=False), EDGES - GAP, 0
    limit = console.width if console.is_terminal else None
    for index, column in enumerate(columns):
        cells = [row[index] for row in body]
        numeric = bool(body) and all(_is_number(cell) for cell in cells if cell)
        longest = max(map(len, (column, *cells)))
        whole = numeric or longest <= SHORT
        words = [SHORT, *(len(word) for cell in (column, *cells) for word in cell.split())]
        least = longest if whole else SHORT if console.is_terminal else max(words)
        needed += GAP + least
        if shown and limit is not None and needed > limit:
            break
        justify = "right" if numeric else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=whole, min_width=least)
        shown += 1
    for row in body:
        made.add_row(*map(Text, row[:shown]))
    Console(highlight=False, width=max(WIDE, needed) if limit is None else limit).print(made)
    if shown < len(columns):
        click.echo(f"left out for want of room: {', '.join(columns[shown:])}; a wider terminal or a file gets all")


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").lstrip("-").isdigit()

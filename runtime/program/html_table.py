"""Tables as HTML, which notebooks show. Colours and fonts are the notebook's own, so dark and light are both right."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

SHOWN = 50
"""Rows of a table at most; below it stands how many more there are."""

_LEFT, _RIGHT = ' style="text-align:left"', ' style="text-align:right"'


def html_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table of rows of cells; whole numbers stand at the right, with commas. Everything is escaped."""
    numeric = [bool(rows) and all(isinstance(row[i], int) for row in rows) for i in range(len(columns))]
    sides = [_RIGHT if number else _LEFT for number in numeric]
    head = "".join(f"<th{side}>{html.escape(name)}</th>" for name, side in zip(columns, sides, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{side}>{_cell(cell)}</td>" for cell, side in zip(row, sides, strict=True)) + "</tr>"
        for row in rows[:SHOWN]
    )
    more = f"<p>… {len(rows) - SHOWN:,} more</p>" if len(rows) > SHOWN else ""
    caption = f"<caption{_LEFT}>{html.escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def closed(title: str, content: str) -> str:
    """Markup that is shown on a click."""
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def preformatted(text: str) -> str:
    """Text as it stands."""
    return f"<pre>{html.escape(text)}</pre>"


def shape_text(shape: Iterable[int]) -> str:
    """3×16×16; "scalar" for no axes."""
    return "×".join(map(str, shape)) or "scalar"


def _cell(value: object) -> str:
    return html.escape(f"{value:,}" if isinstance(value, int) else str(value))

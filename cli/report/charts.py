"""Charts as inline SVG. Colours come from the page's style by class, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .tags import Html, number, tag

WIDTH = 720.0
LABEL, VALUE, ROW = 220.0, 110.0, 18.0
WIDEST = 33.0  # a column of a histogram
SERIES = 5
"""Lines have the classes line0 … line4."""

Facts = dict[str, Any]


def svg(width: float, height: float, label: str, *parts: object, role: str = "img", id: str | None = None) -> Html:
    """A drawing that a screen reader announces as `label`; role "group" where it has content to step into. One of the
    width of a chart is as wide as the page allows."""
    view, size = f"0 0 {_n(width)} {_n(height)}", {"width": _n(width), "height": _n(height)}
    kind = "chart" if width == WIDTH else None
    return tag("svg", *parts, viewBox=view, role=role, aria_label=label, id=id, class_=kind, **size)


def bars(label: str, rows: Sequence[tuple[str, float, str, bool]]) -> Html:
    """Horizontal bars (name, value, text behind it, whether it is marked), from 0 on; none for a negative value."""
    span = max((value for _, value, _, _ in rows), default=0.0) or 1.0
    room = WIDTH - LABEL - VALUE
    parts = []
    for i, (name, value, text, marked) in enumerate(rows):
        y, length = i * ROW, max(value, 0.0) / abs(span) * room
        bar = tag(
            "rect", x=_n(LABEL), y=_n(y + 3), width=_n(length), height=_n(ROW - 6), class_="mark" if marked else "bar"
        )
        parts += [
            tag("text", shortened(name, 32), tag("title", name), x=_n(LABEL - 6), y=_n(y + 13), class_="end"),
            bar,
            tag("text", text, x=_n(LABEL + length + 6), y=_n(y + 13)),
        ]
    return svg(WIDTH, len(rows) * ROW + 2, label, *parts)


def gauges(label: str, rows: Sequence[tuple[str, float, str]]) -> Html:
    """Horizontal bars (name, share of the whole, text behind it) in a frame that is the whole; marked beyond it."""
    room, parts = WIDTH - LABEL - 2 * VALUE, []
    for i, (name, share, text) in enumerate(rows):
        box = {"x": _n(LABEL), "y": _n(i * ROW + 3), "height": _n(ROW - 6)}
        kind = "bar" if share <= 1 else "mark"
        parts += [
            tag("text", name, x=_n(LABEL - 6), y=_n(i * ROW + 13), class_="end"),
            tag("rect", **box, width=_n(room), class_="area"),
            tag("rect", **box, width=_n(max(min(share, 1.0) * room, 1.0 if share else 0.0)), class_=kind),
            tag("text", text, x=_n(LABEL + room + 6), y=_n(i * ROW + 13)),
        ]
    return svg(WIDTH, len(rows) * ROW + 2, label, *parts)


def histogram(label: str, facts: Facts, marks: bool) -> Html:
    """Columns for `bins` over `low` … `high`; with `marks` those at the ends of the range stand out. A column's height
    is the square root of its count, so that few values are still seen."""
    bins, height, width = facts["bins"], 70.0, 264.0
    step, top = min(width / len(bins), WIDEST), max(max(bins), 1) ** 0.5
    room = step * len(bins)
    paths = {"bar": "", "mark": ""}
    marked = {len(bins) - 1, *([0] if facts["low"] < 0 else [])} if marks else set[int]()
    for i, count in enumerate(bins):
        if count:
            tall = max(height * count**0.5 / top, 1.0)
            kind = "mark" if i in marked else "bar"
            paths[kind] += f"M{_n(i * step)} {_n(height)}v{_n(-tall)}h{_n(step * 0.86)}v{_n(tall)}z"
    drawn = [tag("path", d=path, class_=kind) for kind, path in paths.items() if path]
    axis = tag("path", d=f"M0 {_n(height)}h{_n(room)}", class_="axis")
    ends = [tag("text", number(facts["low"]), x="0", y=_n(height + 13))]
    if facts["high"] != facts["low"]:
        ends.append(tag("text", number(facts["high"]), x=_n(room), y=_n(height + 13), class_="end"))
    return svg(width, height + 17, label, *drawn, axis, *ends)


def columns(label: str, values: Sequence[float], what: str) -> Html:
    """A column for each value, counted from 0, on an axis up to the largest; `what` stands below and is counted."""
    height, left = 130.0, 70.0
    room, top = WIDTH - left, max(max(values, default=0.0), 1e-12)
    step = room / max(len(values), 1)
    path = "".join(
        f"M{_n(left + i * step)} {_n(height)}v{_n(-value / top * (height - 14))}h{_n(step * 0.86)}V{_n(height)}z"
        for i, value in enumerate(values)
        if value > 0
    )
    drawn = tag("path", d=path, class_="bar")
    ticks = _ticks(len(values), left + step * 0.43, step, height + 14)
    return svg(WIDTH, height + 32, label, drawn, *_axes(left, height, top), *ticks, _under(left, height + 28, what))


def lines(label: str, series: Sequence[tuple[str, Sequence[float]]], marks: Sequence[int], what: str) -> Html:
    """Lines (name, values between 0 and 1) over frames counted from 0; `marks` are frames with a vertical line, `what`
    stands below and is counted."""
    height, left = 160.0, 70.0
    count = max((len(values) for _, values in series), default=0)
    step = (WIDTH - left - 8) / max(count - 1, 1)
    parts = [
        tag("path", d=f"M{_n(left + frame * step)} 10V{_n(height)}", class_="guide") for frame in marks if frame < count
    ]
    for i, (_, values) in enumerate(series):
        points = " ".join(f"{_n(left + j * step)},{_n(height - v * (height - 14))}" for j, v in enumerate(values))
        parts.append(tag("polyline", points=points, class_=f"line line{i % SERIES}"))
    under = _under(left, height + 28, what)
    legend = []
    for i, (name, _) in enumerate(series):
        x, y = left + i % 3 * 215, height + 42 + i // 3 * 16
        legend.append(tag("rect", x=_n(x), y=_n(y), width="10", height="10", class_=f"fill{i % SERIES}"))
        legend.append(tag("text", shortened(name, 32), tag("title", name), x=_n(x + 15), y=_n(y + 9)))
    ticks = _ticks(count, left, step, height + 14)
    tall = height + 42 + (len(series) + 2) // 3 * 16
    return svg(WIDTH, tall, label, *parts, *_axes(left, height, 1.0), *ticks, under, *legend)


def cells(label: str, rows: Sequence[tuple[str, int, str]]) -> Html:
    """A chain of cells for each (name, how many, text behind them); of more than 40 the first, then an ellipsis."""
    size, most = 11.0, 40
    parts = []
    for i, (name, count, text) in enumerate(rows):
        y, shown = i * ROW, min(count, most)
        path = "".join(f"M{_n(LABEL + j * size)} {_n(y + 3)}h9v12h-9z" for j in range(shown))
        more = f"… {text}" if shown < count else text
        parts += [
            tag("text", shortened(name, 32), tag("title", name), x=_n(LABEL - 6), y=_n(y + 13), class_="end"),
            tag("path", d=path, class_="bar"),
            tag("text", more, x=_n(LABEL + shown * size + 6), y=_n(y + 13)),
        ]
    return svg(WIDTH, len(rows) * ROW + 2, label, *parts)


def raster(label: str, facts: Facts) -> Html:
    """A line for each shown neuron, a dash for each timestep in which it fires, population under population."""
    left, gap, tall = 160.0, 10.0, 3.0
    steps = max(facts["steps_shown"], 1)
    step = (WIDTH - left) / steps
    parts, y = [], 4.0
    for i, population in enumerate(facts["populations"]):
        top, path = y, ""
        for spikes in population["spikes"]:
            path += "".join(f"M{_n(left + at * step)} {_n(y)}h{_n((run - 0.1) * step)}" for at, run in _runs(spikes))
            y += tall
        name = population["layer"]
        title = shortened(name, 24)
        parts.append(tag("text", title, tag("title", name), x=_n(left - 8), y=_n((top + y) / 2 + 4), class_="end"))
        parts.append(
            tag("rect", x=_n(left), y=_n(top - 3), width=_n(WIDTH - left), height=_n(y - top + 2), class_="area")
        )
        parts.append(tag("path", d=path, class_=f"spikes line{i % SERIES}"))
        y = max(y, top + 14) + gap
    ticks = _ticks(steps, left + step / 2, step, y + 6)
    return svg(WIDTH, y + 24, label, *parts, *ticks, _under(left, y + 20, "timestep"))


def shortened(text: str, most: int) -> str:
    """The text, its middle left out where it is longer than `most` characters."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[: most - 1 - half]}…{text[-half:]}"


def _runs(spikes: Sequence[int]) -> list[tuple[int, int]]:
    """Consecutive timesteps as (first, how many)."""
    runs: list[tuple[int, int]] = []
    for at in spikes:
        if runs and at == sum(runs[-1]):
            runs[-1] = runs[-1][0], runs[-1][1] + 1
        else:
            runs.append((at, 1))
    return runs


def _axes(left: float, height: float, top: float) -> list[Html]:
    """Axes with 0 and the largest value at the left."""
    return [
        tag("path", d=f"M{_n(left)} 10V{_n(height)}H{_n(WIDTH)}", class_="axis"),
        tag("text", number(top), x=_n(left - 6), y="14", class_="end"),
        tag("text", "0", x=_n(left - 6), y=_n(height), class_="end"),
    ]


def _ticks(count: int, left: float, step: float, y: float) -> list[Html]:
    """Numbers below 0 … count−1 at equal distances of 1, 2 or 5 times a power of ten, at most twelve."""
    every = next(d * 10**e for e in range(20) for d in (1, 2, 5) if d * 10**e * 12 >= count)
    return [tag("text", str(i), x=_n(left + i * step), y=_n(y), class_="middle") for i in range(0, count, every)]


def _under(left: float, y: float, text: str) -> Html:
    return tag("text", text, x=_n((left + WIDTH) / 2), y=_n(y), class_="middle")


def _n(value: float) -> str:
    """A coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")

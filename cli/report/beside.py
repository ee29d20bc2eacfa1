"""Two networks side by side, rows at heights where what belongs together lies near."""

from __future__ import annotations

from collections.abc import Sequence

from .layout import DROP, HEIGHT, MARGIN, Layout, Point

APART = 130.0
"""Between the two, for the links."""
HEAD = 26.0
"""Above them, for their titles."""


def beside(left: Layout, right: Layout, links: Sequence[Sequence[int]]) -> tuple[Layout, Layout]:
    """The layouts moved into one drawing; `links` are pairs of boxes (left, right).

    Rows only move down: those at the left to the first box that they are linked to, then those at the right to the mean
    of the boxes that they are linked to. Both results have the size of the whole.
    """
    tall = _moved(left, [min(places) if places else 0.0 for places in _linked(left, right, links)])
    backwards = [(b, a) for a, b in links]
    means = [sum(places) / len(places) if places else 0.0 for places in _linked(right, tall, backwards)]
    other = _moved(right, means)
    width, height = tall.width + APART + other.width, max(tall.height, other.height) + HEAD
    return _shifted(tall, 0.0, width, height), _shifted(other, tall.width + APART, width, height)


def _linked(here: Layout, there: Layout, links: Sequence[Sequence[int]]) -> list[list[float]]:
    """For each box `here` the heights of the boxes `there` that it is linked to."""
    found: list[list[float]] = [[] for _ in here.boxes]
    for a, b in links:
        found[a].append(there.boxes[b][1])
    return found


def _moved(found: Layout, wanted: Sequence[float]) -> Layout:
    """The layout with each row as low as the lowest wish of its boxes, or lower."""
    wishes: dict[float, float] = {y: y for _, y in found.boxes}
    for (_, y), wish in zip(found.boxes, wanted, strict=True):
        wishes[y] = max(wishes[y], wish)
    at: dict[float, float] = {}
    least = 0.0
    for y in sorted(wishes):
        at[y] = max(wishes[y], least)
        least = at[y] + HEIGHT + DROP
    ways = [[(x, at[y]) for x, y in way] for way in found.edges]
    height = max(at.values(), default=MARGIN) + HEIGHT / 2 + MARGIN
    return Layout([(x, at[y]) for x, y in found.boxes], ways, found.width, height)


def _shifted(found: Layout, right: float, width: float, height: float) -> Layout:
    def move(point: Point) -> Point:
        return point[0] + right, point[1] + HEAD

    return Layout([move(box) for box in found.boxes], [[move(p) for p in way] for way in found.edges], width, height)

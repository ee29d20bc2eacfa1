"""Where the boxes of a network lie: ranks from top to bottom, each box below all that it reads."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP, DROP, LANE = 190.0, 56.0, 24.0, 36.0, 18.0
SWEEPS = 4
MARGIN = 12.0

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Centres of the boxes, the points that each edge goes through, and the size of the whole."""

    boxes: list[Point]
    edges: list[list[Point]]
    width: float
    height: float


def layout(count: int, edges: Sequence[tuple[int, int]]) -> Layout:
    """Boxes 0 … count−1 and edges (from, to) between them.

    A box's rank is the longest way to it. An edge over several ranks gets a lane between the boxes of each. Edges that
    go back in a loop have no part in the ranks.
    """
    position = _order(count, edges)
    forward = [(a, b) for a, b in edges if position[a] < position[b]]
    rank = _ranks(position, forward)
    rows: list[list[int]] = [[] for _ in range(max(rank, default=0) + 1)]
    for box in sorted(range(count), key=position.__getitem__):
        rows[rank[box]].append(box)
    links, ways = _lanes(edges, rank, rows, position)
    _untangle(rows, links)
    places, width = _places(rows, count)
    height = 2 * MARGIN + len(rows) * HEIGHT + (len(rows) - 1) * DROP
    return Layout([places[i] for i in range(count)], [[places[i] for i in way] for way in ways], width, height)


def _order(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Positions in an order in which boxes come after what they read; in a loop the first box comes first."""
    behind: dict[int, list[int]] = defaultdict(list)
    waiting = [0] * count
    for a, b in edges:
        if a != b:
            behind[a].append(b)
            waiting[b] += 1
    ready = [box for box in range(count) if waiting[box] == 0]
    rest, position, done = iter(range(count)), [-1] * count, 0
    while done < count:
        box = heapq.heappop(ready) if ready else next(b for b in rest if position[b] < 0)
        if position[box] >= 0:
            continue
        position[box], done = done, done + 1
        for other in behind[box]:
            waiting[other] -= 1
            if waiting[other] == 0 and position[other] < 0:
                heapq.heappush(ready, other)
    return position


def _ranks(position: Sequence[int], forward: Sequence[tuple[int, int]]) -> list[int]:
    rank = [0] * len(position)
    for a, b in sorted(forward, key=lambda edge: position[edge[0]]):
        rank[b] = max(rank[b], rank[a] + 1)
    return rank


def _lanes(
    edges: Sequence[tuple[int, int]], rank: Sequence[int], rows: list[list[int]], position: Sequence[int]
) -> tuple[list[tuple[int, int]], list[list[int]]]:
    """Puts a lane into every row that an edge crosses. Links between neighbouring rows, and each edge's way."""
    links: list[tuple[int, int]] = []
    ways: list[list[int]] = []
    lane = len(rank)
    for a, b in edges:
        way = [a]
        if position[a] < position[b]:
            for row in rows[rank[a] + 1 : rank[b]]:
                row.append(lane)
                way.append(lane)
                lane += 1
            links += zip(way, [*way[1:], b], strict=True)
        ways.append([*way, b])
    return links, ways


def _untangle(rows: list[list[int]], links: Sequence[tuple[int, int]]) -> None:
    """Sorts each row by the mean place of its neighbours in the row before, down and up in turn."""
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for a, b in links:
        above[b].append(a)
        below[a].append(b)
    place = {box: i - len(row) / 2 for row in rows for i, box in enumerate(row)}
    for sweep in range(SWEEPS):
        near = below if sweep % 2 else above
        for row in reversed(rows) if sweep % 2 else rows:
            mean = {b: sum(place[n] for n in near[b]) / len(near[b]) if near[b] else place[b] for b in row}
            row[:] = sorted(row, key=mean.__getitem__)
            place |= {box: i - len(row) / 2 for i, box in enumerate(row)}


def _places(rows: list[list[int]], count: int) -> tuple[dict[int, Point], float]:
    """The centre of every box and lane, rows centred, and the width of the whole."""
    extents = [[WIDTH if box < count else LANE for box in row] for row in rows]
    widths = [sum(row) + GAP * (len(row) - 1) for row in extents]
    whole = max(widths, default=0.0) + 2 * MARGIN
    places: dict[int, Point] = {}
    for i, (row, each, width) in enumerate(zip(rows, extents, widths, strict=True)):
        x, y = (whole - width) / 2, MARGIN + HEIGHT / 2 + i * (HEIGHT + DROP)
        for box, extent in zip(row, each, strict=True):
            places[box] = x + extent / 2, y
            x += extent + GAP
    return places, whole

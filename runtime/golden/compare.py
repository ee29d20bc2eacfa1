"""What was recorded against what comes out now: which parts, layers, outputs and counters differ, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .parts import Part
from .recorded import Kept, Recorded

FLOAT_TOLERANCE = 1e-5  # of the largest value of the output: the host's part of it is in floats
SHOWN = 5


@dataclass(frozen=True)
class Change:
    """One thing that is no longer as recorded: what it is and how it differs."""

    what: str
    how: str


@dataclass(frozen=True)
class Comparison:
    """All that differs, in the order program, layers, outputs, counters; `notes` are what explains it or is no failure.

    Each of the four is empty where nothing differs. The first of the layers is where it begins.
    """

    program: tuple[Change, ...]
    layers: tuple[Change, ...]
    outputs: tuple[Change, ...]
    counters: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not (self.program or self.layers or self.outputs or self.counters)


def compare(wanted: Recorded, found: Recorded) -> Comparison:
    """How `found` differs from what was recorded."""
    made = dict(_flat(wanted.made_from)), dict(_flat(found.made_from))
    causes = [
        f"{name} is another one: {' → '.join(_short(side.get(name, 'absent')) for side in made)}"
        for name in sorted({*made[0], *made[1]})
        if made[0].get(name) != made[1].get(name)
    ]
    before, now = dict(_flat(wanted.counters)), dict(_flat(found.counters))
    counted = tuple(
        Change(name, f"was {value}, is {now.get(name, 'not counted')}")
        for name, value in before.items()
        if name not in now or not _equal(value, now[name])
    )
    added = sorted(now.keys() - before.keys())
    return Comparison(
        tuple(_parts(wanted, found)),
        tuple(_arrays(wanted.layers, found.layers)),
        tuple(_arrays(wanted.outputs, found.outputs)),
        counted,
        (*causes, *([f"counters that were not recorded: {_some(added)}"] if added and before else [])),
    )


def sentences(found: Comparison) -> list[str]:
    """The comparison for people, one line each, the most important one first."""
    lines = []
    if found.layers:
        lines.append(f"first layer that differs: {found.layers[0].what}: {found.layers[0].how}")
        later = [change.what for change in found.layers[1:]]
        lines += [f"layers after it that differ: {_some(later)}"] if later else []
    lines += [f"output {change.what}: {change.how}" for change in found.outputs]
    if found.program and not (found.layers or found.outputs):
        lines.append("program changed, outputs identical")
    lines += [f"program: {change.what} {change.how}" for change in found.program[:SHOWN]]
    if len(found.program) > SHOWN:
        lines.append(f"program: {len(found.program) - SHOWN} more parts differ")
    lines += [f"counter {change.what}: {change.how}" for change in found.counters[:SHOWN]]
    if len(found.counters) > SHOWN:
        lines.append(f"{len(found.counters) - SHOWN} more counters differ")
    return lines


def _parts(wanted: Recorded, found: Recorded) -> Iterator[Change]:
    if wanted.program == found.program:
        return
    before, now = _numbered(wanted.parts), _numbered(found.parts)
    changed = False
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            changed = True
            yield Change(name, "differs" if name in before and name in now else "is new" if name in now else "is gone")
    if not changed:
        yield Change("all", "has another digest, though no part of it has: the order of parts differs")


def _numbered(entries: tuple[Part, ...]) -> dict[str, str]:
    """Digests by name; of several parts with one name the order counts."""
    made: dict[str, str] = {}
    for entry in entries:
        name, number = entry.name, 2
        while name in made:
            name, number = f"{entry.name} ({number})", number + 1
        made[name] = entry.sha256
    return made


def _arrays(wanted: tuple[Kept, ...], found: tuple[Kept, ...]) -> Iterator[Change]:
    now = {kept.name: kept for kept in found}
    for kept in wanted:
        if kept.name not in now:
            yield Change(kept.name, "is gone")
        elif how := _how(kept, now[kept.name]):
            yield Change(kept.name, how)
    before = {kept.name for kept in wanted}
    yield from (Change(kept.name, "is new") for kept in found if kept.name not in before)


def _how(wanted: Kept, found: Kept) -> str:
    """How two arrays differ, "" if they are equal."""
    if wanted.shape != found.shape:
        return f"shape {list(wanted.shape)} is now {list(found.shape)}"
    if wanted.sha256 == found.sha256:
        return _floats(wanted, found)
    before, now = wanted.integers(), found.integers()
    if before is None or now is None:
        facts = ("least", "largest", "total", "nonzero")
        moved = [
            f"{fact} {getattr(wanted, fact)} → {getattr(found, fact)}"
            for fact in facts
            if getattr(wanted, fact) != getattr(found, fact)
        ]
        return f"its integers differ: {', '.join(moved) or 'least, largest and total are the same'}"
    places = np.argwhere(before != now)
    first = tuple(places[0].tolist())
    largest = max(abs(int(a) - int(b)) for a, b in zip(before[before != now], now[before != now], strict=True))
    many = f"{len(places)} of {before.size} integers differ, by up to {largest}"
    return f"{many}; the first, {list(first)}, was {before[first]}, is {now[first]}"


def _floats(wanted: Kept, found: Kept) -> str:
    before, now = (np.array(" ".join(kept.floats).split(), np.float64) for kept in (wanted, found))
    if before.shape != now.shape:
        return f"{before.size} float values were recorded, now there are {now.size}"
    apart = np.abs(before - now)
    limit = FLOAT_TOLERANCE * np.abs(before).max(initial=0.0)
    if not (apart > limit).any():
        return ""
    return f"integers are equal, {np.count_nonzero(apart > limit)} float values differ, by up to {apart.max():.3g}"


def _flat(data: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        path = f"{above}/{name}" if above else name
        if isinstance(value, dict):
            yield from _flat(value, path)
        else:
            yield path, value


def _equal(before: Any, now: Any) -> bool:
    """Counts are equal or not; shares, which are quotients of counts, up to the last digits."""
    if isinstance(before, float) or isinstance(now, float):
        return isinstance(now, int | float) and abs(before - now) <= FLOAT_TOLERANCE * max(abs(before), abs(now))
    return before == now


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + rest


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"

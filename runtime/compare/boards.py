"""A board's recorded output against a simulation's: exact, and whether a shift would make them equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..program.diagnostics import bad_file

Array = np.ndarray[Any, np.dtype[Any]]
MOST_SHIFT = 64
SUFFIX = ".int"


@dataclass(frozen=True)
class Shift:
    """`found[i + by]` equals `wanted[i]` along `axis` (0 samples, 1 timesteps or frames) wherever both are there:
    `overlap` rows."""

    axis: int
    by: int
    overlap: int


@dataclass(frozen=True)
class Recorded:
    """One array of the simulation beside the board's.

    differing  numbers that differ, None where the shapes do; first: index of the first one, wanted and found there
    shift      a shift that would make them equal, if they are not and there is one
    """

    name: str
    shape: tuple[int, ...]
    found_shape: tuple[int, ...]
    differing: int | None
    first: tuple[tuple[int, ...], float, float] | None = None
    shift: Shift | None = None

    @property
    def equal(self) -> bool:
        return self.differing == 0


def compare_recorded(wanted: Mapping[str, Array], found: Mapping[str, Array] | Array) -> list[Recorded]:
    """Every array of the board's file beside the one of the simulation's file (`write_result`).

    An array of integers is compared with `<name>.int` of the simulation, whether it is called so or `<name>`, floats
    with `<name>`, `trace/<layer>` with its like. One array without a name goes with the only output. NmcError NMC-R030
    where an array of the board has nothing to go with.
    """
    named = found if isinstance(found, Mapping) else {_only_output(wanted): found}
    given = {name: array for name, array in named.items() if name != "counters" and not name.endswith(".edge")}
    pairs, missing = [], []
    for name, array in given.items():
        key = name + SUFFIX if array.dtype.kind in "iub" and name + SUFFIX in wanted else name
        if key in wanted and array.dtype.kind in "iubf":
            pairs.append((key, wanted[key], array))
        else:
            missing.append(name)
    if missing or not pairs:
        what = f"the simulation has no {', '.join(map(repr, missing))}" if missing else "the board's file has no array"
        known = ", ".join(map(repr, (name for name in wanted if name != "counters")))
        raise bad_file("NMC-R030", what, hint=f"it has {known}")
    return [_compare(name, ours, theirs) for name, ours, theirs in pairs]


def _only_output(wanted: Mapping[str, Array]) -> str:
    outputs = [name for name in wanted if name.endswith(SUFFIX)]
    if len(outputs) == 1:
        return outputs[0].removesuffix(SUFFIX)
    known = ", ".join(repr(name.removesuffix(SUFFIX)) for name in outputs)
    raise bad_file("NMC-R030", f"one array without a name for {len(outputs)} outputs", hint=f"outputs: {known}")


def _compare(name: str, wanted: Array, found: Array) -> Recorded:
    shapes = wanted.shape, found.shape
    if wanted.shape != found.shape:
        return Recorded(name, *shapes, None, None, _shift(wanted, found))
    places = np.argwhere(wanted != found)
    if not len(places):
        return Recorded(name, *shapes, 0)
    at = tuple(places[0].tolist())
    return Recorded(name, *shapes, len(places), (at, wanted[at].item(), found[at].item()), _shift(wanted, found))


def _shift(wanted: Array, found: Array) -> Shift | None:
    """The smallest shift with which at least half of the rows lie side by side and are equal, not all one number."""
    if wanted.ndim != found.ndim:
        return None
    steps = sorted(range(-MOST_SHIFT, MOST_SHIFT + 1), key=lambda by: (abs(by), by))
    for axis in reversed(range(min(wanted.ndim, 2))):
        if any(a != b for i, (a, b) in enumerate(zip(wanted.shape, found.shape, strict=True)) if i != axis):
            continue
        ours, theirs = np.moveaxis(wanted, axis, 0), np.moveaxis(found, axis, 0)
        for by in steps:
            low, high = max(0, -by), min(len(ours), len(theirs) - by)
            if 2 * (high - low) < max(min(len(ours), len(theirs)), 1) or high <= low:
                continue
            rows = ours[low:high]
            if np.array_equal(rows, theirs[low + by : high + by]) and np.any(rows != rows.flat[0]):
                return Shift(axis, by, high - low)
    return None

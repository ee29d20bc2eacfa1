"""Letters of axes: the usual ones for a rank, those that a reshape keeps, those that a layer gives its input."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

LETTERS = {1: "N", 2: "NC", 3: "NCW", 4: "NCHW", 5: "NCTHW"}
# Which axis of the graph input each axis of a value is; None: a new one.
Layout = tuple[int | None, ...]
V = TypeVar("V", bound=Hashable)


def default_letters(rank: int) -> str:
    return LETTERS.get(rank, "N" + "_" * (rank - 1))


def input_letters(source: V, rank: int, follow: Callable[[V, Layout], Iterable[tuple[V | None, Layout, str]]]) -> str:
    """Letters of a graph input: those that its first convolution, pool, norm or recurrent layer gives its axes,
    through the transposes (and element-wise ops) in between; else the usual ones for its rank.

    `follow` gives what the readers of a value with some layout make of it: (result, its layout, "") for a reader that
    moves axes or leaves them alone, (None, the layout, the letters it gives the axes) for a layer, nothing for others.
    """
    queue: list[tuple[V, Layout]] = [(source, tuple(range(rank)))]
    seen = {source}
    for value, layout in queue:  # grows while it is walked
        for result, after, names in follow(value, layout):
            if result is None and len(after) == len(names):
                given = dict(zip(after, names, strict=True))
                letters = "".join(given.get(axis, "_") for axis in range(rank))
                return letters if letters[0] == "N" else default_letters(rank)
            if result is not None and result not in seen:
                seen.add(result)
                queue.append((result, after))
    return default_letters(rank)


def reshaped_letters(shape: tuple[int, ...], axes: str, target: tuple[int, ...]) -> str:
    """Letters after a reshape: axes that keep place (from either end) and size keep their letter; what is flattened to
    rank 2 is NC; the rest has none."""
    if len(target) == 2:
        return "NC"
    letters = ["_"] * len(target)
    front = 0
    while front < min(len(shape), len(target)) and shape[front] == target[front]:
        letters[front] = axes[front]
        front += 1
    back = 1
    while back <= min(len(shape), len(target)) - front and shape[-back] == target[-back]:
        letters[-back] = axes[-back]
        back += 1
    if math.prod(shape[:1]) == 1:
        letters[0] = "N"
    return "".join(letters)


def channel_letters(axes: str) -> str:
    """Letters of an operand whose second axis holds the channels, whatever it was called before: time becomes nameless
    rather than guessed, H and W are filled in."""
    usual = default_letters(len(axes))
    tail = [letter if letter not in "NC" else "_" for letter in axes[2:]]
    for i, letter in enumerate(usual[2:]):
        if tail[i] == "_" and letter in "HW" and letter not in tail:
            tail[i] = letter
    return "NC" + "".join(tail)

"""Where a traced tensor has its timesteps, and what is left of it in one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How a traced tensor relates to its *frame*, the value of one timestep, which has the samples in front.

    when    "held": the same in every step; "step": another in each; "last": one result of the whole run
    time    position of the axis that holds all timesteps (of length 1 for what is held); None: the tensor is a frame
    merged  that axis stands in the place of the samples axis, as after flatten(0, 1) of (T, N, …)
    """

    when: str
    time: int | None = None
    merged: bool = False

    def frame(self, shape: Sequence[int]) -> Ints:
        """Shape of the frame of a tensor."""
        if self.time is None:
            return tuple(shape)
        between = (1,) if self.merged else ()
        return (*shape[: self.time], *between, *shape[self.time + 1 :])

    def at(self, time: int | None) -> Layout:
        return replace(self, time=time, merged=self.merged and time == 0)


def reshaped(before: Sequence[int], after: Sequence[int], layout: Layout, merged: bool, moved: bool) -> Layout | None:
    """The layout after a reshape; None if timesteps would mix with other axes.

    The time axis is where as many elements lie behind it as before. Where several axes fit (lengths of 1) the frame
    keeps its shape if it can (unless `moved`: its axes are known to be others), and else the time axis is `merged` as
    asked for.
    """
    assert layout.time is not None
    steps, behind = before[layout.time], math.prod(before[layout.time + 1 :])
    found: list[tuple[bool, bool, bool, int, Layout]] = []
    for axis, size in enumerate(after):
        if size == steps and math.prod(after[axis + 1 :]) == behind:
            for instead in (False, True) if axis == 0 else (False,):
                made = Layout(layout.when, axis, instead)
                frame = made.frame(after)
                if frame[:1] == (1,):
                    same = frame == layout.frame(before)
                    found.append((not same and not moved, instead != merged, axis != layout.time, axis, made))
    return min(found, key=lambda item: item[:4])[4] if found else None

"""How much effort goes into accuracy: the level `optimize` decides the options that are not given themselves.

A target's option record has a field `optimize`, says with `by_level` what an option is at each level, and calls
`take_levels` when it is made, so that its fields always hold what counts.
"""

from __future__ import annotations

import time
from dataclasses import field, fields
from typing import Any

from ..runtime.program.records import OPTIONAL

LEVELS = (0, 1, 2)
USUAL = 1


def by_level(plain: Any, usual: Any, best: Any, *, later: bool = False) -> Any:
    """An option that is `plain` at level 0, `usual` at level 1, `best` at level 2, unless it is given.

    With `later` it came after the first programs, which do not name it: a program holds it where it is not `usual`.
    """
    return field(default=None, metadata={"levels": (plain, usual, best), **(OPTIONAL if later else {})})


def take_levels(options: Any) -> None:
    """Give the options of a new record that were not given what its level says; ValueError for another level."""
    level = options.optimize
    if isinstance(level, bool) or level not in LEVELS:
        raise ValueError(f"optimize must be 0, 1 or 2, not {level!r}")
    for entry in fields(options):
        if "levels" in entry.metadata and getattr(options, entry.name) is None:
            object.__setattr__(options, entry.name, entry.metadata["levels"][level])


class Budget:
    """Seconds, from now on, after which searches end. Without a number they never do, and the clock decides nothing."""

    def __init__(self, seconds: float | None = None):
        self.seconds, self._start = seconds, time.monotonic()

    @property
    def over(self) -> bool:
        """Is the time up?"""
        return self.seconds is not None and time.monotonic() - self._start >= self.seconds


def check_budget(seconds: float | None) -> None:
    """ValueError unless it is a time to search in."""
    if seconds is not None and (isinstance(seconds, bool) or not 0 < seconds < float("inf")):
        raise ValueError(f"time_budget must be a number of seconds above 0, not {seconds!r}")


def stored(options: Any) -> dict[str, Any]:
    """The options as a program keeps them: those that came later only where they are not what they were before. At
    other levels than the usual one all that a level decides is kept."""
    values = {entry.name: getattr(options, entry.name) for entry in fields(options)}
    before: dict[str, Any] = {}
    for entry in fields(options):
        if "levels" not in entry.metadata and entry.metadata.get("optional"):
            before[entry.name] = entry.default
        elif entry.metadata.get("optional") and options.optimize == USUAL:
            before[entry.name] = entry.metadata["levels"][USUAL]
    return {name: value for name, value in values.items() if name not in before or value != before[name]}

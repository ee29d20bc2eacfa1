"""Running programs: `load` a `.nmc` file, put it in a `Session`. Nothing is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .program.container import load
    from .session import Session

__all__ = ["Session", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from .program.container import load

        return load
    if name == "Session":
        from .session import Session

        return Session
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Front ends, IR and passes: from a trained network to a program for a target. Nothing is imported before use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .driver import Compilation, Transformed, compile_model, compile_verbose, transform

__all__ = ["Compilation", "Transformed", "compile_model", "compile_verbose", "transform"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import driver

        return getattr(driver, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

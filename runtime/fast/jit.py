"""Compiled functions: numba's, kept on disk so that a second process need not compile them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numba


def available() -> bool:
    """Whether functions are compiled at all; numba returns them as they are where the user has switched that off."""
    return numba.njit(cores) is not cores


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, made at its first call. It runs without Python's lock, so threads can share it.

    numba keeps the code beside the source, or in the user's cache folder where that is not writable.
    """
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no folder to write to: compile in every process
        return numba.njit(nogil=True)(function)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Compiled functions: numba's, kept on disk so that a second process need not compile them again."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import sigutils
from numba.core.ccallback import CFunc


def available() -> bool:
    """Whether functions are compiled at all; numba returns them as they are where the user has switched that off."""
    return numba.njit(cores) is not cores


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function in machine code, made at its first call. It runs without Python's lock, so threads can share it.

    numba keeps the code beside the source, or in the user's cache folder where that is not writable.
    """
    try:
        return _stamped(numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no folder to write to: compile in every process
        return numba.njit(nogil=True)(function)


def address_of(function: Callable[..., Any], signature: Any) -> int:
    """Where the machine code of a function lies that is called as C functions are; it is made, or read from disk, now.

    What calls an address is compiled without the function's code, so a large function is compiled only once.
    """
    made = CFunc(function, sigutils.normalize_signature(signature), locals={}, options={})
    with suppress(RuntimeError):  # there is no folder to write to
        made.enable_caching()
        _stamped(made)
    made.compile()
    _kept.append(made)
    assert made.address is not None
    return made.address


_kept: list[Any] = []  # code lives as long as its object


def _stamped(made: Any) -> Any:
    """Have the code made again when any file here has changed: numba itself looks at the function's own file only."""
    file = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if file is not None:
        file._source_stamp = stamp()
    return made


@cache
def stamp() -> tuple[tuple[str, int, int], ...]:
    """Name, time and size of every source file of the compiled code."""
    folder = Path(__file__).parent
    files = [(path, path.stat()) for path in sorted(folder.rglob("*.py"))] if folder.is_dir() else []
    return tuple((str(path.relative_to(folder)), found.st_mtime_ns, found.st_size) for path, found in files)


def cores() -> int:
    """Processors that this process may use; fewer where OMP_NUM_THREADS says so, as it does in the workers of Dask."""
    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(have, int(wanted)) if wanted.isdecimal() and int(wanted) else have

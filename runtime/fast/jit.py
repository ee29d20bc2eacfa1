"""Compiled functions: numba's, kept on disk so that a second process need not compile them again."""

from __future__ import annotations

import hashlib
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
        return _with_own_files(numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # there is no folder to write to: compile in every process
        return numba.njit(nogil=True)(function)


def address_of(function: Callable[..., Any], signature: Any) -> int:
    """Where the machine code of a function lies that is called as C functions are; it is made, or read from disk, now.

    What calls an address is compiled without the function's code, so a large function is compiled only once.
    """
    made = CFunc(function, sigutils.normalize_signature(signature), locals={}, options={})
    with suppress(RuntimeError):  # there is no folder to write to
        made.enable_caching()
        _with_own_files(made)
    made.compile()
    _kept.append(made)
    assert made.address is not None
    return made.address


_kept: list[Any] = []  # code lives as long as its object


def _with_own_files(made: Any) -> Any:
    """Keep the code of a function in files of `_Files`."""
    if getattr(getattr(made, "_cache", None), "_cache_file", None) is not None:
        made._cache._cache_file = _Files(made._cache._cache_file)
    return made


class _Files:
    """The machine code of one function, a file for each of its signatures; what numba keeps code with calls it.

    numba's own files are numbered, and an index says which number is whose: of two processes that compile at the same
    time, or where one is killed, a number may come to hold other code than the index says. Here a file says itself what
    its code was made from: signature, processor, numba, and all source files here (numba looks at the function's own).
    """

    def __init__(self, files: Any):
        """files: numba's own (`IndexDataCacheFile`), which writes a file in one step."""
        self._files, self._sources = files, stamp()

    def save(self, key: object, data: object) -> None:
        name, made_from = self._named(key)
        self._files._save_data(name, (made_from, data))

    def load(self, key: object) -> Any:
        """The code, or None where there is none, or it was made from something else."""
        name, wanted = self._named(key)
        try:
            made_from, data = self._files._load_data(name)
        except OSError:  # there is no such file, or another process takes it away
            return None
        return data if made_from == wanted else None

    def _named(self, key: object) -> tuple[str, str]:
        """The file of a signature, processor and version of numba, and what its code is made from."""
        named = repr((key, numba.__version__))  # another version's files may not even be read
        digest = hashlib.sha256(named.encode()).hexdigest()[:16]
        return self._files._index_name.replace(".nbi", f".{digest}.nbc"), repr((named, self._sources))


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

"""Where parts of work run: here, in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ..program.diagnostics import usage
from .files import SharedFile, shared_file

CLUSTER = "dask://"


class Pool(Protocol):
    """Runs functions on tuples of arguments. `local`: where they run, the files of this machine are."""

    @property
    def local(self) -> bool: ...

    def share(self, path: str | os.PathLike[str]) -> tuple[SharedFile, Any]:
        """A file for all processes: what it is, and what stands for it among the arguments of a task."""
        ...

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """(index of the task, function(*task)) for every task, in the order in which they end.

        Tasks are taken from the iterable when there is room for them. The first NmcError of a task is raised here.
        """
        ...


class Here:
    """A pool that is this process: tasks run one after the other."""

    local = True

    def share(self, path: str | os.PathLike[str]) -> tuple[SharedFile, SharedFile]:
        file = shared_file(path)
        return file, file

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        for index, task in enumerate(tasks):
            yield index, function(*task)


@contextmanager
def open_pool(workers: str | int | None = None) -> Iterator[Pool]:
    """The pool for what --workers says: None or 1 is this process, N that many processes, dask://host:port a cluster.

    NmcError NMC-R070 (no package dask), R071 (no such cluster), R076 (no number and no address).
    """
    text = "1" if workers is None else str(workers)
    if text == "1":
        yield Here()
        return
    if not text.startswith(CLUSTER) and not (text.isdecimal() and int(text) > 0):
        hint = f"a number of processes, or {CLUSTER}host:port of a cluster's scheduler"
        raise usage("NMC-R076", f"workers cannot be {text!r}", hint=hint)
    from .cluster import dask_pool  # Dask is imported only where it is asked for

    with dask_pool(text) as pool:
        yield pool

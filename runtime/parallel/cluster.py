"""Tasks on Dask: a cluster of local processes, or one that is there already."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from ..program.diagnostics import Diagnostic, Exit, NmcError, limit, usage
from .files import SharedFile, is_here, shared_file, with_content
from .pool import CLUSTER

AHEAD = 3  # tasks a process that are on their way, so that none waits for its next one
RETRIES = 2
CONNECT_SECONDS = 20  # of a cluster elsewhere
SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # samples travel with their task, on purpose
    "distributed.comm.timeouts.connect": "60s",  # processes of a busy machine answer late
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.multiprocessing-method": "spawn",  # a forked copy of a process with threads may hang
}


@dataclass(frozen=True)
class Failed:
    """The diagnostics of a task: an NmcError itself does not survive the way between processes."""

    diagnostics: tuple[Diagnostic, ...]
    exit_code: Exit


class DaskPool:
    """A pool on a Dask client."""

    def __init__(self, client: Any, local: bool):
        self.client, self.local = client, local

    def share(self, path: str | os.PathLike[str]) -> tuple[SharedFile, Any]:
        """Where a process lacks the file, its bytes go to the cluster, once, as the result of a task: Dask passes them
        on between processes, and has them again should the process that held them be lost."""
        file = shared_file(path)
        if self.local or all(self.client.run(is_here, file).values()):
            return file, file
        return file, self.client.submit(_same, with_content(file), pure=False)

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        from distributed import as_completed

        waiting = enumerate(tasks)
        numbers: dict[Any, int] = {}
        running = as_completed()
        try:
            for _ in range(AHEAD * max(len(self.client.nthreads()), 1)):
                self._submit(function, waiting, numbers, running)
            for future in running:
                yield numbers.pop(future.key), _result(future)
                self._submit(function, waiting, numbers, running)
        finally:
            self.client.cancel(list(running.futures), reason="the run ended")

    def _submit(self, function: Callable[..., Any], waiting: Any, numbers: dict[Any, int], running: Any) -> None:
        """Send the next task, if there is one."""
        for index, task in waiting:
            future = self.client.submit(_guarded, function, *task, pure=False, retries=RETRIES)
            numbers[future.key] = index
            running.add(future)
            return


def _same(value: Any) -> Any:
    return value


def _guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except NmcError as error:
        return Failed(tuple(error.diagnostics), error.exit_code)


def _result(future: Any) -> Any:
    from distributed import CancelledError, KilledWorker

    try:
        value = future.result()
    except KilledWorker as error:
        hint = "if memory ran out: fewer workers, or smaller parts (--part)"
        what = "a part of the work ended every process that took it"
        raise limit("NMC-R072", what, why=f"the last one was {error.last_worker.address}", hint=hint) from error
    except CancelledError as error:
        raise usage("NMC-R071", "the Dask cluster was lost", why=str(error), hint="go on with --resume") from error
    if isinstance(value, Failed):
        raise NmcError(value.diagnostics, value.exit_code)
    return value


@contextmanager
def dask_pool(workers: str) -> Iterator[DaskPool]:
    """A pool of `workers` processes of one thread each, on loopback addresses only, or the cluster dask://host:port.

    NmcError NMC-R070 (no package dask), R071 (no answer, processes with another nmc, or none that start).
    """
    try:
        from dask.config import set as configured
        from distributed import Client
    except ImportError as error:
        hint = "pip install 'nmc[dask]'"
        raise usage("NMC-R070", "several workers need the package distributed", why=str(error), hint=hint) from error
    with configured(SETTINGS):
        if workers.startswith(CLUSTER):
            with _connected(workers) as client:
                yield DaskPool(client, local=False)
            return
        with _local_cluster(int(workers)) as cluster, Client(cluster) as client:
            yield DaskPool(client, local=True)


def _local_cluster(workers: int) -> Any:
    """So many processes of one thread each; NmcError NMC-R071 where they do not start."""
    from distributed import LocalCluster

    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # Dask would count the pages of the program's file once for every process
            preload=[f"{__package__}.worker"],
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError) as error:
        hint = "fewer workers; is the limit of processes or of memory reached?"
        raise usage("NMC-R071", f"{workers} processes cannot be started", why=str(error), hint=hint) from error


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    from distributed import Client

    scheduler = "tcp://" + address.removeprefix(CLUSTER)
    hint = "start one with `dask scheduler` and `dask worker`, in environments that have nmc"
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise usage("NMC-R071", "no Dask scheduler answers", address, str(error), hint) from error
    try:
        yield _checked(client, address, hint)
    finally:
        client.close()


def _checked(client: Any, address: str, hint: str) -> Any:
    """NmcError NMC-R071 unless there are workers, and all have this nmc."""
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        found = client.run(version, "nmc")
    except Exception as error:  # what a worker without nmc answers depends on what it has instead
        raise usage("NMC-R071", "the cluster has no workers with nmc", address, str(error), hint) from error
    others = sorted({other for other in found.values() if other != version("nmc")})
    if others:
        why = f"theirs is {', '.join(others)}, here it is {version('nmc')}"
        raise usage("NMC-R071", "the workers of the cluster have another nmc", address, why, hint)
    return client

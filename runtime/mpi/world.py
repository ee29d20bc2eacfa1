"""All processes of an MPI run, through mpi4py, which is imported only here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..program.diagnostics import usage
from .exchange import Received

SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
"""Environment variables in which launchers (MPICH and its relatives, Open MPI) say how many processes they started."""
RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK")
"""Those that say which one this is. Some launchers set such a one alone (PMIx)."""


def launched() -> bool:
    """Whether an MPI launcher started this process as one of several, as far as the environment says."""
    sizes = [os.environ[name] for name in SIZES if name in os.environ]
    return any(size != "1" for size in sizes) if sizes else any(name in os.environ for name in RANKS)


def launched_rank() -> int:
    """The number of this process among those that the launcher started, as far as the environment says; else 0."""
    numbers = [os.environ[name] for name in RANKS if name in os.environ]
    return int(numbers[0]) if numbers and numbers[0].isdecimal() else 0


class World:
    """`Comm` of all processes. NmcError NMC-R010 where mpi4py or the MPI library is missing."""

    def __init__(self) -> None:
        try:
            from mpi4py import MPI
        except (ImportError, RuntimeError) as error:
            hint = "pip install 'nmc[mpi]', and an MPI library such as MPICH, or start one process without mpirun"
            raise usage("NMC-R010", "mpi4py cannot be loaded", why=str(error), hint=hint) from error
        self._mpi: Any = MPI
        self._comm: Any = MPI.COMM_WORLD
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size

    def exchange(self, sent: Mapping[int, NDArray[np.int32]], most: Mapping[int, int]) -> Callable[[], Received]:
        mpi, comm = self._mpi, self._comm
        buffers = {rank: np.empty(size, np.int32) for rank, size in most.items()}
        requests = [comm.Irecv([buffer, mpi.INT32_T], rank) for rank, buffer in buffers.items()]
        requests += [comm.Isend([array, mpi.INT32_T], rank) for rank, array in sent.items()]

        def finish() -> Received:
            statuses = [mpi.Status() for _ in requests]
            mpi.Request.Waitall(requests, statuses)
            counts = [status.Get_count(mpi.INT32_T) for status in statuses[: len(buffers)]]
            return {rank: buffer[:count] for (rank, buffer), count in zip(buffers.items(), counts, strict=True)}

        return finish

    def gather(self, value: Any) -> list[Any]:
        return self._comm.gather(value) or []

    def allgather(self, value: Any) -> list[Any]:
        return self._comm.allgather(value)

    def broadcast(self, array: NDArray[np.int32] | None, size: int) -> NDArray[np.int32]:
        made = np.empty(size, np.int32) if array is None else np.ascontiguousarray(array, np.int32)
        self._comm.Bcast([made, self._mpi.INT32_T])
        return made

    def abort(self, exit_code: int) -> NoReturn:
        """End all processes now, the launcher with this code."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._comm.Abort(exit_code)
        raise SystemExit(exit_code)

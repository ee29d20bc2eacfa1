"""The ranks of an MPI run as threads of one process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from threading import Barrier
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nmc.runtime.mpi.exchange import Received

T = TypeVar("T")
Int32s = NDArray[np.int32]


class Threads:
    """What the ranks share; TIMEOUT seconds without an answer are a hang, and an error."""

    TIMEOUT = 60

    def __init__(self, size: int):
        self.size = size
        self.barrier = Barrier(size)
        self.values: list[Any] = [None] * size
        self.queues: dict[tuple[int, int], Queue[Int32s]] = {
            (a, b): Queue() for a in range(size) for b in range(size) if a != b
        }

    def run(self, work: Callable[[ThreadComm], T]) -> list[T]:
        """What `work` gives at each rank; an error of any rank is raised here."""
        with ThreadPoolExecutor(self.size) as pool:
            return [done.result() for done in [pool.submit(work, ThreadComm(self, k)) for k in range(self.size)]]


class ThreadComm:
    """`Comm` of one rank. Counts the entries that it sent to each other rank."""

    def __init__(self, shared: Threads, rank: int):
        self._shared, self.rank, self.size = shared, rank, shared.size
        self.sent = dict.fromkeys(range(shared.size), 0)

    def exchange(self, sent: Mapping[int, Int32s], most: Mapping[int, int]) -> Callable[[], Received]:
        for rank, array in sent.items():
            assert array.dtype == np.int32 and rank != self.rank
            self.sent[rank] += len(array)
            self._shared.queues[self.rank, rank].put(array.copy())

        def finish() -> Received:
            found = {rank: self._shared.queues[rank, self.rank].get(timeout=Threads.TIMEOUT) for rank in most}
            assert all(len(found[rank]) <= most[rank] for rank in most)
            return found

        return finish

    def gather(self, value: Any) -> list[Any]:
        values = self.allgather(value)
        return values if self.rank == 0 else []

    def allgather(self, value: Any) -> list[Any]:
        self._shared.values[self.rank] = value
        self._shared.barrier.wait(Threads.TIMEOUT)
        values = list(self._shared.values)
        self._shared.barrier.wait(Threads.TIMEOUT)
        return values

    def broadcast(self, array: Int32s | None, size: int) -> Int32s:
        values = self.allgather(array)
        assert len(values[0]) == size
        return values[0]

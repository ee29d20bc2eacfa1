"""Spikes from rank to rank: once in every timestep, and only to the ranks that have synapses for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..encode import Bools
from ..program.diagnostics import Exit, NmcError
from .part import Part

T = TypeVar("T")
Received = Mapping[int, NDArray[np.int32]]


class Comm(Protocol):
    """What the ranks of a run need of each other; `runtime/mpi/world.py` has that of mpi4py."""

    rank: int
    size: int

    def exchange(self, sent: Mapping[int, NDArray[np.int32]], most: Mapping[int, int]) -> Callable[[], Received]:
        """Begin to send an array to each rank in `sent`, and to receive one from each rank in `most`, of at most so
        many entries; the function that is returned waits for all, and gives what arrived by rank. One at a time."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """The values of all ranks in their order, at rank 0; elsewhere []."""
        ...

    def allgather(self, value: Any) -> list[Any]:
        """The values of all ranks in their order."""
        ...

    def broadcast(self, array: NDArray[np.int32] | None, size: int) -> NDArray[np.int32]:
        """The array of rank 0, int32 [size], at every rank."""
        ...


class FailedElsewhereError(Exception):
    """Another rank failed and tells why; `exit_code` is the one that its error stands for."""

    def __init__(self, exit_code: int):
        super().__init__("another process failed")
        self.exit_code = exit_code


def agreed(comm: Comm, work: Callable[[], T]) -> T:
    """What `work` gives. If it fails anywhere, the first rank that failed raises its error, and all others
    FailedElsewhereError, so that no rank waits for another."""
    made: T | Exception
    try:
        made = work()
    except Exception as error:
        made = error
    codes = comm.allgather(_exit_code(made) if isinstance(made, Exception) else None)
    failed = [rank for rank, code in enumerate(codes) if code is not None]
    if failed and failed[0] != comm.rank:
        raise FailedElsewhereError(codes[failed[0]])
    if isinstance(made, Exception):
        raise made
    return made


def _exit_code(error: Exception) -> int:
    if isinstance(error, NmcError):
        return int(error.exit_code)
    return int(Exit.LIMIT if isinstance(error, MemoryError) else Exit.CHECK_FAILED)


class Exchange:
    """Sends which neurons of `part` fired, and hears which of its ghosts did.

    A message is the number of a neuron in the list that two ranks share, and of the sample: sample · length + number,
    int32. Every rank that has neurons for another sends it one packet in each timestep, without messages if none
    fired. `messages` and `packets` count what this rank sent.
    """

    def __init__(self, comm: Comm, part: Part):
        self._comm, self._part = comm, part
        self._wait: Callable[[], Received] = dict
        self.messages = self.packets = 0

    def start(self, fired: Bools) -> None:
        """Begin with the timestep in which these neurons fired, bool [batch, k]."""
        sent = {
            rank: np.flatnonzero(np.take(fired, own, axis=1)).astype(np.int32) for rank, own in self._part.sends.items()
        }
        most = {rank: len(fired) * len(ghosts) for rank, ghosts in self._part.hears.items()}
        self.messages += sum(map(len, sent.values()))
        self.packets += len(sent)
        self._wait = self._comm.exchange(sent, most)

    def finish(self, batch: int) -> Bools:
        """Which ghosts fired in that timestep, bool [batch, g]."""
        arrived = np.zeros((batch, len(self._part.ghosts)), np.bool_)
        for rank, numbers in self._wait().items():
            ghosts = self._part.hears[rank]
            sample, number = np.divmod(numbers, len(ghosts)) if batch > 1 else (0, numbers)
            arrived[sample, ghosts[number]] = True
        return arrived

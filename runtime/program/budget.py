"""What a command may use at most: memory, synapses. Asked before what is large is made, not after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from .diagnostics import Diagnostic, Exit, NmcError


@dataclass
class _Left:
    """memory: bytes that the process may hold; synapses: how many more may be made. None: as many as there are."""

    memory: int | None = None
    synapses: int | None = None


_LEFT: ContextVar[_Left | None] = ContextVar("nmc_budget", default=None)
_STATM = Path("/proc/self/statm")


@contextmanager
def limited(memory: int | None = None, synapses: int | None = None) -> Iterator[None]:
    """Within, what would take the process beyond `memory` bytes, or a program beyond `synapses`, is refused."""
    token = _LEFT.set(_Left(memory, synapses))
    try:
        yield
    finally:
        _LEFT.reset(token)


def take_memory(needed: int, what: str, where: str = "") -> None:
    """Call before `needed` bytes are allocated. NmcError NMC-R050 (limit) if that would be too much."""
    left = _LEFT.get()
    if left is None or left.memory is None:
        return
    held = _held()
    if held + needed > left.memory:
        raise NmcError(
            Diagnostic(
                "NMC-R050",
                f"{what} takes {_size(needed)}",
                where,
                f"{_size(held)} are in use, --max-memory allows {_size(left.memory)}",
                "a higher --max-memory, fewer samples at once, or a smaller network",
            ),
            Exit.LIMIT,
        )


def take_synapses(count: int, where: str = "") -> None:
    """Call before a table of `count` synapses is made. NmcError NMC-R051 (limit) if the program would have too many."""
    left = _LEFT.get()
    if left is None or left.synapses is None:
        return
    if count > left.synapses:
        why = f"{count:,} more were to be made where --max-synapses leaves {left.synapses:,}"
        hint = "a higher --max-synapses, or a smaller network"
        raise NmcError(Diagnostic("NMC-R051", "the program has too many synapses", where, why, hint), Exit.LIMIT)
    left.synapses -= count


def _held() -> int:
    """Bytes of memory that belong to this process alone: pages of files do not count. 0 where Linux's /proc is not."""
    try:
        _, resident, shared, *_ = map(int, _STATM.read_text().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def _size(number: int) -> str:
    return f"{number / 2**20:,.1f} MiB"

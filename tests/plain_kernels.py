"""A plugin, `NUMBA_DISABLE_JIT=1 PYTHONPATH=tests pytest -p plain_kernels`: the fast engines as plain Python.

What Python then runs are the sources of the compiled functions, so a tool that counts lines sees them. Only what writes
machine code itself (tiles and tails of the dense engine) is compiled nevertheless and called by its address.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest
from numba import types

from nmc.runtime.fast import jit
from nmc.runtime.fast.dense import kernels, plan
from nmc.runtime.fast.dense.tail import ARGUMENTS, run_tail


def call_tile(address: int, which: int, arguments: tuple[int, ...]) -> None:
    """What `run_tile` does."""
    numbers = [which, *arguments]
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(numbers))(int(address))(*map(int, numbers))


def _tail(
    sums: int,
    stride: int,
    pixels: int,
    numbers: int,
    output: int,
    places: int,
    lanes: int,
    wide: int,
    bottom: int,
    top: int,
    zero: int,
    counts: int,
) -> None:
    run_tail((sums, stride, pixels, numbers, output, places, lanes, wide, bottom, top, zero, counts))


def call_tail(arguments: tuple[int, ...]) -> None:
    """What `run_tail` does."""
    count = len(ARGUMENTS)
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(TAIL)(*map(int, arguments))


class Operation(SimpleNamespace):
    """A record whose fields are attributes, too, as they are in machine code."""

    def __getitem__(self, field: str) -> Any:
        return getattr(self, field)


class Operations(list[Operation]):
    """An array of them."""

    def __init__(self, given: Any):
        super().__init__(Operation(**{name: row[name] for name in given.dtype.names}) for row in given)
        self.given = given

    def __getitem__(self, key: Any) -> Any:
        return self.given[key] if isinstance(key, str) else super().__getitem__(key)


assert not jit.available(), "NUMBA_DISABLE_JIT is not set"
TAIL = jit.address_of(_tail, types.void(*[types.int64] * len(ARGUMENTS)))
_records = plan._records
plan._records = lambda steps: Operations(_records(steps))
kernels.run_tile, kernels.run_tail = call_tile, call_tail


def pytest_configure(config: pytest.Config) -> None:
    """Hashes of a table's rows are products modulo 2^64, which only numpy's scalars warn of."""
    config.addinivalue_line("filterwarnings", "ignore:overflow encountered:RuntimeWarning")

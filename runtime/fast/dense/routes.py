"""The ways to multiply bytes that a processor has. All give the same sums; they differ in speed alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm
from numba.core import config

LANES = 16  # channels, int32 each, that are worked on together


@dataclass(frozen=True)
class Route:
    """One way. `needs` are LLVM's names of what the processor must have.

    number   of the route in compiled code
    pixels   how many pixels of a tile are summed together where there are so many, most first
    vectors  how many vectors of LANES channels at most: pixels · vectors of them have to fit into the registers
    """

    name: str
    number: int
    needs: tuple[str, ...]
    pixels: tuple[int, ...]
    vectors: int


ROUTES = (
    Route("vnni512", 0, ("avx512f", "avx512bw", "avx512vnni"), (8, 4, 1), 3),
    Route("avx512", 1, ("avx512f", "avx512bw"), (8, 4, 1), 3),
    Route("vnni256", 2, ("avx512vl", "avx512vnni"), (4, 1), 1),
    Route("avx2", 3, ("avx2",), (4, 1), 1),
    Route("plain", 4, (), (4, 1), 1),
)
"""The fastest first. `plain` is for any processor."""

DEPTHWISE = Route("depthwise", len(ROUTES), (), (8, 4, 1), 1)
"""Sums of each channel alone: one way for all processors."""


@cache
def available() -> tuple[Route, ...]:
    """The routes that compiled code can take here."""
    if getattr(config, "CPU_NAME", None) or getattr(config, "CPU_FEATURES", None):
        # The user has numba compile for another processor.
        return ROUTES[-1:]
    features = llvm.get_host_cpu_features()
    return tuple(route for route in ROUTES if all(features.get(need, False) for need in route.needs))


def route(name: str | None = None) -> Route:
    """The route of that name, or the fastest one. ValueError where the processor does not have it."""
    found = [each for each in available() if name in (None, each.name)]
    if not found:
        raise ValueError(f"no route {name!r}; this processor has {', '.join(each.name for each in available())}")
    return found[0]

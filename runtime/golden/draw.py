"""Inputs from a seed: the same numbers on every machine and with every version of numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..program.diagnostics import bad_file
from .case import Random

BITS = 24  # of a drawn number: float32 holds it exactly


def draw(random: Random, shapes: Mapping[str, tuple[int, ...]], trains: frozenset[str], where: str) -> dict[str, Any]:
    """Arrays float32 (samples, *shape) by input name, drawn one after the other.

    The raw 64-bit numbers k of PCG64(seed) give u = (k >> 40) / 2^24: uniform inputs are u, events are u < rate. The
    raw stream is what numpy promises to keep; what it makes of it (`Generator.random`) is not. `timesteps` replaces
    the first axis of the shapes in `trains`. NmcError NMC-R042 if there are none of those.
    """
    if random.timesteps and not trains:
        raise bad_file("NMC-R042", "the model takes no trains, so timesteps has no meaning", where, hint="leave it out")
    stream, made = np.random.PCG64(random.seed), {}
    for name, shape in shapes.items():
        frame = (random.timesteps, *shape[1:]) if random.timesteps and name in trains else shape
        size = (random.samples, *frame)
        made[name] = _numbers(stream, random, math.prod(size)).reshape(size)
    return made


def _numbers(stream: np.random.PCG64, random: Random, count: int) -> NDArray[np.float32]:
    drawn = np.atleast_1d(stream.random_raw(count)) >> np.uint64(64 - BITS)
    numbers = drawn.astype(np.float64) / 2**BITS
    return (numbers < random.rate if random.kind == "events" else numbers).astype(np.float32)

"""What sessions of all kinds share: the result of a run, engines by name, how many samples run together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .arith import Ints
from .program.budget import take_memory
from .program.diagnostics import usage

Engine = TypeVar("Engine")

# Samples that run together are limited so that an array with one int64 per element (neuron, or activation of the
# widest layer) and sample takes at most 16 MiB; a timestep or frame needs about WORK_ARRAYS such arrays.
WORK_ARRAYS = 10
BATCH_ENTRIES = 1 << 21
MAX_BATCH = 256


@dataclass(frozen=True)
class Result:
    """What a run gives. Every array but `edges` has the samples as its first axis; there are n of them.

    outputs     float32 (n, *shape) by output name
    integers    int64 (n, *shape) by output name: what the float values were made of
    counters    totals over all samples; always `samples` n, `input_clipped` (values outside the code range) and
                `out_of_range` (potentials or buffers that left their width), the others as the session says
    trace       with trace=True: integers of every layer by name: activations, spike counts, or, of a spiking network,
                (n, steps, *shape) spikes step by step
    potentials  with trace=True, CRI: int64 (n, *shape) potentials after the last timestep by population name
    edges       Akida: bool (length,) by name of an output with edge frames, which may differ from the source model's
    """

    outputs: dict[str, NDArray[np.float32]]
    integers: dict[str, Ints]
    counters: dict[str, Any]
    trace: dict[str, Ints] = field(default_factory=dict)
    potentials: dict[str, Ints] = field(default_factory=dict)
    edges: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


def take_results(samples: int, outputs: Iterable[int], kept: Iterable[int], work: int) -> None:
    """Call before the arrays of a result are made. NmcError NMC-R050 (limit) if they would be too large.

    outputs, kept  elements of one sample of each output (float32 and int64) and of each traced array (int64)
    work           elements of the widest array of samples that run together, of which a step needs WORK_ARRAYS
    """
    needed = samples * (12 * sum(outputs) + 8 * sum(kept)) + 8 * WORK_ARRAYS * work
    take_memory(needed, f"a run of {samples:,} samples")


def named_engine(engines: Mapping[str, Engine], name: str) -> Engine:
    """The engine of that name; NmcError NMC-R009 if there is none."""
    if name not in engines:
        raise usage("NMC-R009", f"unknown engine {name!r}", hint=f"engines: {', '.join(engines)}")
    return engines[name]


def in_batches(
    arrays: Mapping[str, NDArray[Any]], samples: int, size: int, progress: Callable[[int, int], object] | None
) -> Iterator[tuple[int, int, dict[str, NDArray[Any]]]]:
    """(first sample, number of samples, their arrays) for at most `size` samples at a time; `progress` is told
    (samples done, samples in all) after each. ValueError if size is below 1."""
    if size < 1:
        raise ValueError(f"batch must be at least 1, not {size}")
    for low in range(0, samples, size):
        count = min(size, samples - low)
        yield low, count, {name: array[low : low + size] for name, array in arrays.items()}
        if progress:
            progress(low + count, samples)

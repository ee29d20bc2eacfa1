"""What sessions of all kinds share: the result of a run, engines by name, how many samples run together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .arith import Ints
from .program.budget import take_memory
from .program.diagnostics import usage
from .program.html_table import html_table, shape_text

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

    def _repr_html_(self) -> str:
        """What a notebook shows: outputs, counters, what was traced."""
        kinds = (("output", self.outputs), ("trace", self.trace), ("potential", self.potentials))
        rows = [(kind, name, *_spread(array)) for kind, arrays in kinds for name, array in arrays.items()]
        counts = [(name, f"{v:,}") for name, v in self.counters.items() if isinstance(v, int | float)]
        arrays = html_table("Arrays of a run", ("", "name", "shape", "least", "largest", "zeros"), rows)
        return arrays + html_table("Counters", ("counter", "total"), counts)


def _spread(array: NDArray[Any]) -> tuple[str, ...]:
    """Shape, range and share of zeros of an array, in words."""
    if not array.size:
        return shape_text(array.shape), "", "", ""
    share = np.count_nonzero(array == 0) / array.size
    return shape_text(array.shape), f"{array.min():.6g}", f"{array.max():.6g}", f"{share:.1%}"


def take_results(samples: int, outputs: Iterable[int], kept: Iterable[int], work: int) -> None:
    """Call before the arrays of a result are made. NmcError NMC-R050 (limit) if they would be too large.

    outputs, kept  elements of one sample of each output (float32 and int64) and of each traced array (int64)
    work           elements of the widest array of samples that run together, of which a step needs WORK_ARRAYS
    """
    needed = samples * (12 * sum(outputs) + 8 * sum(kept)) + 8 * WORK_ARRAYS * work
    take_memory(needed, f"a run of {samples:,} samples")


def named_engine(engines: Mapping[str, Engine], name: str) -> Engine:
    """The engine of that name; `torch:cuda` is `torch` on that device. NmcError NMC-R009 if there is none."""
    base, _, device = name.partition(":")
    if base not in engines or (device and base != "torch"):
        raise usage("NMC-R009", f"unknown engine {name!r}", hint=f"engines: {', '.join(engines)}")
    return cast(Engine, partial(cast(Callable[..., Any], engines[base]), device=device)) if device else engines[base]


def torch_device(name: str) -> Any:
    """The torch.device for the engine `torch`; NmcError NMC-R026 if it, or torch, is not there."""
    try:
        from .torch_engine.device import find_device
    except ImportError as error:
        raise usage("NMC-R026", "torch is not installed", why=str(error), hint="pip install 'nmc[torch]'") from error
    return find_device(name)


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

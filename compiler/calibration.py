"""Calibration samples: checked, or made up with a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..runtime.program.budget import take_memory
from .diagnostics import NmcError, bad_file
from .ir import Graph, TensorType, Value, steps_of
from .ir.ops import FakeQuantize

Array = np.ndarray[Any, Any]
SYNTHETIC_SAMPLES = 64
SYNTHETIC_ELEMENTS = 1 << 23
SYNTHETIC_SEED = 0
SYNTHETIC_TRAINS = 4
SYNTHETIC_RATE = 0.3


def synthetic_samples(graph: Graph) -> tuple[dict[str, Array], str]:
    """Uniform noise for every input, in [0, 1) or in the range of its quantizer, fewer samples of large ones; and the
    sentence that tells the user so where nothing gives ranges."""
    rng = np.random.default_rng(SYNTHETIC_SEED)
    largest = max((v.type.elements for v in graph.inputs), default=1)
    count = min(max(SYNTHETIC_ELEMENTS // max(largest, 1), 1), SYNTHETIC_SAMPLES)
    samples = {v.name: _within(rng.random((count, *v.type.shape[1:])), v) for v in graph.inputs}
    return samples, (
        f"no calibration data: activation ranges come from {count} samples of uniform noise in [0, 1); "
        "give --calibration with typical inputs for a program that is accurate"
    )


def _within(noise: Array, value: Value) -> Array:
    """Noise from [0, 1) over the range of the input's quantizer, if it has one for the whole tensor."""
    for node, _ in value.uses:
        op, parameters = node.op, [v.data for v in node.operands[1:] if v is not None and v.is_constant]
        if isinstance(op, FakeQuantize) and not any(p.ndim for p in parameters):
            low, high = op.evaluate(np.array([-np.inf, np.inf]), *parameters)
            return low + noise * (high - low)
    return noise


def synthetic_events(graph: Graph) -> dict[str, Array]:
    """A few random binary trains for the inputs of a spiking network: enough to compare two of its graphs."""
    rng = np.random.default_rng(SYNTHETIC_SEED)
    steps = {v.name: (steps_of(graph),) if graph.timing[v.name].axis >= 0 else () for v in graph.inputs}
    shapes = {v.name: (SYNTHETIC_TRAINS, *steps[v.name], *v.type.shape[1:]) for v in graph.inputs}
    return {name: (rng.random(shape) < SYNTHETIC_RATE).astype(np.float64) for name, shape in shapes.items()}


def check_samples(graph: Graph, given: Mapping[str, Array] | Array) -> dict[str, Array]:
    """The samples by input name in float64; NmcError NMC-Q001 unless each has shape (samples, *sample shape), the same
    number of samples ≥ 1, and finite numbers.

    For an input with a time axis the array may also hold frames, (frames, *shape without time), at least as many as a
    clip has: they are cut into clips one after the other, the last of which overlaps the one before if need be.
    Trains of a spiking network, (samples, timesteps, *frame shape), have any number of timesteps.
    """
    if isinstance(given, Mapping):
        named = dict(given)
    else:
        named = {value.name: given for value in graph.inputs[:1]}
    wanted = {value.name: value.type for value in graph.inputs}
    if len(named) == 1 and len(wanted) == 1:
        named = dict(zip(wanted, named.values(), strict=True))
    if named.keys() != wanted.keys():
        raise _wrong(f"arrays {sorted(named)} for inputs {sorted(wanted)}", "one array per input, under its name")
    trains = {name for name in wanted if graph.stepped and graph.timing[name].axis >= 0}
    checked = {name: _check_array(name, np.asarray(named[name]), t, name in trains) for name, t in wanted.items()}
    if len({len(array) for array in checked.values()}) > 1:
        raise _wrong("the inputs have different numbers of samples")
    return checked


def _check_array(name: str, array: Array, type: TensorType, train: bool) -> Array:
    shape: tuple[int | str, ...] = ("timesteps", *type.shape[1:]) if train else type.shape[1:]
    if array.dtype.kind not in "fiub":
        raise _wrong(f"input {name!r} has dtype {array.dtype}", "numbers: float, int, uint or bool")
    time = type.axis("T")
    if time is not None and array.shape[1:] == (*type.shape[1:time], *type.shape[time + 1 :]):
        array = _clips(name, array, type.shape[time], time)
    fits = array.shape[2:] == shape[1:] and array.ndim > 1 if train else array.shape[1:] == shape
    if not fits or array.size < 1:
        expected = ", ".join(map(str, ("samples", *shape)))
        raise _wrong(f"input {name!r} has shape {array.shape}, expected ({expected})")
    if array.dtype != np.float64:
        take_memory(8 * array.size, f"calibration data in float64, {array.shape}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise _wrong(f"input {name!r} holds NaN or infinity")
    return array


def _clips(name: str, frames: Array, length: int, time: int) -> Array:
    """Frames of one stream as clips of that many."""
    if len(frames) < length:
        raise _wrong(f"input {name!r} has {len(frames)} frames, a clip has {length}")
    starts = [*range(0, len(frames) - length, length), len(frames) - length]
    return np.stack([np.moveaxis(frames[start : start + length], 0, time - 1) for start in starts])


def _wrong(why: str, hint: str = "") -> NmcError:
    return bad_file("NMC-Q001", "the calibration data does not fit the model", why=why, hint=hint)

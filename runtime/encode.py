"""The host's side of a run: checks and quantization of inputs; for CRI input codes to axons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import arith
from .arith import Ints
from .program.cri import CriProgram, Input, Phase
from .program.diagnostics import NmcError, bad_file

Array = np.ndarray[Any, np.dtype[Any]]
Bools = NDArray[np.bool_]

# Codes have at most 16 bits and zero points 32, so what lies beyond this is out of range however it is rounded.
FAR = 2.0**53


class Sample(Protocol):
    """What the check of an input needs to know of it."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, ...]: ...


def check_inputs(inputs: Sequence[Sample], given: Mapping[str, ArrayLike] | ArrayLike) -> dict[str, Array]:
    """The arrays by input name, each (samples, *shape), numeric and finite; one array may come without a name.

    NmcError NMC-R004 (names), R005 (shape), R006 (dtype), R007 (NaN, infinity), always with what was expected.
    """
    if isinstance(given, Mapping):
        named: dict[str, Any] = dict(given)
    elif len(inputs) == 1:
        named = {inputs[0].name: given}
    else:
        raise _wrong_names(inputs, "one array without a name")
    if named.keys() != {entry.name for entry in inputs}:
        raise _wrong_names(inputs, ", ".join(map(repr, named)) or "none")
    arrays = {entry.name: _check_array(entry, named[entry.name]) for entry in inputs}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise bad_file("NMC-R005", "the inputs must have the same number of samples", why=f"they have {counts}")
    return arrays


def _check_array(entry: Sample, given: ArrayLike) -> Array:
    where = f"input {entry.name!r}"
    expected = f"({', '.join(['samples', *map(str, entry.shape)])})"
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise bad_file("NMC-R005", f"expected shape {expected}, got uneven lists", where, str(error)) from error
    if array.dtype.kind not in "biuf":
        hint = "give floats, integers or booleans"
        raise bad_file("NMC-R006", f"expected numbers, got dtype {array.dtype}", where, hint=hint)
    if array.shape[1:] != entry.shape or array.ndim == 0:
        alone = array.shape == entry.shape
        hint = "add the samples axis: x[None]" if alone else "the first axis counts samples, the rest is one sample"
        raise bad_file("NMC-R005", f"expected shape {expected}, got {array.shape}", where, hint=hint)
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise bad_file("NMC-R007", f"expected finite numbers, got {bad} of NaN or infinity", where)
    return array


def _wrong_names(inputs: Sequence[Sample], got: str) -> NmcError:
    expected = ", ".join(repr(entry.name) for entry in inputs) or "none"
    hint = "name each array as the graph input it is for"
    return bad_file("NMC-R004", f"expected arrays for the inputs {expected}, got {got}", hint=hint)


def codes(entry: Input, values: Array) -> tuple[Ints, int]:
    """clip(round_half_even(x / scale) + zero_point, 0, 2^bits − 1), and how many values the clip changed."""
    return quantize(values, entry.scale, entry.zero_point, 0, 2**entry.bits - 1)


def quantize(values: Array, scale: float, zero_point: int, low: int, high: int) -> tuple[Ints, int]:
    """clip(round_half_even(x / scale) + zero_point, low, high), and how many values the clip changed."""
    with np.errstate(over="ignore"):
        quotient = np.clip(values.astype(np.float64) / scale, -FAR, FAR)
    exact = arith.round_half_even(quotient) + zero_point
    clipped = np.clip(exact, low, high)
    return clipped, int(np.count_nonzero(clipped != exact))


def bit_planes(entry: Input, code: Ints) -> Bools:
    """Activity of the input's axons for one row, bool [samples, axons]: entry bits·e + k is bit k of element e."""
    bits = (code.reshape(len(code), -1, 1) >> np.arange(entry.bits)) & 1
    return bits.astype(np.bool_).reshape(len(code), entry.axons)


def step_axons(program: CriProgram, step: int, codes: Mapping[str, Ints], axons: Bools) -> None:
    """Switch on, in bool [samples, axons], all axons that fire in this timestep; `codes` by input (samples, *shape)."""
    control_axons(program.schedule, step, axons)
    for entry in program.inputs:
        if step in entry.steps:
            code = codes[entry.name]
            row = code[:, entry.steps.index(step)] if entry.every else code
            axons[:, entry.first : entry.first + entry.axons] |= bit_planes(entry, row)


def control_axons(schedule: Sequence[Phase], step: int, axons: Bools) -> None:
    """Switch on, in bool [samples, axons], the control axons that fire in this timestep."""
    for phase in schedule:
        if phase.start <= step <= phase.stop and (step - phase.start) % phase.period == 0:
            axons[:, phase.first : phase.first + phase.count] = True

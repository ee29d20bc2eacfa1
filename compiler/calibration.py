"""Calibration samples: checked, or made up with a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .diagnostics import NmcError, bad_file
from .ir import Graph

Array = np.ndarray[Any, Any]
SYNTHETIC_SAMPLES = 64
SYNTHETIC_SEED = 0


def synthetic_samples(graph: Graph) -> tuple[dict[str, Array], str]:
    """Uniform noise in [0, 1) for every input, and the sentence that tells the user so."""
    rng = np.random.default_rng(SYNTHETIC_SEED)
    samples = {v.name: rng.random((SYNTHETIC_SAMPLES, *v.type.shape[1:])) for v in graph.inputs}
    return samples, (
        f"no calibration data: activation ranges come from {SYNTHETIC_SAMPLES} samples of uniform noise in [0, 1); "
        "give --calibration with typical inputs for a program that is accurate"
    )


def check_samples(graph: Graph, given: Mapping[str, Array] | Array) -> dict[str, Array]:
    """The samples by input name in float64; NmcError NMC-Q001 unless each has shape (samples, *sample shape), the same
    number of samples ≥ 1, and finite numbers."""
    if isinstance(given, Mapping):
        named = dict(given)
    else:
        named = {value.name: given for value in graph.inputs[:1]}
    wanted = {value.name: value.type.shape[1:] for value in graph.inputs}
    if len(named) == 1 and len(wanted) == 1:
        named = dict(zip(wanted, named.values(), strict=True))
    if named.keys() != wanted.keys():
        raise _wrong(f"arrays {sorted(named)} for inputs {sorted(wanted)}", "one array per input, under its name")
    checked = {name: _check_array(name, np.asarray(named[name]), shape) for name, shape in wanted.items()}
    if len({len(array) for array in checked.values()}) > 1:
        raise _wrong("the inputs have different numbers of samples")
    return checked


def _check_array(name: str, array: Array, shape: tuple[int, ...]) -> Array:
    if array.dtype.kind not in "fiub":
        raise _wrong(f"input {name!r} has dtype {array.dtype}", "numbers: float, int, uint or bool")
    if array.shape[1:] != shape or len(array) < 1:
        expected = ", ".join(map(str, ("samples", *shape)))
        raise _wrong(f"input {name!r} has shape {array.shape}, expected ({expected})")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise _wrong(f"input {name!r} holds NaN or infinity")
    return array


def _wrong(why: str, hint: str = "") -> NmcError:
    return bad_file("NMC-Q001", "the calibration data does not fit the model", why=why, hint=hint)

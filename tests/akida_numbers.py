"""Random parameters and variables of Akida layers: as a compiler chooses them, or at the ends of what is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nmc.runtime.program import Layer
from nmc.runtime.program.akida_kinds import (
    BOTH_SHIFTS,
    CONVOLUTIONS,
    DEPTHWISE,
    LEFT_SHIFTS,
    MAX_LEFT_SHIFT,
    MIN_RIGHT_SHIFT,
    NEURAL,
    TEMPORAL,
    TRANSPOSED,
)
from nmc.runtime.program.akida_shapes import Signal, Variable, hosted, variables

Array = np.ndarray[Any, Any]
MAX_FIFO = 5
WIDE = 14  # bits that most wider results use


def random_parameters(rng: np.random.Generator, kind: str) -> dict[str, Any]:
    """All parameters of an Add or a neural layer but for the size of an InputConv2D's frame."""

    def pick(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    bits = {
        "output_bits": pick(8, 8, 8, 8, 8, 8, 8, 5, 4, 4, 3, 28, 32),
        "buffer_bits": pick(28, 28, 28, 32, 32, 32, 16),
        "post_op_buffer_bits": pick(32, 32, 32, 32, 32, 32, 20),
    }
    if kind == "Add":
        return bits
    found = {"activation": pick("none", "relu", "relu", "lut"), "weights_bits": pick(8, 8, 8, 4), **bits}
    if kind not in DEPTHWISE:
        found["units" if kind == "Dense1D" else "filters"] = pick(1, 3, 4, 5)
    if kind in TEMPORAL:
        found["fifo_size"] = pick(*range(1, MAX_FIFO + 1))
    if kind in TRANSPOSED:
        found["kernel_size"] = pick(3, 4)
    if kind in CONVOLUTIONS:
        window = {"kernel_size": pick(1, 2, 3, 3, 5, 7), "kernel_stride": pick(1, 1, 2, 3)}
        pool = {"pool_type": pick("none", "none", "avg"), "pool_size": -1, "pool_stride": -1}
        found |= {**window, "padding": pick("valid", "same", "sameupper"), **pool}
        if found["activation"] != "lut" and pick(True, False, False):
            pool = {"pool_type": "max", "pool_size": pick(1, 2, 3), "pool_stride": pick(1, 2, 3)}
            found |= {"padding": pick("valid", "same"), **pool}
    return found


def random_variables(rng: np.random.Generator, layer: Layer, reads: Sequence[Signal]) -> dict[str, Array]:
    """All variables of a layer that reads `reads`. In one layer of four some entries are extreme."""
    share = rng.choice([0, 0, 0, 0.3])
    found: dict[str, Array] = {}
    for name, variable in variables(layer, reads).items():
        values = _usual(rng, name, variable, layer, reads)
        if variable.dtype is not np.float32 and rng.random() < 0.5:
            values = np.where(rng.random(variable.shape) < share, _extreme(rng, name, variable, layer), values)
        found[name] = values.astype(variable.dtype)
    return found


def _extreme(rng: np.random.Generator, name: str, variable: Variable, layer: Layer) -> Array:
    """Half of them the least or the largest there may be, the others anything between."""
    low, high = _range(name, variable, layer)
    ends = np.where(rng.random(variable.shape) < 0.5, low, high)
    return np.where(rng.random(variable.shape) < 0.5, ends, rng.integers(low, high + 1, variable.shape))


def _range(name: str, variable: Variable, layer: Layer) -> tuple[int, int]:
    if name in LEFT_SHIFTS:
        return 0, MAX_LEFT_SHIFT
    if name in BOTH_SHIFTS:
        return MIN_RIGHT_SHIFT, MAX_LEFT_SHIFT
    if name == "weights" and layer.parameters["weights_bits"] == 4:
        return -8, 7
    if name == "zero_points" and layer.parameters["output_signed"]:
        return 0, 0
    limits = np.iinfo(variable.dtype)
    return int(limits.min), int(limits.max)


def _usual(rng: np.random.Generator, name: str, variable: Variable, layer: Layer, reads: Sequence[Signal]) -> Array:
    """Numbers that keep the results within their range, most of them, and use it."""
    shape, p = variable.shape, layer.parameters
    if name == "scales":
        return rng.choice([0.5, 2.0, 0.7, 0.0123], shape)
    bits = _sum_bits(layer, reads)
    if name == "weights":
        top = 2 ** (p["weights_bits"] - 1) - 1
        return np.clip(rng.normal(scale=top / 2, size=shape), -top, top)
    if name == "lut_values":
        return np.tanh(np.linspace(-3, 3, shape[0])) * 8191 + rng.integers(-50, 50, shape)
    if name == "activation_shift":
        return rng.integers(2, 5, shape) - bits
    if name == "output_shift":
        before = 14 if p.get("activation") == "lut" else bits
        before += 8 if layer.kind in NEURAL else 0
        used = min(p["output_bits"], int(rng.choice([WIDE, 32])))
        return np.clip(used - before + rng.integers(0, 4, shape), MIN_RIGHT_SHIFT, MAX_LEFT_SHIFT)
    low, high = {
        "bias_shift": (0, max(bits - 10, 0)),
        "max_value_shift": (max(bits - 8, 0), max(bits - 6, 0)),
        "max_value": (100, 255),
        "input_shift": (0, 2),
        "a_shift": (0, 2),
        "b_shift": (0, 2),
        "output_scales": (100, 255),
        "activation_scales": (100, 255),
    }.get(name) or _range(name, variable, layer)
    return rng.integers(low, high + 1, shape)


def _sum_bits(layer: Layer, reads: Sequence[Signal]) -> int:
    """About how many bits the sums of a layer need."""
    given = reads[0] if reads else hosted(layer)
    bits = min(given.bits or 8, WIDE)
    if layer.kind not in NEURAL:
        return bits + 2
    terms = math.prod(variables(layer, reads)["weights"].shape[:-1])
    if layer.parameters.get("pool_type") == "avg":
        terms *= given.shape[0] * given.shape[1]
    return bits + layer.parameters["weights_bits"] - 1 + round(math.log2(terms) / 2)

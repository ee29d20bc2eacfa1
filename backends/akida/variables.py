"""A layer's integers as the program stores them."""

from __future__ import annotations

import numpy as np

from ...runtime.program.akida_kinds import DEPTHWISE, TEMPORAL
from .floats import Array, FloatLayer
from .neural import FREE_SHIFT, FREE_VALUE, Integers


def neural_variables(layer: FloatLayer, integers: Integers, zero: int) -> dict[str, Array]:
    """All variables of a layer with weights; `zero` is the code of real 0 in an image."""
    found, filters = integers.found, len(integers.scale)
    m, n = integers.output
    made: dict[str, Array] = {
        "weights": stored(layer, found.weights),
        "bias": found.bias.astype(np.int8),
        "bias_shift": found.shift.astype(np.uint8),
        "output_scales": m.astype(np.uint8),
        "output_shift": (-n).astype(np.int8),
    }
    entries = int(np.prod(layer.given)) if layer.kind == "Dense1D" else layer.given[2]
    if layer.kind == "InputConv2D":
        made["padding_value"] = np.full(entries, zero, np.uint8)
    else:
        made["input_shift"] = np.zeros(entries, np.uint8)
    if layer.activation == "relu":
        value, shift = integers.high or (np.full(filters, FREE_VALUE), np.full(filters, FREE_SHIFT))
        made |= {"max_value": value.astype(np.uint8), "max_value_shift": shift.astype(np.uint8)}
    if integers.table is not None:
        made["activation_scales"] = found.m.astype(np.uint8)
        made["activation_shift"] = (-found.n).astype(np.int8)
        made["lut_values"] = integers.table.entries.astype(np.int32)
    return made


def stored(layer: FloatLayer, weights: Array) -> Array:
    """Weights in the layout of the program: convolutions of activations flipped, temporal ones T-major."""
    w = weights.astype(np.int8)
    if layer.kind in TEMPORAL:
        w = w[None, None] if layer.kind in DEPTHWISE else w.reshape(1, 1, -1, w.shape[-1])
    elif layer.kind in DEPTHWISE:
        w = w[..., None]
    return np.ascontiguousarray(w[::-1, ::-1] if layer.kind in ("Conv2D", "DepthwiseConv2D") else w)

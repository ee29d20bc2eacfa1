"""Scales of a quantized model on the machine: which layers take them, which weights stay the file's integers.

The machine's activations are 8 bits with a sign and no zero point, so a rectified value has 127 levels above 0 where
the model may have 255. The step is the model's where its codes fit, else what its range asks:

    model                                 machine
    int8, zero point 0                    the same step, exactly
    fewer bits, from real 0 on            the same step, clipped at the model's highest code
    fewer bits, other zero points         range / 127, a finer step
    uint8 or int8 from real 0 on          range / 127: about 2.008 times the step
    other zero points                     the larger of high / 127 and −low / 128

The weights of a filter stay the integers of the file (up to a common factor) where they fit its bits and all its inputs
have one step. What its sums count in then is given, and the machine's scale for it has 8 bits: the layer's gain is off
by up to 0.4 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ...compiler.analysis.grid import weight_units
from ...compiler.passes.base import GivenScale
from ...runtime import arith
from .calibrate import Spread, levels
from .codes import MANTISSA, InputCode
from .floats import Array, FloatLayer, FloatNet
from .widths import NARROW_KINDS, may_be_narrow

CLOSE = 1e-6
NEARLY = 0.75
POINTS = 4096


def take_scales(net: FloatNet, most_bits: int) -> None:
    """Scales of the model for layers that the compiler put between two of its values, units of all weights, and 4 bits
    for weights and rectified values that need no more. `most_bits` is what weights may have."""
    for layer in net.layers.values():
        if layer.neural and not layer.identity:
            layer.units = weight_units(filters_of(layer))
        if layer.scale is None and layer.neural and _gives_no_more(layer) and layer.inbounds:
            layer.scale = net.layers[layer.inbounds[0]].scale
    for layer in reversed(net.layers.values()):
        readers = net.readers(layer.name)
        if layer.scale is None and len(readers) == 1 and readers[0].neural and _picks(readers[0]):
            layer.scale = readers[0].scale
        if layer.kind in NARROW_KINDS and most_bits == 8 and _fits_four_bits(layer):
            layer.parameters["weights_bits"] = 4
        if (
            layer.scale is not None
            and layer.scale.bits <= 4
            and not layer.scale.low.any()
            and may_be_narrow(net, layer)
        ):
            layer.parameters["output_bits"] = 4


def filters_of(layer: FloatLayer) -> Array:
    assert layer.weight is not None
    return layer.weight.reshape(-1, layer.weight.shape[-1])


def _gives_no_more(layer: FloatLayer) -> bool:
    """Is each result an average of what the layer reads, or less?"""
    assert layer.bias is not None
    flat = np.abs(filters_of(layer)).sum(axis=0)
    return layer.function is None and not layer.bias.any() and bool((flat <= 1 + 1e-6).all())


def _picks(layer: FloatLayer) -> bool:
    """Does it pass on some of what it reads, rectified at most?"""
    assert layer.weight is not None and layer.bias is not None
    flat, plain = filters_of(layer), layer.function is None and layer.pool != "avg" and not layer.bias.any()
    return plain and bool(((flat == 0) | (flat == 1)).all() and (flat.sum(axis=0) == 1).all())


def _fits_four_bits(layer: FloatLayer) -> bool:
    if layer.units is None or _gives_no_more(layer) or np.isnan(layer.units).any():
        return False
    integers = np.rint(filters_of(layer) / layer.units)
    return integers.min() >= -8 and integers.max() <= 7


def with_ranges(net: FloatNet, spreads: Mapping[str, Spread], bounded: bool) -> dict[str, Spread]:
    """The spreads with the model's range where it says one. With `bounded`, averages and tables of such values get as
    much range as they can need."""
    found = dict(spreads)
    for layer in net.layers.values():
        wanted = None
        if layer.scale is not None and layer.kind != "Concatenate":
            wanted = range_of(layer, layer.scale)
        elif layer.inside is not None and bounded:
            wanted = np.array(_bound(layer, layer.inside))
        if wanted is not None:
            own = arith.round_mantissa(np.broadcast_to(wanted, layer.made[2:]), MANTISSA)
            found[layer.name] = replace(found[layer.name], own=own, whole=float(own.max()))
        if layer.inside is not None:
            before = (float(layer.inside.low.min()), float(layer.inside.high.max()))
            found[layer.name] = replace(found[layer.name], before=before)
    return found


def range_of(layer: FloatLayer, scale: GivenScale) -> Array:
    """What the layer's largest integer stands for: as many of the model's steps if that holds all its codes and the
    layer clips where they end, else what the end of its range that reaches further asks."""
    top = levels(layer)
    needed = _needed(scale, layer.activation == "relu", top)
    return np.where(_is_kept(needed, scale, layer.high is not None), scale.scale, needed) * top


def _is_kept(needed: Array, scale: GivenScale, clips: bool) -> Array:
    """Does the machine keep the model's step? Its integers must hold the codes, and end about where they do."""
    return (needed <= scale.scale * (1 + CLOSE)) & ((needed > scale.scale * NEARLY) | clips)


def _needed(scale: GivenScale, rectified: bool, top: int) -> Array:
    """The step with which `top` levels above 0 (and top + 1 below, unless the values are rectified) hold the range."""
    return scale.high / top if rectified else np.maximum(scale.high / top, -scale.low / (top + 1))


def _bound(layer: FloatLayer, inside: GivenScale) -> float:
    """The largest |value| of what a table or an average makes of values in a range."""
    ends = np.linspace(inside.low.min(), inside.high.max(), POINTS)
    ends = ends if layer.activation != "relu" else np.maximum(ends, 0)
    made = ends if layer.function is None else layer.function.evaluate(ends)
    return float(np.abs(made).max())


def input_code(scale: GivenScale, image: bool) -> InputCode:
    """The host's code for an input that the model quantizes: the model's own where the machine takes such codes."""
    plain = not scale.scale.ndim
    if image and plain and scale.bits == 8:
        return InputCode(float(scale.scale), scale.zero, False)
    if image:
        low, high = float(scale.low.min()), float(scale.high.max())
        step = float(arith.round_mantissa((high - low) / 255, MANTISSA))
        return InputCode(step, int(np.clip(np.rint(-low / step), 0, 255)), False)
    needed = _needed(scale, False, 127).max()
    kept = plain and bool(_is_kept(needed, scale, False))
    return InputCode(float(scale.scale) if kept else float(arith.round_mantissa(needed, MANTISSA)), 0, True)

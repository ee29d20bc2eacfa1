"""Which real number one step of each layer's integers stands for.

A layer's values are integers times a scale, a free real number for each channel: the next layer takes it into its
weights (quantizing w · scale instead of w), so no precision is lost to powers of two. Only a sum asks for more: its
operands and its result must have scales that are powers of two apart. Tables and sums have one scale for all channels.

How far the channels' scales follow their own ranges is weighed for each layer: own ranges spend the levels of quiet
channels better, but spread the next layer's weights. With s_c the scale of channel c and w its weights in the next
layer, the error in the next layer's output f has the variance

    Σ_c s_c²/12 · Σ w[c,f]²   +   S_f²/12 · Σ_c E[x_c²] / s_c²      with S_f = max |w[c,f] · s_c| / top

(activations rounded, weights rounded to at most top, both uniformly); the exponent of `Spread.ranges` with the least
sum is taken. top is 127, also where weights have 4 bits; with equalize=bits it is 7 there, which pays off where their
rounding is learned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime import arith
from ...runtime.program.akida_kinds import DEPTHWISE
from .calibrate import EXPONENTS, Spread, levels
from .floats import Array, FloatLayer, FloatNet

MANTISSA = 24
MOST_APART = 20  # 8 bits shifted so far left, twice, still fit the 32 bits of a sum


def assign(net: FloatNet, spreads: Mapping[str, Spread], fed: Mapping[str, float], equalize: str) -> dict[str, Array]:
    """The scale of each layer's output by layer name, shape (F).

    fed  the step that suits each InputData layer; sums come first
    """
    groups = sum_groups(net)
    scales: dict[str, Array] = {}
    for members in {id(group): group for group in groups.values()}.values():
        scales |= {name: np.full(net.layers[name].made[2], s) for name, s in _shared(net, members, spreads).items()}
    for layer in net.layers.values():
        if layer.kind == "Concatenate":
            scales[layer.name] = np.concatenate([scales[name] for name in layer.inbounds])
        elif layer.name not in scales and layer.name in fed:
            scales[layer.name] = np.full(layer.made[2], fed[layer.name])
        elif layer.name not in scales:
            scales[layer.name] = _alone(net, layer, spreads, scales, equalize)
    return scales


def sum_groups(net: FloatNet) -> dict[str, list[str]]:
    """By layer name, the layers whose scales must be powers of two apart, for those that have to do with a sum.

    A concatenation has no scale of its own: its operands take its place.
    """
    groups: dict[str, list[str]] = {}

    def sources(name: str) -> list[str]:
        layer = net.layers[name]
        return [n for part in layer.inbounds for n in sources(part)] if layer.kind == "Concatenate" else [name]

    def unite(names: list[str]) -> None:
        joined = list(dict.fromkeys(member for name in names for member in groups.get(name, [name])))
        groups.update(dict.fromkeys(joined, joined))

    for layer in reversed(net.layers.values()):
        if layer.kind == "Add":
            unite([layer.name, *(n for part in layer.inbounds for n in sources(part))])
        elif passes_on(layer) and layer.name in groups:
            unite([layer.name, *sources(layer.inbounds[0])])
    return groups


def passes_on(layer: FloatLayer) -> bool:
    """Does it give what it reads, rectified or pooled at most, so that it can keep its scale?"""
    return layer.identity and layer.function is None and layer.pool != "avg"


def _shared(net: FloatNet, members: list[str], spreads: Mapping[str, Spread]) -> dict[str, float]:
    """One scale for each of the layers, powers of two apart, none smaller than its range asks; the finest of these."""
    wanted = {name: _range(net.layers[name], spreads[name], 0.0).max() / levels(net.layers[name]) for name in members}
    least = max(wanted.values()) * 2.0**-MOST_APART
    wanted = {name: max(scale, least) for name, scale in wanted.items()}
    best: dict[str, float] = {}
    cost = np.inf
    for base in sorted(set(wanted.values())):
        found = {name: base * 2.0 ** np.ceil(np.log2(scale / base) - 1e-6) for name, scale in wanted.items()}
        squared = sum((found[name] / wanted[name]) ** 2 for name in members)
        if squared < cost * (1 - 1e-9):
            best, cost = found, squared
    return {name: float(scale) for name, scale in best.items()}


def _range(layer: FloatLayer, spread: Spread, exponent: float) -> Array:
    """What the largest integer of each channel stands for."""
    ranges = spread.ranges(exponent)
    high = None if layer.scale is not None else layer.high  # a model's range needs no bound
    return arith.round_mantissa(ranges if high is None else np.minimum(ranges, high), MANTISSA)


def _alone(
    net: FloatNet, layer: FloatLayer, spreads: Mapping[str, Spread], scales: Mapping[str, Array], equalize: str
) -> Array:
    if passes_on(layer) and _holds(layer, net.layers[layer.inbounds[0]], scales[layer.inbounds[0]]):
        return scales[layer.inbounds[0]]
    exponent = 0.0 if layer.scale is None else 1.0  # a model's range is that of its channels, if they have several
    if equalize != "off" and layer.neural and layer.function is None:
        exponent = _exponent(net, layer, spreads, equalize == "bits")
    return _range(layer, spreads[layer.name], exponent) / levels(layer)


def _holds(layer: FloatLayer, source: FloatLayer, scale: Array) -> bool:
    """Can an identity layer keep the scale of what it reads? With as many levels, half of them below its bound."""
    bounded = layer.high is None or bool((scale * levels(layer) <= 2 * layer.high).all())
    return levels(layer) >= levels(source) and bounded


def _exponent(net: FloatNet, layer: FloatLayer, spreads: Mapping[str, Spread], bits: bool) -> float:
    """The exponent with the least error in what reads the layer; 1 if only depthwise layers do."""
    found = users(net, layer.name)
    if not found:
        return 1.0 if net.readers(layer.name) else 0.0
    power = spreads[layer.name].power
    weights = [squared_weights(user, first, layer.made[2], bits) for user, first in found]
    costs = []
    for exponent in EXPONENTS:
        scale = _range(layer, spreads[layer.name], exponent) / levels(layer)
        costs.append(float(arith.round_mantissa(sum(_noise(w, scale, power) for w in weights), 30)))
    return EXPONENTS[int(np.argmin(costs))]


def _noise(weights: tuple[Array, Array, int, int], scale: Array, power: Array) -> float:
    """Variance of the error in what reads a layer, for these scales of its channels, relative to its mean square."""
    squares, peaks, cells, top = weights
    rounding = (scale**2 @ squares).sum()
    step = (peaks * scale[:, None]).max(axis=0) / top
    coarseness = np.square(step).sum() * (power / scale**2).sum() * cells
    return (rounding + coarseness) / ((power @ squares).sum() or 1.0)


def users(net: FloatNet, name: str, first: int = 0) -> list[tuple[FloatLayer, int]]:
    """The neural layers that read a layer, directly or through concatenations, and where its channels start there."""
    found: list[tuple[FloatLayer, int]] = []
    for reader in net.readers(name):
        if reader.neural and reader.kind not in DEPTHWISE:
            found.append((reader, first))
        elif reader.kind == "Concatenate":
            before = 0 if reader.inbounds[0] == name else net.layers[reader.inbounds[0]].made[2]
            found += users(net, reader.name, first + before)
    return found


def squared_weights(layer: FloatLayer, first: int, channels: int, bits: bool) -> tuple[Array, Array, int, int]:
    """For `channels` input channels of a layer from `first` on: sums of squared weights and largest |weights| for each
    pair of channels, (C, F), how many weights a pair has, and the largest integer of a weight: with
    `bits` that of the layer's bits, else that of 8."""
    assert layer.weight is not None
    flat = layer.weight.reshape(-1, layer.given[2], layer.weight.shape[-1])[:, first : first + channels]
    top = (1 << ((layer.parameters["weights_bits"] if bits else 8) - 1)) - 1
    return np.square(flat).sum(axis=0), np.abs(flat).max(axis=0), len(flat), top

"""What calibration samples say about a layer sequence: how far each layer's values reach and how they spread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...compiler.analysis.entropy import kl_shares
from ...compiler.diagnostics import unsupported
from ...runtime import arith
from ...runtime.program.akida import Triple, in_order
from .floats import Array, FloatInput, FloatLayer, FloatNet
from .sums import max_pool, sums

METHODS = ("minmax", "percentile", "mse", "kl")
EXPONENTS = (0.0, 0.5, 1.0)
BINS = 1024
SAMPLED = 1 << 20
SHARES = np.linspace(0.3, 1.0, 71)
PERCENT = 99.99
# A channel's own range is believed as far as there are values to show it: with n values, down to (BELIEVED / n)² of the
# whole layer's range, and never below QUIETEST of it. Found by trying held-out images (benchmarks/akida_noise.py).
BELIEVED = 128
QUIETEST = 1 / 32
# What decides integers keeps few enough bits that the last one of a BLAS's sum does not matter.
MANTISSA = 20
FINE_MANTISSA = 32
MOST_ELEMENTS = 1 << 25
KEPT_ELEMENTS = 1 << 26


@dataclass
class Spread:
    """What is known of the values a layer gives; ranges are what is worth covering with the output's levels.

    own     range of each channel, (F)
    whole   range of all together
    power   mean square of each channel, (F)
    means   mean of each channel's sums with bias, before pool and activation, (F)
    before  lowest (at most 0) and highest (at least 0) sum in front of a table
    """

    own: Array
    whole: float
    power: Array
    means: Array
    before: tuple[float, float] = (0.0, 0.0)

    def ranges(self, exponent: float) -> Array:
        """The range of each channel: with exponent 0 that of all together, with 1 its own, in between between them."""
        return self.whole ** (1 - exponent) * self.own**exponent

    def times(self, factor: float) -> Spread:
        """The same values with ranges that are so much larger."""
        return replace(self, own=self.own * factor, whole=self.whole * factor)


def levels(layer: FloatLayer) -> int:
    """The largest integer that the layer gives."""
    bits = layer.parameters.get("output_bits", layer.parameters.get("input_bits", 8))
    return (1 << (bits - 1)) - 1 if bits > 4 else (1 << bits) - 1


def streams_of(entry: FloatInput, samples: Array, made: Triple) -> Array:
    """Samples (n, *shape) as the layer's frames: (streams, frames, X, Y, C) float64."""
    clips = np.moveaxis(samples, entry.axis, 1) if entry.axis > 0 else samples[:, None]
    frames = clips.reshape(*clips.shape[:2], *in_order(made, entry.order))
    return frames.transpose(0, 1, *(2 + entry.order.index(letter) for letter in "HWC"))


def enough(net: FloatNet, samples: Mapping[str, Array]) -> tuple[dict[str, Array], int]:
    """As many of the first samples as a calibration run holds in memory, and how many there were."""
    widest = max(int(np.prod(shape)) for layer in net.layers.values() for shape in (layer.given, layer.summed))
    total = len(next(iter(samples.values())))
    entry = net.inputs[0]
    frames = entry.shape[entry.axis - 1] if entry.axis > 0 else 1
    most = max(1, MOST_ELEMENTS // max(widest * frames, 1))
    return {name: np.asarray(array[:most], np.float64) for name, array in samples.items()}, total


class FloatRun:
    """A layer sequence in floats on calibration samples, one layer after the other.

    What layers give is kept for a second look if it does not take much memory, else computed again.
    """

    def __init__(self, net: FloatNet, samples: Mapping[str, Array]):
        self.net, self.samples = net, samples
        self.fed = {entry.layer: entry for entry in net.inputs}
        frames = sum(self.given(entry).shape[0] * self.given(entry).shape[1] for entry in net.inputs[:1])
        elements = frames * sum(int(np.prod(layer.made)) for layer in net.layers.values())
        self._kept: dict[str, Array] | None = {} if elements <= KEPT_ELEMENTS else None

    def given(self, entry: FloatInput) -> Array:
        """What the host feeds a layer: the input's values, (streams, frames, X, Y, C)."""
        return streams_of(entry, self.samples[entry.name], self.net.layers[entry.layer].given)

    def results(self) -> Iterator[tuple[FloatLayer, Array]]:
        """Each layer with what it gives, float32 (streams, frames, X, Y, C)."""
        if self._kept:
            yield from ((layer, self._kept[layer.name]) for layer in self.net.layers.values())
        else:
            yield from ((layer, after) for layer, _, after in self.values())

    def values(self) -> Iterator[tuple[FloatLayer, Array, Array]]:
        """Each layer, its sums with bias (before pool and activation, float64), and what it gives (float32)."""
        live: dict[str, Array] = {}
        left = {name: len(self.net.readers(name)) for name in self.net.layers}
        for layer in self.net.layers.values():
            host = self.fed.get(layer.name)
            inbounds = [live[name] for name in layer.inbounds] if host is None else [self.given(host)]
            before = linear(layer, inbounds)
            with np.errstate(over="ignore"):  # `spreads` refuses what overflows
                after = finish(layer, before).astype(np.float32)
            yield layer, before, after
            live[layer.name] = after
            if self._kept is not None:
                self._kept[layer.name] = after
            for name in layer.inbounds:
                left[name] -= 1
            live = {name: array for name, array in live.items() if left[name]}


def linear(layer: FloatLayer, inbounds: list[Array]) -> Array:
    """What a layer computes before pool and activation."""
    if layer.kind == "Add":
        return inbounds[0].astype(np.float64) + inbounds[1]
    if layer.kind == "Concatenate":
        return np.concatenate(inbounds, axis=-1)
    if layer.weight is None:
        return inbounds[0]
    return sums(layer, layer.weight, inbounds[0]) + layer.bias


def finish(layer: FloatLayer, values: Array) -> Array:
    """Pool and activation of a layer in floats."""
    p = layer.parameters
    if layer.pool == "max":
        values = max_pool(values, p["pool_size"], p["pool_stride"], p["padding"])
    if layer.activation == "relu":
        values = np.clip(values, 0, layer.high)
    if layer.function is not None:
        values = layer.function.evaluate(values)
    return values.mean(axis=(2, 3), keepdims=True) if layer.pool == "avg" else values


def spreads(run: FloatRun, method: str, progress: Callable[[], object] = lambda: None) -> dict[str, Spread]:
    """The spread of every layer's values."""
    found: dict[str, Spread] = {}
    for layer, before, after in run.values():
        if not np.isfinite(after).all():
            what, why = (
                f"target 'akida' cannot hold layer {layer.name!r}",
                "its values on the calibration data overflow",
            )
            raise unsupported(
                "NMC-A001", what, ", ".join(layer.origin), why, "look for weights or inputs that are huge"
            )
        made = found[layer.name] = spread(after, method if layer.neural else "minmax", levels(layer))
        made.means = arith.round_mantissa(before.mean(axis=(0, 1, 2, 3), dtype=np.float64), FINE_MANTISSA)
        if layer.function is not None:
            ends = before.min(initial=0.0), before.max(initial=0.0)
            made.before = tuple(arith.round_mantissa(ends, MANTISSA).tolist())
        progress()
    return found


def spread(values: Array, method: str, levels: int) -> Spread:
    """The spread of values (…, F) that `levels` levels above zero shall cover."""
    flat = values.reshape(-1, values.shape[-1])
    peaks = np.maximum(flat.max(axis=0, initial=0.0), -flat.min(axis=0, initial=0.0)).astype(np.float64)
    power = np.einsum("nf,nf->f", flat, flat, dtype=np.float64) / max(len(flat), 1)
    loudest = float(peaks.max(initial=0.0)) or 1.0
    peaks = np.where(peaks > 0, peaks, loudest)
    some = np.abs(flat[:: -(-flat.size // SAMPLED)])
    own = peaks * shares(histograms(some, peaks), method, levels)
    whole = loudest * shares(histograms(some, np.full_like(peaks, loudest)).sum(axis=0)[None], method, levels)[0]
    least = whole * min(max(QUIETEST, (BELIEVED / len(flat)) ** 2), 1.0)
    own = arith.round_mantissa(np.maximum(own, least), MANTISSA)
    power = arith.round_mantissa(power, MANTISSA)
    return Spread(own, float(arith.round_mantissa(whole, MANTISSA)), power, np.zeros(len(own)))


def histograms(values: Array, peaks: Array) -> Array:
    """Counts of the values above 0 in BINS equal bins up to each channel's peak: (F, BINS)."""
    index = np.minimum((values * (BINS / peaks)).astype(np.int32), BINS - 1)
    index += np.arange(len(peaks), dtype=np.int32) * BINS
    return np.bincount(index[values > 0], minlength=len(peaks) * BINS).reshape(len(peaks), BINS)


def shares(counts: Array, method: str, levels: int) -> Array:
    """For each histogram, how much of its bins' extent is worth covering: (F)."""
    if method == "minmax":
        return np.ones(len(counts))
    if method == "percentile":
        reached = np.cumsum(counts, axis=1) >= np.ceil(counts.sum(axis=1, keepdims=True) * PERCENT / 100)
        return (np.argmax(reached, axis=1) + 1) / BINS
    if method == "kl":
        return kl_shares(counts, levels, SHARES)
    centers = (np.arange(BINS) + 0.5) / BINS
    steps = SHARES[::-1, None] / levels
    rounded = np.minimum(np.floor(centers / steps + 0.5), levels) * steps
    errors = counts @ np.square(centers - rounded).T
    return SHARES[::-1][np.argmin(arith.round_mantissa(errors, MANTISSA), axis=1)]

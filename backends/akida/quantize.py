"""Integers for a layer sequence, layer by layer on the calibration samples.

Each layer is quantized knowing the integers that reach it: its bias also makes up for what the layers before it lost on
average, and its signal-to-noise ratio is measured where it arises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...compiler.levels import Budget
from ...runtime import arith
from ...runtime.program.akida import Layer
from .bounds import Bounds, joined, proof
from .calibrate import FloatRun, Spread, finish, levels, linear
from .codes import InputCode
from .floats import Array, FloatLayer
from .given_report import weight_facts
from .measure import snr, tap_means, variances
from .methods import Methods
from .moments import moments
from .neural import codes, quantize
from .range_search import RangeSearch
from .rounding import Rounding
from .sums import sums
from .variables import neural_variables
from .weights import Inputs


@dataclass(frozen=True)
class LayerReport:
    """What quantization did to one layer.

    snr      signal-to-quantization-noise ratio of what it gives against the float network, in dB, on the samples
    own      the same for the noise that the layer adds itself: against its float weights on the integers it reads (on
             the first samples, 16 frames at least if there are so many)
    clipped  share of its values at an end of the output's range
    """

    name: str
    kind: str
    snr: float
    own: float
    clipped: float


EXACT_FLOAT32 = 1 << 24
OWN_FRAMES = 16
MOST_ROWS = 3072


@dataclass
class Quantizer:
    """Quantizes one net. `scales` are the outputs' steps by layer; `inputs` the codes by the layer that takes them."""

    floats: FloatRun
    spreads: Mapping[str, Spread]
    scales: dict[str, Array]
    inputs: Mapping[str, InputCode]
    methods: Methods
    budget: Budget
    search: RangeSearch | None = None
    layers: list[Layer] = field(default_factory=list)
    reports: list[LayerReport] = field(default_factory=list)
    declined: list[tuple[str, str]] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    _codes: dict[str, Array] = field(default_factory=dict)
    _floats: dict[str, Array] = field(default_factory=dict)
    _bounds: dict[str, Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.net = self.floats.net

    def run(self, progress: Callable[[], object] = lambda: None) -> None:
        """Fills `layers` (all but Dequantizers) and `reports`; `scales` of layers that only the host reads change."""
        left = {name: len(self.net.readers(name)) for name in self.net.layers}
        others = {"Add": self._add, "Concatenate": self._concatenate, "InputData": self._data}
        for layer, after in self.floats.results():
            self._after = after
            self.layers.append(self._neural(layer) if layer.neural else others[layer.kind](layer))
            self._report(layer, after)
            if self.methods.rounding == "network" or self.methods.correct == "analytic":
                self._floats[layer.name] = after
            for name in layer.inbounds:
                left[name] -= 1
                if not left[name]:
                    del self._codes[name]
                    self._floats.pop(name, None)
            progress()

    def _report(self, layer: FloatLayer, after: Array) -> None:
        found, scale, top = self._codes[layer.name], self.scales[layer.name], levels(layer)
        clipped = 0.0 if self._is_raw(layer) else float(np.mean((found >= top) | (found < -top)))
        few = max(1, OWN_FRAMES // found.shape[1])
        own = snr(finish(layer, linear(layer, self._real_inputs(layer, few))), found[:few], scale)
        self.reports.append(LayerReport(layer.name, layer.kind, snr(after, found, scale), own, clipped))

    def _real_inputs(self, layer: FloatLayer, few: int) -> list[Array]:
        """What the integers that a layer reads stand for, of the first `few` samples."""
        if layer.inbounds:
            return [self._codes[name][:few] * self.scales[name] for name in layer.inbounds]
        values, code = self.floats.given(self.floats.fed[layer.name])[:few], self.inputs[layer.name]
        return [values] if layer.kind == "InputData" else [(code.encode(values) - code.zero_point) * code.scale]

    def _is_raw(self, layer: FloatLayer) -> bool:
        """Does only the host read it? Then it gives its sums, with all their bits."""
        return layer.neural and self.net.is_output(layer.name) and not self.net.readers(layer.name)

    def _fed(self, layer: FloatLayer) -> Array:
        """The codes that the host feeds a layer."""
        values = self.floats.given(self.floats.fed[layer.name])
        return self.inputs[layer.name].encode(values).astype(np.int16)

    def _data(self, layer: FloatLayer) -> Layer:
        self._codes[layer.name] = self._fed(layer)
        self._bounds[layer.name] = Bounds.of(layer.made[2], -128, 127)
        return _record(layer)

    def _concatenate(self, layer: FloatLayer) -> Layer:
        self._codes[layer.name] = np.concatenate([self._codes[name] for name in layer.inbounds], axis=-1)
        self._bounds[layer.name] = joined([self._bounds[name] for name in layer.inbounds])
        return _record(layer)

    def _add(self, layer: FloatLayer) -> Layer:
        steps = [self.scales[name] for name in (*layer.inbounds, layer.name)]
        common = np.minimum(steps[0], steps[1])
        a, b, out = (np.rint(np.log2(step / common)).astype(np.int64) for step in steps)
        left, right = (self._codes[name].astype(np.int64) for name in layer.inbounds)
        total = arith.shift((left << a) + (right << b), -out)
        self._codes[layer.name] = arith.saturate(total, layer.parameters["output_bits"]).astype(np.int16)
        first, second = (self._bounds[name] for name in layer.inbounds)
        first, second = first.shifted(a), second.shifted(b)
        reached = Bounds(first.low + second.low, first.high + second.high)
        self._bounds[layer.name] = Bounds.of(layer.made[2], -128, 127)
        variables = {
            "a_shift": a.astype(np.uint8),
            "b_shift": b.astype(np.uint8),
            "output_shift": (-out).astype(np.int8),
        }
        return _record(layer, variables, proof(reached, layer.parameters["buffer_bits"]))

    def _neural(self, layer: FloatLayer) -> Layer:
        raw, spread = self._is_raw(layer), self.spreads[layer.name]
        if layer.inbounds:
            (name,) = layer.inbounds
            given, bounds, zero, step = self._codes[name], self._bounds[name], 0, self.scales[name]
        else:
            code = self.inputs[layer.name]
            given, zero = self._fed(layer), code.zero_point
            bounds, step = Bounds.of(layer.given[2], 0, 255), np.full(layer.given[2], code.scale)
        rounding = self._rounding(layer, given, zero, step)
        met = given if self.methods.correct != "analytic" else self._real(layer) / step + zero
        inputs = Inputs(step, tap_means(layer, met, zero), variances(given), zero, rounding)
        found = quantize(
            layer,
            inputs,
            bounds,
            spread.means,
            self.scales[layer.name],
            spread.before,
            raw,
            self.methods.correct != "off",
            self.methods.clip,
        )
        if raw:
            layer.parameters["output_bits"] = layer.parameters["buffer_bits"]
        # float32 adds integers exactly as long as no partial sum reaches 2^24, which the bounds tell.
        small = found.reached.largest.max(initial=0.0) < EXACT_FLOAT32
        weights = found.found.weights.astype(np.float32 if small else np.float64)
        acc = sums(layer, weights, given, zero)
        acc += found.found.added.astype(acc.dtype)
        if self.search is not None and not raw:
            self.search.look(layer, acc, found.found.unit, self._after, self.scales[layer.name])
        self._codes[layer.name] = codes(layer, found, acc)
        self._bounds[layer.name], self.scales[layer.name] = found.made, found.scale
        variables = neural_variables(layer, found, zero)
        kept = weight_facts(layer, found.found, step)
        return _record(layer, variables, proof(found.reached, layer.parameters["buffer_bits"]) | kept)

    def _real(self, layer: FloatLayer) -> Array:
        """What a layer with weights reads in the float network."""
        return self._floats[layer.inbounds[0]] if layer.inbounds else self.floats.given(self.floats.fed[layer.name])

    def _rounding(self, layer: FloatLayer, given: Array, zero: int, step: Array) -> Rounding | None:
        """How the weights are to be rounded, None for to nearest."""
        method = self.methods.rounding
        if method == "nearest" or layer.identity:
            return None
        if self.budget.over:
            self.late.append(layer.name)
            return None
        assert layer.weight is not None
        rows = layer.weight.size // layer.weight.shape[-1]
        if rows > MOST_ROWS:
            self.declined.append((layer.name, f"{rows} weights a filter: more than {MOST_ROWS} are rounded to nearest"))
            return None
        errors = None
        if method == "network":
            errors = (self._real(layer) - (given - zero) * step).astype(np.float32)
        return Rounding.of(moments(layer, given, zero, errors))


def _record(
    layer: FloatLayer, variables: dict[str, Array] | None = None, proof: dict[str, object] | None = None
) -> Layer:
    return Layer(layer.name, layer.kind, layer.inbounds, layer.parameters, variables or {}, layer.origin, proof or {})

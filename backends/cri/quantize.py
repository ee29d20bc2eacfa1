"""Quantization for the unary code: int8 weights per channel, activations of T levels, calibrated ranges.

An activation whose range is R gets levels of size s = R / T. Its weights in real units per train unit are w; its
accumulator unit S is the smallest that keeps |w / S| ≤ 127 and makes r = s / S an integer, so that

    level = clip((V + r//2) // r, 0, T)     with V = Σ round(w / S) · level_in + round(b / S)

needs no other rounding than that of weights and bias. Connections without weights (a residual branch) are not held to
8 bits: they may use the whole int16 of a synapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...compiler.analysis.ranges import METHODS, activation_ranges, extents
from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, Clip, Dequantize, MaxPool, Quantize, Relu, Unary
from ...compiler.ir.ops.base import Array
from ...compiler.levels import Budget
from ...compiler.passes.base import Context, Pass
from ...runtime import arith
from .given import Kept, LayerScales, activation_range, kept_scale, tell
from .integerize import (
    Integerizer,
    NotHeld,
    NotUniform,
    Scale,
    channel_axis,
    channel_shape,
    check_activation,
    to_channels,
)
from .refusals import Refusals
from .signed import has_weighted_term
from .spread import spread_levels
from .tables import INT16
from .trains import MOST_LAYERS, MOST_WAYS, is_train, too_deep
from .tuning import Tuner, choose

INPUT_BITS = 8
MANTISSA = 40


@dataclass(frozen=True)
class QuantizeCri(Pass):
    """Integers for the unary code.

    levels       T: levels above zero of every activation, also the timesteps of its train
    ranges       how calibration samples give ranges: minmax, percentile, mse or kl
    percent      the percentile, where ranges=percentile
    weight_bits  2 to 8
    readout      potential: exact integer logits; count: outputs as spike counts of T levels
    refit        off, or auto: weights, biases and ranges are refitted layer by layer (`tuning`)
    spread       off, or auto: layers that need more levels get more, in as many timesteps (`spread`)
    seconds      after which searches end, 0: when they are done
    """

    name: ClassVar[str] = "quantize-cri"
    takes: ClassVar[tuple[str, ...]] = ("terms",)
    gives: ClassVar[str] = "quantized"
    preserves: ClassVar[bool] = False

    levels: int = 15
    ranges: str = "mse"
    percent: float = 99.9
    weight_bits: int = 8
    readout: str = "potential"
    refit: str = "off"
    spread: str = "off"
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.levels <= 4096:
            raise ValueError(f"levels must be 1 to 4096, not {self.levels}")
        if self.ranges not in METHODS:
            raise ValueError(f"ranges must be one of {', '.join(METHODS)}, not {self.ranges!r}")
        if not 0 < self.percent <= 100:
            raise ValueError(f"percent must be above 0 and at most 100, not {self.percent}")
        if not 2 <= self.weight_bits <= 8:
            raise ValueError(f"weight_bits must be 2 to 8, not {self.weight_bits}")
        if self.readout not in ("potential", "count"):
            raise ValueError(f"readout must be potential or count, not {self.readout!r}")
        for name in ("refit", "spread"):
            if getattr(self, name) not in ("off", "auto"):
                raise ValueError(f"{name} must be off or auto, not {getattr(self, name)!r}")

    def run(self, graph: Graph, context: Context) -> int:
        made = _Builder(self, graph, context)
        made.build()
        if "auto" in (self.refit, self.spread):
            if context.quantized:
                context.decline(self.name, "weights", "the model brings its own: its integers are kept as they are")
            else:
                made = self._searched(graph, context, made)
        target = made.target
        graph.adopt(target)
        return len(target.nodes)

    def _searched(self, graph: Graph, context: Context, plain: _Builder) -> _Builder:
        """The network with refitted layers and spread levels, or `plain` where its outputs are as close."""
        assert context.samples is not None
        budget = Budget(self.seconds or None)
        trial = _Builder(self, graph.copy(), Context(context.samples))
        if self.spread == "auto":
            trial.levels = spread_levels(graph, context.samples, plain.ranges, self.levels, budget)
        if self.refit == "auto":
            trial.tuner = Tuner(trial.source, trial.integers, context, trial.levels, budget)
        trial.build()
        return choose(graph, context, plain, trial, budget)


class _Builder:
    """One run of the pass: `source` is read, `target` is built."""

    def __init__(self, options: QuantizeCri, source: Graph, context: Context):
        self.options, self.source, self.context = options, source, context
        self.target = Graph(source.name, "quantized")
        self.integers = Integerizer(self.target)
        self.refusals = Refusals(self.integers)
        assert context.samples is not None
        self.samples = context.samples
        self.records: list[LayerScales] = []
        activations = [n.result for n in source.nodes if isinstance(n.op, Relu | Clip)]
        axes = _axes(activations)
        # The next layer's integers need one step for all that it reads.
        each = dict.fromkeys(axes) if context.integer_weights else axes
        self.ranges = activation_ranges(source, self.samples, each, options.ranges, options.levels, options.percent)
        ends = [v for v in (*source.inputs, *source.outputs.values()) if not v.is_constant]
        self.extents = extents(source, self.samples, _axes(ends))
        self.levels = {value.name: options.levels for value in activations}
        self.tuner: Tuner | None = None

    def build(self) -> None:
        self.refusals.refuse_impossible(self.source)
        if (deep := too_deep(self.source, self.integers.trains)) is not None:
            why = (
                f"more than {MOST_LAYERS} layers in a row (or {MOST_WAYS} ways through them) have no activation between"
            )
            self.refusals.refuse(deep, why, "put activations between them, or compute them as one layer")
            self.refusals.raise_if_any()
        for value in self.source.inputs:
            self._input(value)
        for node in self.source.nodes:
            if isinstance(node.op, Relu | Clip | MaxPool):
                self.refusals.guard(node.result, self._activation, node)
        for name, value in self.source.outputs.items():
            self.refusals.guard(value, self._output, name, value)
        self.refusals.raise_if_any()
        if self.context.quantized:
            self.context.reports.setdefault(self.options.name, []).extend(self.records)
            tell(self.context, self.records, self.options.levels, self.source)

    def _input(self, value: Value) -> None:
        """Codes of INPUT_BITS bits over the calibrated range, which is widened to hold 0."""
        given, bits = self.context.scales.get(value.name), INPUT_BITS
        if given is not None and given.bits <= INPUT_BITS and not given.scale.ndim:
            scale, zero_point, bits = float(given.scale), given.zero, given.bits  # the model's own codes
        else:
            low, high = self._extent(value)
            top = 2**INPUT_BITS - 1
            scale = float(arith.round_mantissa((high - low) / top, 24)) or 1.0 / top
            zero_point = int(np.clip(arith.round_half_even(-low / scale), 0, top))
        source = self.target.add_input(value.name, value.type)
        code = self.target.add(Quantize(scale, zero_point, bits), source, name=f"{value.name}.code")
        self.integers.trains[id(value)] = code, np.full((1,) * value.type.rank, scale)

    def _extent(self, value: Value) -> tuple[float, float]:
        """Lowest and highest number that a value's integers should reach: the model's, or those of the samples."""
        given, extent = self.context.scales.get(value.name), self.extents[value.name]
        low, high = (extent.low, extent.high) if given is None else (given.low, given.high)
        return min(0.0, float(low.min())), max(0.0, float(high.max()))

    def _activation(self, node: Node) -> None:
        check_activation(node)
        if isinstance(node.op, MaxPool):
            return
        value = node.result
        given = activation_range(value, self.context.scales)
        size = value.type.shape[channel_axis(value)]
        reach = np.broadcast_to(self.ranges[value.name] if given is None else given, (size,))
        if self.tuner is not None:
            reach = self.tuner.activation(node, reach)
        levels = self.levels[value.name]
        unit = (reach / levels).reshape(channel_shape(value))
        kept = self._kept(node.x, unit)
        accumulator, scale, r = self._accumulate(node.x, unit, kept)
        if self.context.quantized:
            self._record(node.x, value.name, "samples" if given is None else "model", kept)
        origin = tuple(dict.fromkeys((*node.x.origin, *value.origin)))
        count = self._unary(accumulator, r, value.name, origin, levels)
        # Where a level is not quite r units, it counts as the model's step: the next layer's integers depend on that.
        self.integers.trains[id(value)] = count, r * scale if kept is None else np.where(kept.own, unit, r * scale)

    def _kept(self, value: Value, unit: Array | None) -> Kept | None:
        return kept_scale(self.integers, value, unit) if self.context.quantized else None

    def _record(self, value: Value, name: str, given: str, kept: Kept | None) -> None:
        used = value.type.shape[channel_axis(value)] if has_weighted_term(value) else 0
        number, gain = (0, 0.0) if kept is None else (int(kept.own.sum()), kept.gain_error)
        self.records.append(LayerScales(name, given, used, number, gain))

    def _unary(self, accumulator: Value, r: Array, name: str, origin: tuple[str, ...], levels: int) -> Value:
        constant = self.target.constant(f"{name}.r", r.astype(np.int64))
        return self.target.add(Unary(levels), accumulator, constant, name=name, origin=origin)

    def _accumulate(self, value: Value, unit: Array | None, kept: Kept | None = None) -> tuple[Value, Scale, Array]:
        """(V, S, r): value ≈ S · V, and r · S = `unit` unless a weight would not fit; without `unit` r is 1.

        S is per channel where the layers allow it, else one number for the tensor. `kept` gives S and r for the
        channels whose integers come from the model.
        """
        smallest = self._smallest_scale(value)
        if kept is not None:
            scale, r = self._numbers(value, smallest, unit)
            scale, r = np.where(kept.own, kept.scale, scale), np.where(kept.own, kept.r, r)
            return self.integers.emit(value, scale), scale, r
        try:
            return self._accumulate_at(value, smallest, unit)
        except NotUniform:
            whole = np.full((1,) * value.type.rank, smallest.max())
            unit = None if unit is None else np.full(whole.shape, unit.max())
            return self._accumulate_at(value, whole, unit)

    def _accumulate_at(self, value: Value, smallest: Array, unit: Array | None) -> tuple[Value, Scale, Array]:
        scale, r = self._numbers(value, smallest, unit)
        return self.integers.emit(value, scale), scale, r

    def _numbers(self, value: Value, smallest: Array, unit: Array | None) -> tuple[Scale, Array]:
        """(S, r) for the smallest S that weights allow."""
        r = np.ones_like(smallest)
        scale = smallest
        if unit is not None:
            r = np.maximum(np.floor(arith.round_mantissa(unit / smallest, MANTISSA)), 1.0)
            scale = np.maximum(unit / r, smallest)
            coarse = int((unit < smallest).sum())
            if coarse:
                self.context.warnings.append(
                    f"%{value.name}: in {coarse} channels one weight unit is larger than a level; they get fewer levels"
                )
        return scale, r

    def _smallest_scale(self, value: Value) -> Array:
        """The accumulator unit per channel below which a weight would leave its range."""
        peaks = self.integers.peaks(value)
        weighted, plain = to_channels(peaks.weighted, value), to_channels(peaks.plain, value)
        limit = 2 ** (self.options.weight_bits - 1) - 1
        scale = np.where(weighted > 0, np.maximum(weighted / limit, plain / INT16), plain / limit)
        spare = scale.max(initial=0.0) or 1.0
        return np.where(scale > 0, scale, spare)

    def _output(self, name: str, value: Value) -> None:
        if value.is_constant:
            raise NotHeld(value, f"output {name!r} does not depend on the input")
        if self.tuner is not None and not is_train(value):
            self.tuner.output(value)
        if is_train(value):
            if not any(isinstance(node.op, Unary) for node in self.target.nodes):
                raise NotHeld(value, f"output {name!r} is the input itself: no neuron computes it")
            integer, scale = self.integers.train(value)
        elif self.options.readout == "potential":
            kept = self._kept(value, None)
            integer, scale, _ = self._accumulate(value, None, kept)
            if self.context.quantized:
                self._record(value, name, "", kept)
        else:
            integer, scale = self._counted(name, value)
        constant = self.target.constant(f"{name}.scale", np.asarray(scale, np.float64))
        result = self.target.add(Dequantize(), integer, constant, name=f"{name}.float", origin=value.origin)
        self.target.outputs[name] = result

    def _counted(self, name: str, value: Value) -> tuple[Value, Scale]:
        """An output as levels over its calibrated range, shifted by whole levels so that none is below 0."""
        low, high = self._extent(value)
        if self.context.quantized:
            self._record(value, name, "model" if value.name in self.context.scales else "samples", None)
        step = float(arith.round_mantissa((high - low) / self.options.levels, 24)) or 1.0
        shift = int(np.ceil(arith.round_mantissa(-low / step, MANTISSA)))
        unit = np.full(channel_shape(value), step)
        accumulator, scale, r = self._accumulate(value, unit)
        lift = self.target.constant(f"{name}.lift", (shift * r).astype(np.int64))
        lifted = self.target.add(Add(), accumulator, lift, name=f"{name}.lifted", origin=value.origin)
        count = self._unary(lifted, r, f"{name}.count", value.origin, self.options.levels)
        back = self.target.constant(f"{name}.shift", np.full((1,) * value.type.rank, -shift))
        return self.target.add(Add(), count, back, name=f"{name}.level", origin=value.origin), r * scale


def _axes(values: list[Value]) -> dict[str, int]:
    """Position of the channel axis by value name."""
    return {value.name: channel_axis(value) for value in values}

"""Scales of a quantized model in the unary code: ranges of activations, and weights that stay the file's integers.

An activation's range is the model's; T levels are spread over it. A layer's weights are k times the integers of the
file (up to a common factor), k being a whole number for each channel. With g the real number of one such integer, in
units of the layer's input train, and u the step of the activation behind it,

    S = g / k        r = round(u / S)

so that the levels are off by |r · S / u − 1|. The smallest k is taken that makes this at most CLOSE, or the one that
makes it least among those that fit a synapse.

Of a model in which only weights are quantized, samples give the ranges, one for a whole activation, so that all weights
of a filter have one input unit. The layer is found behind biases that are added and numbers of channels that multiply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...compiler.analysis.grid import weight_units
from ...compiler.ir import Graph, Value
from ...compiler.ir.ops import Add, Clip, Concat, MaxPool, Mul, Relu
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.linear import output_first
from ...compiler.passes.base import Context, GivenScale
from .integerize import Integerizer, channel_axis, channel_shape
from .tables import INT16
from .trains import MOVES, WEIGHTED
from .weights import spike_sources

CLOSE = 2.0**-9
FAR = 2.0**-6
FACTORS = 64
INPUT_WEIGHT = INT16 >> 7  # an input's weights are sent as bit planes of 8 bits

UNHELD = "the file has no integers of 8 bits around zero or several layers add up in one neuron"


@dataclass(frozen=True)
class LayerScales:
    """What became of a quantized model's numbers in one layer: does its activation take the model's range, or samples'
    ("" for an output, which has none), how many of its filters keep the file's integers, and by how much its levels are
    off at most."""

    name: str
    range: str
    filters: int
    kept: int
    gain_error: float


def activation_range(value: Value, scales: Mapping[str, GivenScale]) -> Array | None:
    """The model's range of an activation, one number for each channel (C) or a single one (); None if it has none."""
    found = _behind(value, scales)
    if found is not None:
        return found.high
    node = value.producer
    if node is None or not isinstance(node.op, Relu | Clip):
        return None
    if node.x.name in scales:
        high = scales[node.x.name].high
        return high if isinstance(node.op, Relu) or node.op.high is None else np.minimum(high, node.op.high)
    before = node.x.producer
    if before is not None and isinstance(before.op, Mul) and before.x.name in scales:
        sign = before.operands[1]
        if sign is not None and sign.is_constant and np.all(sign.data == -1):
            return -scales[before.x.name].low
    return None


def _behind(value: Value, scales: Mapping[str, GivenScale]) -> GivenScale | None:
    """The scale of the value, or of what its only reader makes of it by moving it about or taking maxima."""
    while value.name not in scales:
        if len(value.uses) != 1 or not isinstance(value.uses[0][0].op, (*MOVES, MaxPool, Concat)):
            return None
        value = value.uses[0][0].result
    found = scales[value.name]
    return found if not found.scale.ndim or found.axis == channel_axis(value) else None


@dataclass(frozen=True)
class Kept:
    """Accumulator units S and steps r that keep a layer's integers; both broadcast to its result. `own` says for which
    channels: the others have no integers."""

    scale: Array
    r: Array
    own: Array
    gain_error: float


def _linear_part(value: Value) -> tuple[Value, Array]:
    """What constants are added to and numbers of channels multiply, and the product of those, to be broadcast."""
    factor = np.ones(channel_shape(value))
    while (node := value.producer) is not None and isinstance(node.op, Add | Mul):
        rest = [v for v in node.operands if v is not None and not v.is_constant]
        if len(rest) != 1 or rest[0].type.shape != value.type.shape:
            break
        if isinstance(node.op, Mul):
            (number,) = (v.data for v in node.operands if v is not None and v.is_constant)
            if np.broadcast_shapes(number.shape, factor.shape) != factor.shape:
                break
            factor = factor * number
        value = rest[0]
    return value, factor


def kept_scale(integers: Integerizer, value: Value, unit: Array | None) -> Kept | None:
    """Units that keep the integers of the layer that makes a value, for an activation of that step (None: an output,
    whose unit is free). None if no single layer makes it, or none of its filters has integers."""
    linear, times = _linear_part(value)
    node = linear.producer
    if node is None or not isinstance(node.op, WEIGHTED) or integers.travels(value):
        return None
    first = output_first(node.op, integers.real_weight(node))
    rows = first.reshape(len(first), -1).T * times.reshape(-1)
    found = weight_units(rows)
    own = ~np.isnan(found)
    if not own.any():
        return None
    shape = channel_shape(value)
    if unit is None:
        return Kept(found.reshape(shape), np.ones(shape), own.reshape(shape), 0.0)
    sources = spike_sources(node.x)
    fed = any(source.producer is None for source in sources)
    room = (INPUT_WEIGHT if fed else INT16) / max(sources.values(), default=1.0)
    g = np.where(own, found, 1.0)
    most = np.maximum(room // np.rint(np.abs(rows).max(axis=0) / g), 1)
    steps = np.broadcast_to(unit, shape).reshape(-1) / g
    factor, error = _factors(steps, most)
    r = np.maximum(np.rint(steps * factor), 1)
    own &= error <= FAR
    largest = float(error[own].max(initial=0.0))
    return Kept((g / factor).reshape(shape), r.reshape(shape), own.reshape(shape), largest)


def _factors(steps: Array, most: Array) -> tuple[Array, Array]:
    """For each channel the whole number k, at most `most`, and how far steps · k is from a whole number, relatively."""
    best, error = np.ones(len(steps)), np.full(len(steps), np.inf)
    for k in range(1, FACTORS + 1):
        off = np.abs(np.maximum(np.rint(steps * k), 1) / (steps * k) - 1)
        better = (k <= most) & (off < error) & (error > CLOSE)
        best, error = np.where(better, k, best), np.where(better, off, error)
    return best, error


def tell(context: Context, records: list[LayerScales], levels: int, graph: Graph) -> None:
    """Say what became of the scales of a quantized model, and which values it has none for."""
    fed = [value.name for value in graph.inputs if value.name not in context.scales]
    if not context.scales:
        context.warnings.append(_tell_weights(records))
        return
    names = fed + [record.name for record in records if record.range == "samples"]
    context.warnings += _summary(records, levels, names)
    if names and context.made_up:
        context.warnings.append(context.made_up)


def _tell_weights(records: list[LayerScales]) -> str:
    """A sentence for the user about a model in which only weights are integers."""
    weights = [record for record in records if record.filters]
    anew = [f"%{record.name}" for record in weights if record.kept < record.filters]
    gain = max((record.gain_error for record in weights), default=0.0)
    said = f"weights of the model: {len(weights) - len(anew)} of {len(weights)} layers keep its integers"
    said += f", levels are off by up to {100 * gain:.2g} %" if gain else ""
    if anew:
        said += f"; rounded anew, where {UNHELD}: {', '.join(anew)}"
    return said


def _summary(records: list[LayerScales], levels: int, names: list[str]) -> list[str]:
    """Sentences for the user about a quantized model."""
    ranges = sum(record.range == "model" for record in records)
    weights = [record for record in records if record.filters]
    whole = sum(record.kept == record.filters for record in weights)
    gain = max((record.gain_error for record in records), default=0.0)
    said = [
        f"scales of the model: {ranges} activations keep its ranges with {levels} levels, {whole} of {len(weights)} "
        "layers its integer weights"
    ]
    said[0] += f"; levels are off by up to {100 * gain:.2g} %" if gain else ""
    if names:
        said.append(f"the model has no scales for {', '.join('%' + name for name in names)}: calibration gives theirs")
    return said

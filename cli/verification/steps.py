"""The float network of a program as steps, each of which can also round as the program does.

What a program's hidden integers stand for is not stored. Of Akida layers it follows from the inputs on: with the step
of what a layer reads, one unit of its sums is the number with which its integer weights have the least squared error
against the real ones, and its output is that many times its scale. Of the unary code it is the step with the least
squared error on some samples (as in the rows of `nmc verify`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ...backends.akida.build import build
from ...backends.akida.calibrate import finish, levels, linear, streams_of
from ...backends.akida.floats import FloatLayer
from ...compiler.ir import Graph, Node, trace
from ...compiler.ir.ops.base import working
from ...runtime.akida_host import arrange
from ...runtime.compare.metrics import fitted_scale
from ...runtime.encode import quantize
from ...runtime.program.akida import AkidaProgram, GraphOutput, Layer
from ...runtime.program.akida_kinds import DEPTHWISE
from ...runtime.program.cri import CriProgram
from ...runtime.result import Result

Array = np.ndarray[Any, np.dtype[Any]]
Values = dict[str, Array]
WEIGHTS, VALUES = "weights", "values"
HALF = 0.5 + 1e-4  # what floats leave of a half is met as one


@dataclass(frozen=True)
class Rounding:
    """What a step's values are rounded to: levels of `step` from low to high, halves up. clipped: the share of the
    squared error on the samples that stems from values beyond the ends."""

    step: Array
    low: int
    high: int
    clipped: float = 0.0

    def __call__(self, values: Array) -> Array:
        steps = np.where(self.step > 0, self.step, 1.0)
        return np.clip(np.floor(values / steps + HALF), self.low, self.high) * self.step

    def on(self, values: Array) -> Rounding:
        """The same with what it clips of some values."""
        error = np.square(values - self(values))
        beyond = (values > (self.high + 0.5) * self.step) | (values < (self.low - 0.5) * self.step)
        return replace(self, clipped=float(error[beyond].sum() / (error.sum() or 1.0)))


@dataclass(frozen=True)
class Step:
    """One value of the network: what it reads, and how it is computed from that with or without the weights' rounding.

    parts  what can be rounded: weights, values, both or neither; bits of the weights, 0 where they are not rounded
    """

    name: str
    kind: str
    reads: tuple[str, ...]
    compute: Callable[[Sequence[Array], bool], Array]
    parts: tuple[str, ...] = ()
    rounding: Callable[[Array], Array] | None = None
    weight_bits: int = 0


@dataclass(frozen=True)
class Network:
    """Steps in the order of execution, and how samples go in and outputs come out; `skipped`: names that a program's
    rounding was not found for."""

    steps: tuple[Step, ...]
    feed: Callable[[Mapping[str, Array]], Values]
    outputs: Callable[[Values], Values]
    elements: int
    skipped: tuple[str, ...] = field(default=())

    def run(
        self,
        given: Values,
        rounded: Mapping[str, Collection[str]],
        base: Values | None = None,
        dirty: Iterable[str] = (),
    ) -> Values:
        """All values where the parts in `rounded` are, by step. With a `base` of earlier values only the `dirty` steps
        and what depends on them are computed."""
        made, touched = dict(given), set(dirty)
        for step in self.steps:
            if base is not None and step.name not in touched and not touched.intersection(step.reads):
                made[step.name] = base[step.name]
                continue
            touched.add(step.name)
            parts = rounded.get(step.name, ())
            value = step.compute([made[name] for name in step.reads], WEIGHTS in parts)
            made[step.name] = step.rounding(value) if VALUES in parts and step.rounding is not None else value
        return made


def _given(name: str) -> str:
    """Under which name an input's values are fed, before the host codes them."""
    return f"{name}:given"


def _input_step(entry: Any, low: int, high: int) -> Step:
    """The host's code of an input, under the name of the input."""

    def rounding(values: Array) -> Array:
        return (quantize(values, entry.scale, entry.zero_point, low, high)[0] - entry.zero_point) * entry.scale

    return Step(entry.name, "input", (_given(entry.name),), lambda given, _: given[0], (VALUES,), rounding)


# --- Akida ---


def akida_network(program: AkidaProgram, graph: Graph, samples: Mapping[str, Array]) -> Network:
    """The layer sequence of a program; what ranges clip is looked at on the samples."""
    net = build(graph)
    stored = {layer.name: layer for layer in program.layers}
    entries = {entry.name: entry for entry in program.inputs}
    fed = {entry.layer: entry.name for entry in net.inputs}

    def feed(arrays: Mapping[str, Array]) -> Values:
        found: Values = {}
        for entry in net.inputs:
            values = np.asarray(arrays[entry.name], np.float64)
            if entry.axis > 0:
                more = [(0, 0)] * values.ndim
                more[entry.axis] = (0, program.stream_length - values.shape[entry.axis])
                values = np.pad(values, more)
            found[_given(entry.name)] = streams_of(entry, values, net.layers[entry.layer].given)
        return found

    steps: list[Step] = []
    for entry in program.inputs:
        low, high = (-128, 127) if entry.signed else (0, 255)
        steps.append(_input_step(entry, low, high))
    units: Values = {name: np.full(1, entry.scale) for name, entry in entries.items()}
    live, skipped = feed(samples), []
    live = {**live, **{name: live[_given(name)] for name in entries}}
    for layer in net.layers.values():
        reads = layer.inbounds or (fed[layer.name],)
        step = Step(layer.name, layer.kind, reads, partial(_layer, layer, None))
        live[layer.name] = step.compute([live[name] for name in reads], False)
        if layer.name in stored:
            zero = entries[reads[0]].zero_point if layer.kind == "InputConv2D" else 0
            step = _akida_step(step, layer, stored[layer.name], zero, units, live[layer.name])
        else:
            skipped.append(layer.name)
            units[layer.name] = np.ones(layer.made[2])
        steps.append(step)
    elements = sum(int(np.prod(layer.made)) for layer in net.layers.values()) * program.stream_length
    ends = {output.name: output for output in program.outputs}
    sources = {output.name: output.layer for output in net.outputs}
    return Network(
        tuple(steps),
        feed,
        lambda values: {name: _assembled(output, values[sources[name]]) for name, output in ends.items()},
        elements,
        tuple(skipped),
    )


def _layer(layer: FloatLayer, other: FloatLayer | None, inbounds: Sequence[Array], rounded: bool) -> Array:
    chosen = other if rounded and other is not None else layer
    return finish(chosen, linear(chosen, list(inbounds)))


def _akida_step(step: Step, layer: FloatLayer, stored: Layer, zero: int, units: Values, real: Array) -> Step:
    """The step with the program's rounding. `units` has the steps of what it reads and gets that of what it gives."""
    given, other, bits = [units[name] for name in step.reads], None, 0
    p = stored.parameters
    raw = p.get("output_bits") == p.get("buffer_bits")
    if layer.neural:
        other, sum_unit = _with_integers(layer, stored, given[0], zero)
        bits = p["weights_bits"]
        found = sum_unit / (stored.variables["output_scales"] * 2.0 ** stored.variables["output_shift"] * layer.cells)
        if layer.function is not None and not raw:  # a table has a step of its own
            found = np.full(layer.made[2], np.abs(real).max() / levels(replace(layer, parameters=p)))
        units[layer.name] = found
    elif layer.kind == "Add":
        common = given[0] * 2.0 ** -stored.variables["a_shift"].astype(np.float64)
        units[layer.name] = common * 2.0 ** -stored.variables["output_shift"].astype(np.float64)
    elif layer.kind == "Concatenate":
        units[layer.name] = np.concatenate(given)
    else:
        units[layer.name] = np.broadcast_to(given[0], (layer.made[2],))
    rounding, parts = None, [] if layer.identity or not layer.neural else [WEIGHTS]
    if layer.kind not in ("InputData", "Concatenate") and not raw:
        top = levels(replace(layer, parameters=p))
        low = 0 if layer.activation == "relu" or top == 15 else -top - 1
        rounding = Rounding(units[layer.name], low, top).on(real)
        parts.append(VALUES)
    chosen = None if layer.identity else other
    return replace(
        step, compute=partial(_layer, layer, chosen), parts=tuple(parts), rounding=rounding, weight_bits=bits
    )


def _with_integers(layer: FloatLayer, stored: Layer, unit: Array, zero: int) -> tuple[FloatLayer, Array]:
    """The layer with what the program's integers stand for, when its inputs have steps of `unit` (C) or (1), and the
    real number that one unit of its sums stands for, (F)."""
    assert layer.weight is not None and layer.bias is not None
    integers = stored.variables["weights"].astype(np.float64)
    if layer.kind in ("Conv2D", "DepthwiseConv2D"):
        integers = integers[::-1, ::-1]
    integers = integers.reshape(layer.weight.shape)
    each = np.broadcast_to(unit, (layer.given[2],))
    if layer.kind == "Dense1D":
        each = np.tile(each, len(layer.weight) // len(each))
    each = each if layer.kind in DEPTHWISE else each[:, None]
    axes = tuple(range(integers.ndim - 1))
    added = stored.variables["bias"] * 2.0 ** stored.variables["bias_shift"] + zero * integers.sum(axis=axes)
    power = np.square(integers).sum(axis=axes)
    no_weights = np.where(added != 0, layer.bias / np.where(added != 0, added, 1.0), 1.0)
    fitted = (layer.weight * each * integers).sum(axis=axes) / np.where(power > 0, power, 1.0)
    sum_unit = np.where(power > 0, fitted, no_weights)
    return replace(layer, weight=integers * sum_unit / each, bias=added * sum_unit), sum_unit


def _assembled(output: GraphOutput, frames: Array) -> Array:
    """Frames (samples, frames, X, Y, C) of a layer as an output of the source model."""
    kept = np.stack([arrange(output, frames[:, frame]) for frame in output.timing.frames()], axis=1)
    return np.moveaxis(kept, 1, output.timing.axis) if output.timing.axis > 0 else kept[:, -1]


# --- CRI, unary code ---


def unary_network(program: CriProgram, graph: Graph, samples: Mapping[str, Array], result: Result) -> Network:
    """The float graph of a program in the unary code, whose activations can be rounded to its levels."""
    unary = {p.name: p for p in program.populations if p.kind == "unary"}
    real = trace(graph, samples, set(unary))
    roundings = {}
    for name, values in real.items():
        if values.shape == result.trace[name].shape:
            unit = fitted_scale(values, result.trace[name], 1)[0]
            roundings[name] = Rounding(unit, 0, unary[name].levels).on(values)
    steps = [_input_step(entry, 0, 2**entry.bits - 1) for entry in program.inputs]
    for node in graph.nodes:
        name = node.result.name
        parts, kind = ((VALUES,) if name in roundings else ()), node.op.mnemonic
        reads = tuple(v.name for v in node.operands if v is not None and not v.is_constant)
        steps.append(Step(name, kind, reads, partial(_node, node), parts, roundings.get(name)))
    ends = {name: value.name for name, value in graph.outputs.items()}
    return Network(
        tuple(steps),
        lambda arrays: {_given(name): np.asarray(array, np.float64) for name, array in arrays.items()},
        lambda values: {name: values[end] for name, end in ends.items()},
        sum(node.result.type.elements for node in graph.nodes),
        tuple(name for name in unary if name not in roundings),
    )


def _node(node: Node, given: Sequence[Array], _: bool) -> Array:
    left = iter(given)
    arrays = [
        None if value is None else working(value.data) if value.is_constant else next(left) for value in node.operands
    ]
    return node.op.evaluate(*arrays)

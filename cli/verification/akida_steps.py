"""The layer sequence of an Akida program as steps that can round as the program does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...backends.akida.build import build
from ...backends.akida.calibrate import finish, levels, linear, streams_of
from ...backends.akida.floats import FloatLayer
from ...compiler.ir import Graph
from ...runtime.akida_host import arrange
from ...runtime.program.akida import AkidaProgram, GraphOutput, Layer
from ...runtime.program.akida_kinds import DEPTHWISE
from .steps import VALUES, WEIGHTS, Network, Rounding, Step, Values, given_name, input_step

Array = np.ndarray[Any, np.dtype[Any]]


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
            found[given_name(entry.name)] = streams_of(entry, values, net.layers[entry.layer].given)
        return found

    steps: list[Step] = []
    for entry in program.inputs:
        low, high = (-128, 127) if entry.signed else (0, 255)
        steps.append(input_step(entry, low, high))
    units: Values = {name: np.full(1, entry.scale) for name, entry in entries.items()}
    live, skipped = feed(samples), []
    live = {**live, **{name: live[given_name(name)] for name in entries}}
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

"""Level 2 of the unary code: layer by layer, weights, biases and ranges that make up for what came before.

When an activation gets its integers, those of all layers before it are there. On calibration samples its layer is given
their levels and refitted to what the float network has in this place (`least_squares`); then the range of the
activation and a shift of its bias are searched (`level_search`). An output's layer is refitted too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from ...compiler.ir import Graph, Node, Value, evaluate, trace
from ...compiler.ir.ops import Add, Clip, Conv, Dense, MaxPool, Quantize, Relu, Unary
from ...compiler.ir.ops.base import Array, working
from ...compiler.ir.ops.linear import output_first
from ...compiler.levels import Budget
from ...compiler.passes.base import Context
from ...runtime import arith
from .integerize import Integerizer, channel_axis, per_channel
from .least_squares import MANTISSA, MOST_FEATURES, refit
from .level_search import search_levels

ELEMENTS = 1 << 24
CHECKED = 128


class Tuner:
    """Changes the constants of `source` in front of each activation, reading the integer graph made so far."""

    def __init__(
        self, source: Graph, integers: Integerizer, context: Context, levels: Mapping[str, int], budget: Budget
    ):
        assert context.samples is not None
        self.source, self.integers, self.levels, self.budget = source, integers, levels, budget
        self.progress = context.progress
        self.done = 0
        activations = [node for node in source.nodes if isinstance(node.op, Relu | Clip)]
        ends = [value for node in activations for value in (node.x, node.result)]
        wanted = {value.name for value in (*ends, *source.outputs.values())}
        size = sum(n.result.type.elements for n in source.nodes if n.result.name in wanted)
        self.samples = some_samples(context.samples, max(1, ELEMENTS // max(size, 1)))
        self.floats = trace(source, self.samples, wanted)
        self._live: dict[int, Array] = {}

    def activation(self, node: Node, reach: Array) -> Array:
        """Refit what the activation reads; returns its range per channel, from `reach` on."""
        value = node.x
        self.done += 1
        self.progress(self.done, len(self.levels))
        if value.is_constant or channel_axis(value) != 1 or self.budget.over:
            return reach
        layer = self._refit(value, rectified=True)
        found = self._real(value)
        wanted = self.floats[node.result.name]
        best, shift = search_levels(found, wanted, reach, self.levels[node.result.name])
        if layer is None:
            return reach
        self._change(layer, None, shift)
        return arith.round_mantissa(best, MANTISSA)

    def output(self, value: Value) -> None:
        """Refit the layer of an output."""
        if not value.is_constant and not self.budget.over:
            self._refit(value)

    # --- the layer ---

    def _refit(self, value: Value, rectified: bool = False) -> Node | None:
        """Change the weights of the layer that makes the value; None if there is no such layer.

        rectified: results below 0 only have to stay there
        """
        layer = _layer(value)
        if layer is None:
            return None
        op, weight = layer.op, layer.operand("weight")
        assert isinstance(op, Conv | Dense) and weight is not None
        train, unit = self.integers.train(layer.x)
        wanted, found = self.floats[value.name], self._real(value)
        missing = wanted - found
        if rectified:
            missing = np.where(wanted > 0, missing, np.minimum(-found, 0))
        kernel = tuple(weight.type.shape[2:])
        if int(np.prod(weight.type.shape[1:])) <= MOST_FEATURES:
            change, bias = refit(op, self._levels(train), missing, kernel)
            self._change(layer, output_first(op, change), bias, per_channel(unit, layer.x))
        return layer

    def _change(self, layer: Node, change: Array | None, bias: Array, unit: Array | None = None) -> None:
        """Add to the weights (per unit of the input train) and to the bias."""
        weight, before = layer.operand("weight"), layer.operand("bias")
        assert weight is not None
        name = layer.result.name
        if change is not None and unit is not None:
            data = weight.data.astype(np.float64) + change / self._units(layer, unit)
            weight = self.source.constant(f"{name}.tuned", _single(data))
        total = bias if before is None else before.data.astype(np.float64) + bias
        constant = self.source.constant(f"{name}.tuned_bias", _single(total))
        self.source.rewrite(layer, layer.op, layer.x, weight, constant)

    @staticmethod
    def _units(layer: Node, unit: Array) -> Array:
        """The unit of each weight's input channel, in a shape that broadcasts to the weight."""
        if isinstance(layer.op, Dense):
            return unit
        assert isinstance(layer.op, Conv)
        weight = layer.operand("weight")
        assert weight is not None
        groups, rank = layer.op.groups, weight.type.rank
        each = np.repeat(unit.reshape(groups, 1, -1), weight.type.shape[0] // groups, axis=1)
        return each.reshape(weight.type.shape[0], -1, *(1,) * (rank - 2))

    # --- numbers ---

    def _levels(self, value: Value) -> Array:
        """The integers of a value of the graph made so far."""
        if value.is_constant:
            return working(value.data)
        if id(value) in self._live:
            return self._live[id(value)].astype(np.int64)
        node = value.producer
        if node is None:
            return self.samples[value.name]
        result = node.op.evaluate(*(None if v is None else self._levels(v) for v in node.operands))
        if isinstance(node.op, Unary | Quantize | MaxPool):
            self._live[id(value)] = result.astype(np.int16)  # levels are at most 4096
        return result

    def _real(self, value: Value) -> Array:
        """What a value of the source graph is if layers read the integers made so far."""
        if value.is_constant:
            return working(value.data)
        if self.integers.travels(value):
            train, unit = self.integers.train(value)
            return self._levels(train) * unit
        node = value.producer
        assert node is not None
        return node.op.evaluate(*(None if v is None else self._real(v) for v in node.operands))


def some_samples(samples: Mapping[str, Array], most: int) -> dict[str, Array]:
    """At most about so many of the samples, evenly spread."""
    count = len(next(iter(samples.values())))
    return {name: array[:: max(1, -(-count // most))] for name, array in samples.items()}


@dataclass(frozen=True)
class Searched:
    """What level 2 came to: levels by activation, and the squared error of the outputs on samples, relative to their
    size, before and after."""

    levels: tuple[tuple[str, int], ...]
    before: float
    after: float


class Built(Protocol):
    """A network in integers."""

    target: Graph
    levels: dict[str, int]
    context: Context


B = TypeVar("B", bound=Built)


def choose(graph: Graph, context: Context, plain: B, trial: B, budget: Budget) -> B:
    """The one whose outputs are closer to those of the float graph; the context is told."""
    assert context.samples is not None
    some = some_samples(context.samples, CHECKED)
    wanted = evaluate(graph, some)
    before, after = (output_error(wanted, evaluate(made.target, some)) for made in (plain, trial))
    best = trial if after < before else plain
    context.reports.setdefault("search-levels", []).append(Searched(tuple(best.levels.items()), before, after))
    if budget.over:
        context.warnings.append("the time budget ended the search for levels and weights early")
    if best is trial:
        context.warnings += [text for text in trial.context.warnings if text not in context.warnings]
    return best


def output_error(wanted: Mapping[str, Array], found: Mapping[str, Array]) -> float:
    """Squared error of all outputs, each relative to its size."""
    total = sum(((found[k] - v) ** 2).sum() / max((v**2).sum(), 1e-30) for k, v in wanted.items())
    return float(arith.round_mantissa(total, MANTISSA))


def _layer(value: Value) -> Node | None:
    """The convolution or dense layer that makes a value, perhaps with other terms added; of several the first."""
    node = value.producer
    if node is None:
        return None
    if isinstance(node.op, Add):
        return next((layer for v in node.operands if v is not None and (layer := _layer(v)) is not None), None)
    return node if isinstance(node.op, Conv) or (isinstance(node.op, Dense) and value.type.rank == 2) else None


def _single(data: Array) -> Array:
    return arith.round_mantissa(data, MANTISSA).astype(np.float32)

"""Which real numbers become the integers of one population: the weights and constants on the way into a value."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Add, AvgPool, Conv
from ...compiler.ir.ops.base import Array
from ...compiler.ir.ops.linear import output_first
from .integerize import Integerizer, Scale
from .tables import INT16
from .trains import NEURON

Reach = dict[Value, float]


def spike_sources(value: Value) -> Reach:
    """Neurons, inputs and states that a (pooled) train comes from, each with how many of its elements may add up in one
    element where windows of pools overlap."""
    node = value.producer
    if node is None or isinstance(node.op, NEURON):
        return {value: 1.0}
    overlap = 1.0
    if isinstance(node.op, AvgPool):
        windows = zip(node.op.kernel, node.op.stride, node.op.dilation, strict=True)
        overlap = math.prod(k if s < d * (k - 1) + 1 else 1 for k, s, d in windows)
    found: Reach = {}
    for operand in node.operands:
        for source, number in ({} if operand is None or operand.is_constant else spike_sources(operand)).items():
            found[source] = max(found.get(source, 0.0), number * overlap)
    return found


def _most(peak: float, times: float) -> float:
    """`times` · peak, and room for the rounding of peak, which counts as often."""
    return peak * times * (INT16 / max(INT16 - times / 2, 1.0) if times > 1 else 1.0)


class Weights(Integerizer):
    """Goes through a value as `emit` does and keeps what would be rounded, in units of the given scale.

    weights    one array for each layer or plain connection: real weight of one unit of its train / scale
    constants  one array for each bias or other constant / scale
    synapse    the largest weight that one synapse may add up to, an input of b bits counting 2^(b−1) times
    """

    def __init__(self, integers: Integerizer, value: Value, scale: Scale, bits: Mapping[Value, int]):
        super().__init__(Graph())
        self.integers, self.bits, self.trains = integers, bits, integers.trains
        self.weights: list[Array] = []
        self.constants: list[Array] = []
        self._reach: dict[Value, Reach] = {}
        total = self.emit(value, scale)
        for node in self.target.nodes:
            self._reach[node.result] = self._joined(node)
        self.synapse = max(self._reach[total].values(), default=0.0)

    def train(self, value: Value) -> tuple[Value, Scale]:
        return self.integers.train(value)

    def _leaf(self, value: Value, reach: Reach) -> Value:
        """Stands for what `emit` would make; no integers are needed here."""
        leaf = self.target.add_input(value.name, value.type.with_dtype("i64"))
        self._reach[leaf] = reach
        return leaf

    def _weighted(self, value: Value, train: Value, weights: Array) -> Value:
        self.weights.append(weights)
        peak = float(np.abs(weights).max(initial=0.0))
        sources = spike_sources(train)
        return self._leaf(value, {s: _most(peak, n * 2.0 ** (self.bits.get(s, 1) - 1)) for s, n in sources.items()})

    def _constant(self, value: Value, scale: Scale) -> Value:
        self.constants.append(value.data / scale)
        return self._leaf(value, {})

    def _plain(self, value: Value, scale: Scale) -> Value:
        return self._weighted(value, value, self.train(value)[1] / scale)

    def _layer(self, node: Node, scale: Array) -> Value:
        bias = node.operand("bias")
        if bias is not None:
            self.constants.append(bias.data / scale)
        first = output_first(node.op, self.real_weight(node))
        return self._weighted(node.result, node.x, first / scale.reshape(-1, *(1,) * (first.ndim - 1)))

    def _joined(self, node: Node) -> Reach:
        """What the parts of a sum, of a window or of a concatenation may add up to, by source."""
        parts = [self._reach[operand] for operand in node.operands if operand in self._reach]
        area = 1.0
        if isinstance(node.op, Conv):
            kernel = node.operands[1]
            area = 1.0 if kernel is None else float(math.prod(kernel.type.shape[2:]))
        found: Reach = {}
        for part in parts:
            for source, peak in part.items():
                before = found.get(source, 0.0)
                both = (before + peak) * (INT16 / (INT16 - 1) if before else 1.0)  # each is rounded, by up to 1/2
                found[source] = both if isinstance(node.op, Add) else max(before, peak * area)
        return found

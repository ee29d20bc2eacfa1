"""Convolutions over time and space become a convolution over time and one over space.

    y = b + W ∗ x   with W of size τ×k×k     →     z = V ∗ x (τ×1×1, no bias),   y = b + U ∗ z (1×k×k)

or the other way round, space first. Stride, pads and dilation go with their axes. The first of the two has no bias, so
it makes zeros of zeros and the padding of the second means what it meant before. Where U and V come from, and what is
lost if there are few channels between them: analysis/factorization.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..analysis.factorization import Factors, Rank, factorize
from ..analysis.layer_errors import channel_rms, output_errors
from ..ir import Graph, Node, Value
from ..ir.ops import Concat, Conv, Pad, Reshape, Slice, Transpose
from ..ir.ops.base import Array
from .base import Context, Pass

NAME = "factorize-conv3d"
ORDERS = ("auto", "temporal-first", "spatial-first")
# What a channel counts at least, relative to the largest one: samples that leave it at 0 do not prove that it stays 0.
LEAST_WEIGHT = 1e-3


@dataclass(frozen=True)
class Factorized:
    """What became of one convolution.

    rank, full_rank   channels between its two parts, and how many make any kernel of its size exact (both per group)
    weights, macs     before and after: weights without bias; multiplications for one clip
    weight_error      norm of the difference of the kernels / norm of the kernel (weighted if the pass is)
    output_error      the same for the layer's output on the calibration samples, None without samples
    """

    name: str
    order: str
    rank: int
    full_rank: int
    weights: tuple[int, int]
    macs: tuple[int, int]
    weight_error: float
    output_error: float | None


def table(records: Sequence[Factorized]) -> str:
    """The records as a plain text table with a line of totals."""

    def arrow(numbers: Sequence[int]) -> str:
        return f"{numbers[0]:,} -> {numbers[1]:,}"

    rows = [("layer", "order", "rank", "weights", "MACs per clip", "weight error", "output error")]
    for r in records:
        output = "-" if r.output_error is None else f"{r.output_error:.2e}"
        counts = (arrow(r.weights), arrow(r.macs))
        rows.append((r.name, r.order, f"{r.rank} of {r.full_rank}", *counts, f"{r.weight_error:.2e}", output))
    weights = [sum(r.weights[i] for r in records) for i in (0, 1)]
    macs = [sum(r.macs[i] for r in records) for i in (0, 1)]
    rows.append(("total", "", "", arrow(weights), arrow(macs), "", ""))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


@dataclass(frozen=True)
class _Plan:
    """A convolution and the two that take its place, first and second, their weights laid out as in the IR."""

    node: Node
    order: str
    ops: tuple[Conv, Conv]
    weights: tuple[Array, Array]
    factors: Factors

    def evaluate(self, x: Array) -> Array:
        bias = self.node.operand("bias")
        between = self.ops[0].evaluate(x, self.weights[0])
        return self.ops[1].evaluate(between, self.weights[1], None if bias is None else bias.data)


def _is_full(node: Node) -> bool:
    """Is the node a 3-D convolution with more than one tap both in time and in space?"""
    weight = node.operand("weight") if isinstance(node.op, Conv) else None
    if weight is None or weight.type.rank != 5:
        return False
    time, taps = node.x.type.axis("T"), prod(weight.type.shape[2:])
    # Where no axis is time, `_obstacle` tells the user.
    return taps > 1 if time is None else 1 < weight.type.shape[time] < taps


def _obstacle(node: Node) -> str | None:
    """Why a full convolution cannot be factorized, None if it can."""
    weight = node.operand("weight")
    assert weight is not None
    if node.x.type.axis("T") is None:
        return f"none of the axes {node.x.type.axes} of its input is time (T)"
    if not weight.is_constant:
        return f"its weight %{weight.name} is not a constant"
    if not weight.type.elements:
        return f"its weight @{weight.name} is empty"
    if not np.isfinite(weight.data).all():
        return f"its weight @{weight.name} holds NaN or infinity"
    return None


def _reads_input(value: Value) -> bool:
    """Is the value made of graph inputs by moving elements only?"""
    node = value.producer
    if node is None:
        return not value.is_constant
    moves = isinstance(node.op, Concat | Pad | Reshape | Slice | Transpose)
    return moves and all(v is not None and _reads_input(v) for v in node.operands)


def _only(op: Conv, axes: Sequence[int]) -> Conv:
    """The op with its stride, pads and dilation on these kernel axes, and none on the others."""

    def pick(numbers: tuple[Any, ...], none: Any) -> tuple[Any, ...]:
        return tuple(number if i in axes else none for i, number in enumerate(numbers))

    return Conv(pick(op.stride, 1), pick(op.pads, (0, 0)), pick(op.dilation, 1), op.groups)


@dataclass(frozen=True)
class FactorizeConv3d(Pass):
    """Make a temporal (τ×1×1) and a spatial (1×k×k) convolution of each one over time and space.

    rank      channels between the two: exact (as many as the kernel needs), r2plus1d (as many as keep the number of
              weights), a number, energy=0.99 (the fewest that keep this share of the squared singular values),
              error=0.05 (the fewest whose product is that close to the kernel); per group
    order     temporal-first, spatial-first, or auto: spatial-first where the layer reads the graph's input
    weighted  count an error more where the calibration samples make the layer's input channels large
    """

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical",)

    rank: str = "exact"
    order: str = "auto"
    weighted: bool = False

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order must be {', '.join(ORDERS[:-1])} or {ORDERS[-1]}, not {self.order!r}")
        # An approximation is not expected to keep the outputs: --verify-each reports the change.
        object.__setattr__(self, "preserves", Rank.parse(self.rank).is_exact)

    def run(self, graph: Graph, context: Context) -> int:
        nodes: list[Node] = []
        for node in filter(_is_full, graph.nodes):
            why = _obstacle(node)
            if why is None:
                nodes.append(node)
            else:
                context.decline(NAME, node.result.name, why)
        if not nodes:
            return 0
        rms: dict[str, Array] = {}
        if self.weighted and context.samples is None:
            context.warnings.append(f"{NAME}: errors are not weighted, since there are no calibration samples")
        elif self.weighted and context.samples is not None:
            rms = channel_rms(graph, context.samples, {node.x.name for node in nodes})
        plans = [self._plan(node, rms.get(node.x.name)) for node in nodes]
        replacements = {plan.node: plan.evaluate for plan in plans}
        errors = {} if context.samples is None else output_errors(graph, context.samples, replacements)
        for plan in plans:
            _rewrite(graph, plan)
            context.reports.setdefault(NAME, []).append(_report(plan, errors.get(plan.node)))
        return len(plans)

    def ensures(self, graph: Graph) -> None:
        assert not any(_is_full(node) and _obstacle(node) is None for node in graph.nodes)

    def _plan(self, node: Node, rms: Array | None) -> _Plan:
        op, weight, time = node.op, node.operand("weight"), node.x.type.axis("T")
        assert isinstance(op, Conv) and weight is not None and time is not None
        order = self.order
        if order == "auto":
            order = "spatial-first" if _reads_input(node.x) else "temporal-first"
        space = [axis for axis in range(3) if axis != time - 2]
        timed = np.moveaxis(weight.data, time, 2)
        kernel = timed.reshape(op.groups, -1, *timed.shape[1:3], prod(timed.shape[3:]))
        parts = [(_only(op, [time - 2]), (timed.shape[2], 1, 1)), (_only(op, space), (1, *timed.shape[3:]))]
        if order == "spatial-first":
            kernel = kernel.swapaxes(3, 4)
            parts.reverse()
        factors = factorize(kernel, Rank.parse(self.rank), _column_weights(rms, op.groups))
        first, second = (
            np.moveaxis(data.reshape(-1, data.shape[2], *taps), 2, time).astype(weight.data.dtype)
            for data, (_, taps) in zip((factors.first, factors.second), parts, strict=True)
        )
        return _Plan(node, order, (parts[0][0], parts[1][0]), (first, second), factors)


def _column_weights(rms: Array | None, groups: int) -> Array | None:
    if rms is None or not rms.any():
        return None
    return np.maximum(rms, rms.max() * LEAST_WEIGHT).reshape(groups, -1)


def _rewrite(graph: Graph, plan: _Plan) -> None:
    """The node computes the second part, a new node before it the first."""
    node, weight = plan.node, plan.node.operand("weight")
    assert weight is not None
    parts = ("temporal", "spatial") if plan.order == "temporal-first" else ("spatial", "temporal")
    first, second = (
        graph.constant(f"{weight.name}.{part}", data, weight.type.axes)
        for part, data in zip(parts, plan.weights, strict=True)
    )
    name, origin = f"{node.result.name}.{parts[0]}", node.result.origin
    between = graph.add(plan.ops[0], node.x, first, name=name, origin=origin, before=node)
    graph.rewrite(node, plan.ops[1], between, second, *node.operands[2:])


def _report(plan: _Plan, output_error: float | None) -> Factorized:
    """The record of a plan that is carried out."""
    between, result, factors = plan.node.x, plan.node.result, plan.factors
    _, rank, inputs, early = factors.first.shape
    before = result.type.shape[1] * inputs * early * factors.second.shape[3]
    first, second = (data.size for data in plan.weights)
    there, here = (prod(value.type.shape[2:]) for value in (between, result))
    weights, macs = (before, first + second), (before * here, first * there + second * here)
    return Factorized(result.name, plan.order, rank, factors.full, weights, macs, factors.error, output_error)

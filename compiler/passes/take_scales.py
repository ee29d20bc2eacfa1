"""The scales of a quantized model leave the graph: what each quantizer says of a value is kept beside it.

    relu → fake_quantize         clip(0, high), whose value has that quantizer's scale
    conv → fake_quantize         if its codes start at real 0: clip(0, high); else conv itself
    input → fake_quantize        the input itself

A backend then chooses integers of its own that come as close to the model's as the machine allows. What a value is
rounded to in the model, the graph no longer says; how far a quantizer's codes reach, it says where they start at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..analysis.sign import is_nonnegative
from ..ir import Graph, Node, Value
from ..ir.ops import Clip, FakeQuantize, Relu, Reshape, Slice, Transpose
from .base import Context, GivenScale, Pass

NAME = "take-scales"


def has_quantizers(graph: Graph) -> bool:
    """Does the model bring scales of its own?"""
    return any(isinstance(node.op, FakeQuantize) for node in graph.nodes)


def given_scale(node: Node) -> GivenScale:
    """What a fake_quantize says of its value."""
    op, (_, scale, zero) = node.op, node.operands
    assert isinstance(op, FakeQuantize) and scale is not None and zero is not None
    low, high = op.limits
    s, z = scale.data.astype(np.float64), zero.data.astype(np.float64)
    return GivenScale(s, s * (low - z), s * (high - z), op.bits, op.axis, int(z.flat[0]) - low)


def _source(value: Value) -> Value:
    """What it was before it was moved about."""
    while value.producer is not None and isinstance(value.producer.op, Reshape | Transpose | Slice):
        value = value.producer.x
    return value


def _clipped(graph: Graph, node: Node, given: GivenScale) -> Value:
    """The value in the place of a quantizer's, rectified and bounded as its codes are, but not rounded."""
    x = node.x
    fed, starts_at_zero = _source(x).producer is None, bool(np.all(given.low == 0))
    if fed or not (starts_at_zero or is_nonnegative(x)):
        graph.replace(node, x)
        return _source(x) if fed and not given.scale.ndim else x
    high = float(given.high) if not given.high.ndim else None
    made = x.producer
    if not is_nonnegative(x):
        graph.rewrite(node, Relu() if high is None else Clip(0.0, high), x)
        return node.result
    if made is None or not isinstance(made.op, Relu | Clip) or graph.readers(x) > 1:
        graph.replace(node, x)
        return x
    before = made.op if isinstance(made.op, Clip) else Clip(0.0)
    bounds = [bound for bound in (before.high, high) if bound is not None]
    graph.rewrite(made, Clip(0.0, min(bounds)) if bounds else Relu(), made.x)
    graph.replace(node, x)
    return x


@dataclass(frozen=True)
class TakeScales(Pass):
    """Take the quantizers of a quantized model out of the graph and keep their scales for the backend."""

    name: ClassVar[str] = NAME
    takes: ClassVar[tuple[str, ...]] = ("canonical", "streaming", "affine")
    preserves: ClassVar[bool] = False

    def run(self, graph: Graph, context: Context) -> int:
        nodes = [node for node in graph.nodes if isinstance(node.op, FakeQuantize)]
        for node in nodes:
            given = given_scale(node)
            value = _clipped(graph, node, given)
            old = context.scales.get(value.name)
            if old is not None and not old.same(given):
                context.warnings.append(f"%{value.name} has two quantizers of different scales: the wider one is taken")
            context.scales[value.name] = given if old is None else old.wider(given)
        return len(nodes)

    def ensures(self, graph: Graph) -> None:
        assert not has_quantizers(graph)

"""From a float graph to the layer sequence in floats: each node becomes a layer, part of one, or another name for one.

A convolution, dense layer or sum starts a layer. The activation behind it, a maximum pool in front of or behind that,
and a mean over the frame become parts of the layer, if nothing else reads what lies between. Where the machine has no
place for one of them (a relu behind a sum, a pool behind a table, a mean behind a depthwise layer), an identity
convolution carries it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import (
    Activation,
    Add,
    AvgPool,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Fifo,
    MaxPool,
    Mean,
    Mul,
    Op,
    Pad,
    Relu,
    Reshape,
    Slice,
    Transpose,
)
from ...compiler.passes.base import GivenScale
from ...runtime.program.akida_shapes import ShapeError
from ...runtime.program.timing import Timing
from . import linear, parts
from .builder import Builder, NotHeld, with_time
from .fan_out import limit_readers
from .floats import FloatNet, FloatOutput
from .moves import Place

Handler = Callable[[Builder, Node], Place | None]
HANDLERS: dict[type[Op], Handler] = {
    Activation: parts.activation,
    Add: parts.add,
    AvgPool: parts.average,
    Clip: parts.activation,
    Concat: parts.concat,
    Conv: linear.conv,
    ConvTranspose: linear.conv_transpose,
    Dense: linear.dense,
    Fifo: linear.fifo,
    MaxPool: parts.max_pool,
    Mean: parts.mean,
    Mul: parts.mul,
    Relu: parts.activation,
    Reshape: parts.move,
    Slice: parts.move,
    Transpose: parts.move,
}

HOST_MOVES = (Reshape, Transpose, Slice, Concat, Pad)
ON_HOST = "--host-fallback runs it on the host"


def build(
    graph: Graph, reasons: Mapping[str, str] | None = None, scales: Mapping[str, GivenScale] | None = None
) -> FloatNet:
    """The layer sequence of a graph in stage `canonical` or `streaming`, after `akida-windows`.

    `reasons` say why that pass left a value as it is, `scales` what a quantized model says of values. NmcError NMC-A001
    with everything that the machine cannot hold.
    """
    b = Builder(graph, scales=scales)
    _place(b, reasons or {})
    b.problems.raise_if_any()
    return limit_readers(b.net)


def refusals(graph: Graph, reasons: Mapping[str, str] | None = None) -> dict[str, str]:
    """Why the machine cannot make a value, by its name, for all that it cannot make. What reads such a value is judged
    as if the host gave it."""
    b = Builder(graph, given=True)
    _place(b, reasons or {})
    return b.refused


def _place(b: Builder, reasons: Mapping[str, str]) -> None:
    """A place for every value of the graph; what has none is among the builder's problems."""
    graph = b.graph
    for node in graph.nodes:
        _guard(b, node.result, lambda node=node: _node(b, node), reasons)
    for value in graph.inputs:
        if not value.uses:
            _guard(b, value, lambda value=value: b.place(value), {})  # the host has it all the same
    for name, value in graph.outputs.items():
        _guard(b, value, lambda name=name, value=value: _output(b, name, value), {})


def _guard(b: Builder, value: Value, step: Callable[[], object], reasons: Mapping[str, str]) -> None:
    """Do a step; what the machine cannot hold becomes a diagnostic, reported with all others."""
    try:
        step()
    except (NotHeld, ShapeError) as error:
        what, why = f"target 'akida' cannot hold %{value.name}", reasons.get(value.name, str(error))
        hints = (error.hint if isinstance(error, NotHeld) else "", ON_HOST if value.producer else "")
        b.refused[value.name] = why
        b.problems.add("NMC-A001", what, where=", ".join(value.origin), why=why, hint="; ".join(filter(None, hints)))


def _node(b: Builder, node: Node) -> None:
    computed = [v for v in node.operands if v is not None and v.producer is not None]
    missing = [id(v) not in (b.places.keys() | b.windows.keys() | b.images) for v in computed]
    if missing and all(missing) and isinstance(node.op, HOST_MOVES):
        return  # what it moves was refused: where it leads to is judged
    if not b.given and any(
        m and isinstance(v.producer, Node) and isinstance(v.producer.op, Fifo)
        for m, v in zip(missing, computed, strict=True)
    ):
        return  # a memory and what reads it are refused as one
    if linear.is_image_order(b, node):
        b.images.add(id(node.result))
        return
    handler = HANDLERS.get(type(node.op))
    if handler is None:
        raise NotHeld(f"the machine has no layer for {node.op.mnemonic}")
    if any(id(v) in b.windows for v in computed) and not isinstance(node.op, linear.REACH_BACK):
        what = f"{node.op.mnemonic} over frames of the past"
        raise NotHeld(what, "only convolutions and means reach back in time")
    place = _handled(b, node, computed, handler)
    if place is not None:
        b.places[id(node.result)] = place
        layer = b.net.layers[place.layer]
        layer.scale = b.scales.get(node.result.name, layer.scale)


def _handled(b: Builder, node: Node, computed: list[Value], handler: Handler) -> Place | None:
    """The node's place. What cannot be read as a move left it may be fit to be read when the host has moved it."""
    try:
        return handler(b, node)
    except (NotHeld, ShapeError):
        moved = [v for v in computed if v.producer and isinstance(v.producer.op, HOST_MOVES) and id(v) in b.places]
        if not b.given or not moved:
            raise
        for value in moved:
            del b.places[id(value)]
        place = handler(b, node)
        b.refused |= {
            value.name: f"%{node.result.name} cannot be computed where it leaves its values" for value in moved
        }
        return place


def _output(b: Builder, name: str, value: Value) -> None:
    if value.is_constant or value.producer is None:
        raise NotHeld(f"output {name!r} is an input or a constant: no layer computes it")
    if id(value) not in b.places:
        return  # refused already
    x = b.place(value)
    order = x.order()
    if order is None:
        x, order = b.frame(value, value.producer), "CHW"
    if b.net.layers[x.layer].kind == "InputData":
        raise NotHeld(f"output {name!r} is the input itself: no layer computes it")
    timing = b.graph.timing.get(name, Timing(0))
    shape = value.type.shape[1:] if "T" in value.type.axes else with_time(value.type.shape[1:], timing)
    b.net.outputs.append(FloatOutput(name, x.layer, shape, order, timing))

"""What the construction of a layer sequence keeps track of, and how layers are made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...compiler.diagnostics import Collector
from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Clip, Dense, MaxPool, Relu, Reshape, Slice, Transpose
from ...compiler.passes.base import GivenScale
from ...runtime.program.timing import Timing
from .floats import Array, FloatInput, FloatLayer, FloatNet, parameters_of
from .moves import Place

MOVES = (Reshape, Slice, Transpose)
MOST_CHANNELS = 1 << 13
TO_CHANNELS_FIRST = (0, 3, 1, 2)


class NotHeld(Exception):
    """The machine has no place for a node; the text says why, `hint` what to try."""

    def __init__(self, why: str, hint: str = ""):
        self.why, self.hint = why, hint
        super().__init__(why)


def readers(graph: Graph) -> dict[int, int]:
    """By id of a value, how often layers and graph outputs read it, reads through reshapes and the like counted."""
    found: dict[int, int] = {}
    for value in (*(node.result for node in reversed(graph.nodes)), *graph.inputs):
        passed = (found[id(user.result)] if isinstance(user.op, MOVES) else 1 for user, _ in value.uses)
        found[id(value)] = sum(passed) + sum(value is output for output in graph.outputs.values())
    return found


def with_time(frame: tuple[int, ...], timing: Timing) -> tuple[int, ...]:
    """The shape of a sample, from that of its frames."""
    at = timing.axis - 1
    return frame if timing.axis <= 0 else (*frame[:at], timing.length, *frame[at:])


def _eye(channels: int) -> Array:
    """Weights that keep every channel as it is. NotHeld where they would fill the memory."""
    if channels > MOST_CHANNELS:
        raise NotHeld(f"a layer that only passes on {channels} channels would have {channels}² weights")
    return np.eye(channels)


class Builder:
    """A layer sequence under construction.

    places   where the graph's values lie, by id
    windows  results of a fifo: (what it remembers, its taps)
    images   inputs brought into channels-first order for an image layer, which reads the input itself
    counts   how often each value is read; reads: how often what a layer gives so far is
    scales   what a quantized model says of values, by name
    given    whether the host may move values before layers read them; refused: why values have no place, by name
    """

    def __init__(self, graph: Graph, given: bool = False, scales: Mapping[str, GivenScale] | None = None):
        self.graph, self.net = graph, FloatNet()
        self.scales = scales or {}
        self.given, self.refused = given, dict[str, str]()
        self.problems = Collector()
        self.counts = readers(graph)
        self.reads: dict[str, int] = {}
        self.places: dict[int, Place] = {}
        self.windows: dict[int, tuple[Place, tuple[int, ...]]] = {}
        self.images: set[int] = set()
        self.taken = {value.name for value in (*graph.inputs, *(node.result for node in graph.nodes))}

    def name(self, wanted: str) -> str:
        """A layer name that is not taken."""
        name, number = wanted, 2
        while name in self.taken:
            name, number = f"{wanted}.{number}", number + 1
        self.taken.add(name)
        return name

    # --- making layers ---

    def layer(
        self, node: Node, kind: str, inbounds: tuple[str, ...], weight: Array, bias: Value | None, **window: object
    ) -> Place:
        """A layer with weights that starts at `node`."""
        layer = FloatLayer(_title(node), kind, inbounds, parameters_of(kind, **window), origin=node.result.origin)
        layer.weight = weight.astype(np.float64)
        filters = weight.shape[-1]
        layer.bias = np.zeros(filters) if bias is None else bias.data.astype(np.float64)
        return self.append(layer, node)

    def append(self, layer: FloatLayer, node: Node, index: Array | None = None) -> Place:
        """Add a layer that gives the result of `node`."""
        self.net.add(layer)
        self.reads[layer.name] = self.counts[id(node.result)]
        return Place(layer.name, layer.made, node.result.type.shape[1:], index)

    def mix(self, x: Place, weight: Array, node: Node, suffix: str, identity: bool = False) -> Place:
        """A 1×1 convolution (C, F) of a layer's frame; the result is a whole frame."""
        name, filters = self.name(f"{node.result.name}.{suffix}"), weight.shape[1]
        layer = FloatLayer(
            name,
            "Conv2D",
            (x.layer,),
            parameters_of("Conv2D", filters=filters, kernel_size=1),
            weight[None, None],
            np.zeros(filters),
            identity=identity,
            origin=node.result.origin,
        )
        self.net.add(layer)
        self.reads[name] = 1
        return Place(name, layer.made, (filters, *layer.made[:2]))

    def identity(self, x: Place, node: Node) -> Place:
        """An identity convolution of the layer; elements keep their places."""
        made = self.mix(x, _eye(x.made[2]), node, "identity", identity=True)
        return Place(made.layer, made.made, x.shape, x.index)

    def fusable(self, x: Place) -> FloatLayer | None:
        """The layer, if it can take another part: it has weights and nothing else reads it."""
        layer = self.net.layers[x.layer]
        return layer if layer.neural and self.reads[layer.name] == 1 and layer.pool != "avg" else None

    def fused(self, layer: FloatLayer, node: Node, index: Array | None = None) -> Place:
        """The place of a node that became part of a layer."""
        layer.place({name: self.net.layers[name].made for name in layer.inbounds})
        layer.origin = tuple(dict.fromkeys((*layer.origin, *node.result.origin)))
        if not isinstance(node.op, Relu | Clip | MaxPool) or layer.function is not None:
            # It was that of a value inside the layer, whose sums are not rounded.
            if layer.function in (None, node.op):  # of a table that is averaged, what the table reads counts
                layer.inside = layer.scale
            layer.scale = None
        self.reads[layer.name] = self.counts[id(node.result)]
        return Place(layer.name, layer.made, node.result.type.shape[1:], index)

    # --- finding values ---

    def frame(self, value: Value, node: Node) -> Place:
        """The value as a layer's whole frame; a 1×1 convolution picks the channels if they are some of a layer's."""
        x = self.place(value)
        if x.is_frame:
            return x
        chosen = x.channels()
        if chosen is None:
            raise NotHeld(f"%{value.name} is not a frame with channels: a reshape or slice mixes channels and pixels")
        return self.mix(x, _eye(x.made[2])[:, chosen], node, "channels").reshaped(x.shape)

    def place(self, value: Value) -> Place:
        """Where the value lies; a graph input becomes an InputData layer when it is first read."""
        if id(value) not in self.places:
            if id(value) in self.windows:
                raise NotHeld("frames of the past are only read by convolutions and means over time")
            self._feed(value)
        return self.places[id(value)]

    def _feed(self, value: Value) -> None:
        shape = value.type.shape[1:]
        if not 1 <= len(shape) <= 3:
            raise NotHeld(f"the input {value.type} is not a frame of channels and two axes of space")
        last, ones = self.channels_last(value), (1,) * (3 - len(shape))
        extents = (shape[0], *ones, *shape[1:]) if last else (*shape[1:], *ones, shape[0])
        size = dict(zip(("input_width", "input_height", "input_channels"), extents, strict=True))
        name = self.name(f"{value.name}.data")
        layer = FloatLayer(name, "InputData", (), parameters_of("InputData", **size), origin=value.origin)
        layer.scale = self.scales.get(value.name)
        self.net.add(layer)
        self.reads[name] = self.counts[id(value)]
        self.feed(value, name, "HWC" if last else "CHW")
        place = Place(name, layer.made, shape)
        self.places[id(value)] = place.moved(np.arange(np.prod(shape)).reshape(shape)) if last else place

    def feed(self, value: Value, layer: str, order: str) -> None:
        """The host feeds the graph input to the layer."""
        timing = self.graph.timing.get(value.name, Timing(0))
        shape = with_time(value.type.shape[1:], timing)
        self.net.inputs.append(FloatInput(value.name, layer, shape, timing.axis, order))

    def channels_last(self, value: Value) -> bool:
        """Are channels last in the graph input? Then dense layers read it pixel by pixel, or it is an image that the
        network brings into order first."""
        shape = value.type.shape
        dense = int(np.prod(shape[1:-1])) > 1 and any(isinstance(user.op, Dense) for user, _ in value.uses)
        ordered = len(shape) == 4 and all(user.op == Transpose(TO_CHANNELS_FIRST) for user, _ in value.uses)
        return dense or ordered


def _title(node: Node) -> str:
    """The name of a node's layer: of a temporal one that of the value without the time axis."""
    users = node.result.uses
    drops = len(users) == 1 and isinstance(users[0][0].op, Reshape) and "T" in node.result.type.axes
    return users[0][0].result.name if drops else node.result.name

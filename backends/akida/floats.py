"""The layer sequence before it has integers: the program's layers, with real weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...compiler.ir.ops import Op
from ...compiler.passes.base import GivenScale
from ...runtime.program.akida import Layer, Triple
from ...runtime.program.akida_kinds import PARAMETERS, TEMPORAL, TRANSPOSED
from ...runtime.program.akida_shapes import Signal, infer, positions
from ...runtime.program.timing import Timing

Array = np.ndarray[Any, np.dtype[Any]]
# The published default buffers: temporal layers and sums have 32 bits, the others 28.
WIDE_BUFFER, BUFFER = 32, 28
USUAL: Mapping[str, Any] = {
    "activation": "none",
    "output_bits": 8,
    "post_op_buffer_bits": 32,
    "weights_bits": 8,
    "kernel_stride": 1,
    "padding": "same",
    "pool_type": "none",
    "pool_size": -1,
    "pool_stride": -1,
    "input_bits": 8,
    "input_signed": True,
}


@dataclass
class FloatLayer:
    """A layer of the program to be, with real weights in the place of integers. Frames are (X, Y, C).

    parameters  those of the program's layer
    weight      cross-correlation (not flipped): (K, K, C, F), depthwise (K, K, C); temporal (T, C, F), depthwise
                (T, C), oldest frame first; dense (X·Y·C, F); None for layers without weights
    bias        (F,)
    high        upper bound of a relu, None for none
    function    what a lut tabulates
    scale       what a quantized model says of the values it gives
    inside      the same of what its table reads or its average pool averages
    units       by filter, (F), the number that its weights are multiples of, NaN if there is none; None: not known
    identity    weights are ones on the diagonal: but for activation and pooling it passes on what it reads
    shapes      (X, Y, C) of what it reads first, (X', Y', F) of its sums, and of what it gives
    """

    name: str
    kind: str
    inbounds: tuple[str, ...]
    parameters: dict[str, Any]
    weight: Array | None = None
    bias: Array | None = None
    high: float | None = None
    function: Op | None = None
    identity: bool = False
    scale: GivenScale | None = None
    inside: GivenScale | None = None
    units: Array | None = None
    origin: tuple[str, ...] = ()
    given: Triple = (0, 0, 0)
    summed: Triple = (0, 0, 0)
    made: Triple = (0, 0, 0)

    @property
    def activation(self) -> str:
        return self.parameters.get("activation", "none")

    @property
    def pool(self) -> str:
        return self.parameters.get("pool_type", "none")

    @property
    def neural(self) -> bool:
        """Does it have weights?"""
        return self.weight is not None

    @property
    def cells(self) -> int:
        """How many sums an average pool adds up for each result."""
        return self.summed[0] * self.summed[1] if self.pool == "avg" else 1

    def place(self, shapes: Mapping[str, Triple]) -> None:
        """Work out the shapes from those of what it reads; ShapeError where it does not fit."""
        record = Layer(self.name, self.kind, self.inbounds, self.parameters)
        bits = Signal((0, 0, 0), 8, self.kind != "InputConv2D")
        given = [Signal(shapes[name], bits.bits, bits.signed) for name in self.inbounds]
        self.made = infer(record, given).shape
        p = self.parameters
        image = (p["input_x"], p["input_y"], p["input_channels"]) if self.kind == "InputConv2D" else self.made
        self.given = given[0].shape if given else image
        self.summed = positions(record, self.given) if self.neural else self.made


def parameters_of(kind: str, **given: Any) -> dict[str, Any]:
    """All parameters of a kind: those given, the others as usual."""
    wide = kind in TEMPORAL or kind in ("InputConv2D", "Add")
    usual = {**USUAL, "buffer_bits": WIDE_BUFFER if wide else BUFFER}
    if kind in TRANSPOSED:
        given.pop("kernel_stride", None)
    return {name: given[name] if name in given else usual[name] for name in PARAMETERS[kind]}


@dataclass(frozen=True)
class FloatInput:
    """A graph input: one sample has `shape`, time at `axis` of (samples, *shape) or −1; a frame lies in `order`."""

    name: str
    layer: str
    shape: tuple[int, ...]
    axis: int
    order: str


@dataclass(frozen=True)
class FloatOutput:
    """A graph output: frames of `layer` in `order`, put together to samples of `shape` by `timing`."""

    name: str
    layer: str
    shape: tuple[int, ...]
    order: str
    timing: Timing


@dataclass
class FloatNet:
    """Layers in execution order, each reading earlier ones, and how the host feeds and reads them."""

    layers: dict[str, FloatLayer] = field(default_factory=dict)
    inputs: list[FloatInput] = field(default_factory=list)
    outputs: list[FloatOutput] = field(default_factory=list)

    def add(self, layer: FloatLayer) -> FloatLayer:
        """Append a layer that reads earlier ones."""
        layer.place({name: self.layers[name].made for name in layer.inbounds})
        self.layers[layer.name] = layer
        return layer

    def readers(self, name: str) -> list[FloatLayer]:
        """The layers that read this one, in order."""
        return [layer for layer in self.layers.values() if name in layer.inbounds]

    def is_output(self, name: str) -> bool:
        """Is a graph output made of this layer?"""
        return any(output.layer == name for output in self.outputs)

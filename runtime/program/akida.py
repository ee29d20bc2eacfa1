"""An Akida-2.0-style program: a sequence of integer layers, and how the host feeds it and reads it.

Layers hold data only. Their kinds, parameters and variables are tabled in `akida_kinds` and `akida_shapes`;
docs/akida.md says what each computes. Activations are channels-last: one frame of a layer has the shape (X, Y, C).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .framed import Framed, FramedInput, FramedOutput
from .records import OPTIONAL
from .task import NO_TASK, Task
from .timing import Timing

Array = np.ndarray[Any, np.dtype[Any]]
Triple = tuple[int, int, int]
AT_ONCE = Timing(0)


@dataclass(frozen=True)
class Layer:
    """One step of the sequence.

    kind        layer type, e.g. "Conv2D"
    inbounds    names of the layers it reads, each earlier in the sequence; none where the host feeds it
    parameters  scalars by name: int, bool, or a word ("relu", "same", "max"); exactly those of the kind
    variables   arrays by name, in the stored layout; exactly those of the kind and its parameters
    origin      the user's names of what became this layer
    proof       what the compiler knows of its numbers, e.g. {"accumulator": bound of |sum|}; plain JSON
    """

    name: str
    kind: str
    inbounds: tuple[str, ...]
    parameters: dict[str, Any]
    variables: dict[str, Array] = field(default_factory=dict)
    origin: tuple[str, ...] = ()
    proof: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GraphInput(FramedInput):
    """How the host turns one input of the source model into frames of layer `layer`.

    shape   one sample as the source model takes it, without the samples axis
    axis    position of time in (samples, *shape), −1 where a sample is a single frame
    order   how a frame's elements lie in memory: a permutation of "HWC" (H is the layer's X axis, W its Y axis)
    code    clip(round_half_even(x / scale) + zero_point) to `bits` bits, signed or not; bits 0 stands for a Quantizer
            layer, which gets float32 values as they are
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    axis: int
    order: str
    scale: float
    zero_point: int
    bits: int
    signed: bool


@dataclass(frozen=True)
class GraphOutput(FramedOutput):
    """How the host makes one output of the source model from frames of layer `layer`.

    shape is one sample without the samples axis; order as in GraphInput. A Dequantizer makes the float values, of
    any other layer they are the integers themselves.
    """

    name: str
    layer: str
    shape: tuple[int, ...]
    order: str
    timing: Timing = AT_ONCE


@dataclass(frozen=True)
class AkidaProgram(Framed):
    """Everything a simulator or board needs to run one network, and what a user needs to recognise it."""

    target = "akida"

    layers: tuple[Layer, ...]
    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    task: Task = field(default=NO_TASK, metadata=OPTIONAL)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import akida_table

        return akida_table(self)


def in_order(xyc: Triple, order: str) -> Triple:
    """Extents of a frame of layer shape (X, Y, C) in memory order, e.g. (C, X, Y) for "CHW"."""
    x, y, c = (xyc["HWC".index(letter)] for letter in order)
    return x, y, c

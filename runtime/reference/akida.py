"""The Akida machine in plain numpy: this simulator is what an Akida program means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import arith
from ..arith import Ints
from ..program.akida import AkidaProgram, Layer
from ..program.akida_kinds import NEURAL, TEMPORAL
from ..program.akida_shapes import Signal, macs, signals, source
from .akida_sums import SUMS
from .akida_tail import Clamps, add, neural

Array = np.ndarray[Any, np.dtype[Any]]


class AkidaMachine:
    """`batch` independent streams through one program, advanced together frame by frame.

    values   what every layer gave for the last frame, by name: int64 (batch, X, Y, C), float32 of a Dequantizer
    frames   frames seen, all streams together
    clamps   saturations by layer name, likewise
    zeros    elements that were 0 by layer name, likewise
    """

    def __init__(self, program: AkidaProgram, batch: int = 1):
        self.program, self.batch = program, batch
        self.signals = signals(program)
        self.layers = [_widened(layer) for layer in program.layers]
        self.values: dict[str, Array] = {}
        self.frames = 0
        self.clamps = {layer.name: Clamps() for layer in program.layers}
        self.zeros = {layer.name: 0 for layer in program.layers}
        self.reset()

    def reset(self) -> None:
        """Empty the FIFOs: all their frames become 0. The counters go on."""
        self._fifos: dict[str, Ints] = {}
        for layer in self.layers:
            if layer.kind in TEMPORAL:
                x, y, c = self._source(layer).shape
                fifo = np.zeros((self.batch, x, y, layer.parameters["fifo_size"], c), np.int64)
                self._fifos[layer.name] = fifo

    def step(self, frames: Mapping[str, Array]) -> dict[str, Array]:
        """One frame of every stream: (batch, X, Y, C) for each layer that reads no other, to `values`.

        Integers, or float32 for a Quantizer.
        """
        self.values = {}
        for layer in self.layers:
            inbounds = [self.values[name] for name in layer.inbounds] or [frames[layer.name]]
            result = self._advance(layer, inbounds)
            self.values[layer.name] = result
            self.zeros[layer.name] += result.size - int(np.count_nonzero(result))
        self.frames += self.batch
        return self.values

    @property
    def macs(self) -> dict[str, int]:
        """Multiplications so far, by layer name."""
        shapes = {layer.name: self._source(layer).shape for layer in self.layers if layer.kind in NEURAL}
        return {
            layer.name: self.frames * macs(layer, shapes[layer.name]) for layer in self.layers if layer.kind in NEURAL
        }

    def _advance(self, layer: Layer, inbounds: list[Array]) -> Array:
        x, clamps = inbounds[0], self.clamps[layer.name]
        match layer.kind:
            case "InputData":
                return x.astype(np.int64)
            case "Quantizer":
                return quantize(x, layer, clamps)
            case "Dequantizer":
                return x.astype(np.float32) * layer.variables["scales"]
            case "Concatenate":
                return np.concatenate(inbounds, axis=3)
            case "Add":
                return add(x, inbounds[1], layer, clamps)
            case "Dense1D":
                x = x.reshape(len(x), 1, 1, len(layer.variables["weights"]))
            case "BufferTempConv" | "DepthwiseBufferTempConv":
                x = self._fifos[layer.name] = np.concatenate(
                    [self._fifos[layer.name][:, :, :, 1:], x[:, :, :, None]], 3
                )
        return neural(np.asarray(x, np.int64), layer, SUMS[layer.kind], clamps)

    def _source(self, layer: Layer) -> Signal:
        return source(layer, [self.signals[name] for name in layer.inbounds])


def quantize(x: Array, layer: Layer, clamps: Clamps) -> Ints:
    """saturate(round(x · scales) + zero_points), the product in float32, ties away from 0."""
    p, v = layer.parameters, layer.variables
    with np.errstate(over="ignore"):
        product = np.clip(x.astype(np.float32) * v["scales"], -FAR, FAR)
    code = arith.round_half_away(product) + v["zero_points"]
    return clamps.in_output(code, p["output_bits"], p["output_signed"])


FAR = np.float32(2.0**40)  # beyond any code, and a number that int64 holds


def _widened(layer: Layer) -> Layer:
    """The layer with its integers as int64, so that no product or shift of theirs overflows."""
    wide = {name: a if a.dtype.kind == "f" else a.astype(np.int64) for name, a in layer.variables.items()}
    return replace(layer, variables=wide)

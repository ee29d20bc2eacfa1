"""The host's side of an Akida run: values of the source model to frames of the layers, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .encode import Array, quantize
from .program.akida import AkidaProgram, GraphInput, GraphOutput, Triple, in_order
from .program.hybrid import HybridInput, HybridOutput

AXES = "HWC"


def frame_of(entry: GraphInput | HybridInput, samples: Array, frame: int) -> Array:
    """Frame `frame` of samples (n, *shape), shape (n, *frame_shape); zeros after the last one."""
    if frame >= entry.frames:
        return np.zeros((len(samples), *entry.frame_shape), samples.dtype)
    return np.take(samples, frame, axis=entry.axis) if entry.axis > 0 else samples


def feed(entry: GraphInput, frames: Array, shape: Triple) -> tuple[Array, int]:
    """Frames (n, *frame_shape) in the source model's values as the layer takes them: (n, X, Y, C), and values clipped.

    int64 codes, or float32 for a Quantizer layer, which clips on its own.
    """
    spread = frames.reshape(len(frames), *in_order(shape, entry.order))
    moved = spread.transpose(0, *(1 + entry.order.index(letter) for letter in AXES))
    if entry.bits == 0:
        with np.errstate(over="ignore"):
            return moved.astype(np.float32), 0
    low = -(1 << (entry.bits - 1)) if entry.signed else 0
    return quantize(moved, entry.scale, entry.zero_point, low, low + (1 << entry.bits) - 1)


def arrange(output: GraphOutput, values: Array) -> Array:
    """A layer's frames (n, X, Y, C) as the source model has them: (n, *frame_shape)."""
    moved = values.transpose(0, *(1 + AXES.index(letter) for letter in output.order))
    return moved.reshape(len(values), *output.frame_shape)


def integer_layers(program: AkidaProgram) -> dict[str, str]:
    """By output name, the layer whose integers are behind it: the one that a Dequantizer reads, else its own."""
    layers = {layer.name: layer for layer in program.layers}
    found = {}
    for output in program.outputs:
        layer = layers[output.layer]
        found[output.name] = layer.inbounds[0] if layer.kind == "Dequantizer" else layer.name
    return found


def edges(output: GraphOutput | HybridOutput) -> NDArray[np.bool_]:
    """Which elements of the output may differ from the source model's, bool (length,)."""
    marks = np.zeros(output.timing.length, np.bool_)
    marks[list(output.timing.edges)] = True
    return marks

"""What a layer makes of its inputs' shapes, and which variables it has then. The only place with these formulas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .akida import AkidaProgram, Layer, Triple
from .akida_kinds import CONVOLUTIONS, DEPTHWISE, NEURAL, TEMPORAL, TRANSPOSED

LUT_ENTRIES = 2048


@dataclass(frozen=True)
class Signal:
    """What a layer gives for each frame: shape (X, Y, C), bits and sign of its integers; bits 0 stands for float32."""

    shape: Triple
    bits: int
    signed: bool


@dataclass(frozen=True)
class Variable:
    """Shape and dtype of a variable, and its value where none is given (None: it has to be given)."""

    shape: tuple[int, ...]
    dtype: type[np.generic]
    default: float | None = None


class ShapeError(ValueError):
    """Layers do not fit together; the text says how."""


def padding(size: int, kernel: int, stride: int, mode: str) -> tuple[int, int]:
    """Cells before and after an axis: "valid" none, "same" the odd one after, "sameupper" the odd one before."""
    if mode == "valid":
        return 0, 0
    total = max(kernel - stride if size % stride == 0 else kernel - size % stride, 0)
    low, high = total // 2, total - total // 2
    return (low, high) if mode == "same" else (high, low)


def windows(size: int, kernel: int, stride: int, mode: str) -> int:
    """How many windows an axis has: ceil(size / stride), with "valid" floor((size − kernel) / stride) + 1."""
    return (size + sum(padding(size, kernel, stride, mode)) - kernel) // stride + 1


def positions(layer: Layer, shape: Triple) -> Triple:
    """(X, Y, F) of a neural layer's sums, before any pooling, from the shape of its input."""
    p, (x, y, c) = layer.parameters, shape
    channels = c if layer.kind in DEPTHWISE else p["units" if layer.kind == "Dense1D" else "filters"]
    if layer.kind == "Dense1D":
        return 1, 1, channels
    if layer.kind in TRANSPOSED:
        return 2 * x, 2 * y, channels
    if layer.kind in TEMPORAL:
        return x, y, channels
    window = p["kernel_size"], p["kernel_stride"], p["padding"]
    return windows(x, *window), windows(y, *window), channels


def macs(layer: Layer, shape: Triple) -> int:
    """Multiplications of one frame, padding cells counted like others, from the shape of the layer's input."""
    if layer.kind not in NEURAL:
        return 0
    x, y, _ = shape if layer.kind in TRANSPOSED else positions(layer, shape)
    return x * y * layer.variables["weights"].size


def infer(layer: Layer, inbounds: Sequence[Signal]) -> Signal:
    """What the layer gives. ShapeError where its inputs do not fit it or each other."""
    p = layer.parameters
    if layer.kind == "InputData":
        return hosted(layer)
    if layer.kind == "Quantizer":
        return Signal(hosted(layer).shape, p["output_bits"], p["output_signed"])
    if any(signal.bits == 0 for signal in inbounds):
        raise ShapeError("it reads a Dequantizer, which has to be last")
    if layer.kind == "Add":
        return _add(layer, inbounds)
    if layer.kind == "Concatenate":
        return _concatenate(inbounds)
    if layer.kind == "Dequantizer":
        return replace(inbounds[0], bits=0, signed=True)
    return _neural(layer, source(layer, inbounds))


def hosted(layer: Layer) -> Signal:
    """What the host feeds a layer that reads no other; float32 for a Quantizer."""
    p = layer.parameters
    if layer.kind == "InputConv2D":
        return Signal((p["input_x"], p["input_y"], p["input_channels"]), 8, False)
    shape = p["input_width"], p["input_height"], p["input_channels"]
    return Signal(shape, 0, True) if layer.kind == "Quantizer" else Signal(shape, p["input_bits"], p["input_signed"])


def source(layer: Layer, inbounds: Sequence[Signal]) -> Signal:
    """The input of a layer that has one: what it reads, or what the host feeds it."""
    if layer.kind != "InputConv2D":
        return inbounds[0]
    host = hosted(layer)
    if inbounds and inbounds[0] != host:
        raise ShapeError(f"it takes {host}, and reads {inbounds[0]}")
    return host


def _neural(layer: Layer, given: Signal) -> Signal:
    p, (x, y, channels) = layer.parameters, positions(layer, given.shape)
    pool = p.get("pool_type", "none")
    if pool == "max":
        x, y = (windows(n, p["pool_size"], p["pool_stride"], p["padding"]) for n in (x, y))
    if min(x, y) < 1:
        raise ShapeError(f"its window does not fit into {given.shape}")
    shape = (1, 1, channels) if pool == "avg" else (x, y, channels)
    return Signal(shape, p["output_bits"], p["output_bits"] > 4)


def _add(layer: Layer, inbounds: Sequence[Signal]) -> Signal:
    a, b = inbounds
    if a != b:
        raise ShapeError(f"both inputs must be alike, they are {a} and {b}")
    if not a.signed:
        raise ShapeError("the sum of unsigned inputs is not defined")
    return Signal(a.shape, layer.parameters["output_bits"], True)


def _concatenate(inbounds: Sequence[Signal]) -> Signal:
    first = inbounds[0]
    for other in inbounds[1:]:
        if replace(other, shape=(*other.shape[:2], first.shape[2])) != first:
            raise ShapeError(f"inputs must agree in all but channels, they are {first} and {other}")
    channels = sum(signal.shape[2] for signal in inbounds)
    return replace(first, shape=(*first.shape[:2], channels))


def variables(layer: Layer, inbounds: Sequence[Signal]) -> dict[str, Variable]:
    """The variables of a layer with these inputs. ShapeError where they do not fit."""
    channels = infer(layer, inbounds).shape[2]
    per_channel = (channels,)
    if layer.kind == "Dequantizer":
        return {"scales": Variable(per_channel, np.float32, 1)}
    if layer.kind == "Quantizer":
        return {"scales": Variable(per_channel, np.float32, 1), "zero_points": Variable(per_channel, np.uint8, 0)}
    if layer.kind == "Add":
        shift = Variable(per_channel, np.uint8, 0)
        return {"a_shift": shift, "b_shift": shift, "output_shift": Variable(per_channel, np.int8, 0)}
    if layer.kind not in NEURAL:
        return {}
    return _neural_variables(layer, source(layer, inbounds).shape, per_channel)


def _neural_variables(layer: Layer, shape: Triple, out: tuple[int]) -> dict[str, Variable]:
    p, inner = layer.parameters, shape[2]
    found = {
        "weights": Variable(_weights(layer, shape, out[0]), np.int8),
        "bias": Variable(out, np.int8, 0),
        "bias_shift": Variable(out, np.uint8, 0),
        "output_scales": Variable(out, np.uint8, 1),
        "output_shift": Variable(out, np.int8, 0),
    }
    entries = shape[0] * shape[1] * inner if layer.kind == "Dense1D" else inner
    shifted = "padding_value" if layer.kind == "InputConv2D" else "input_shift"
    found[shifted] = Variable((entries,), np.uint8, 0)
    if p["activation"] == "relu":
        found["max_value"] = Variable(out, np.uint8, 127)
        found["max_value_shift"] = Variable(out, np.uint8, 31)
    if p["activation"] == "lut":
        found["activation_scales"] = Variable(out, np.uint8)
        found["activation_shift"] = Variable(out, np.int8)
        found["lut_values"] = Variable((LUT_ENTRIES,), np.int32)
    return found


def _weights(layer: Layer, shape: Triple, channels: int) -> tuple[int, ...]:
    p, (x, y, inner) = layer.parameters, shape
    if layer.kind == "Dense1D":
        return x * y * inner, channels
    if layer.kind in TEMPORAL:
        frames = p["fifo_size"]
        return (1, 1, frames, channels) if layer.kind in DEPTHWISE else (1, 1, frames * inner, channels)
    size = p["kernel_size"]
    assert layer.kind in (*CONVOLUTIONS, *TRANSPOSED)
    return (size, size, channels, 1) if layer.kind in DEPTHWISE else (size, size, inner, channels)


def with_defaults(layer: Layer, inbounds: Sequence[Signal]) -> Layer:
    """The layer with every variable it does not have at its default. ShapeError where the inputs do not fit."""
    filled: dict[str, Any] = {
        name: np.full(v.shape, v.default, v.dtype)
        for name, v in variables(layer, inbounds).items()
        if v.default is not None
    }
    return replace(layer, variables={**filled, **layer.variables})


def signals(program: AkidaProgram) -> dict[str, Signal]:
    """What every layer of a valid program gives, by layer name."""
    found: dict[str, Signal] = {}
    for layer in program.layers:
        found[layer.name] = infer(layer, [found[name] for name in layer.inbounds])
    return found

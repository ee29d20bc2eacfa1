"""The layers of an Akida program on tensors: sums, and what neural layers do around them (docs/akida.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..program.akida import AkidaProgram, Layer
from ..program.akida_kinds import DEPTHWISE, NEURAL, TEMPORAL
from ..program.akida_shapes import Signal, macs, padding, positions, signals, source
from . import integers as arith
from .products import correlate, depthwise, matmul, max_pool, pad, spread, way

LUT_BITS = 11
LOWEST = torch.iinfo(torch.int64).min
FAR = 2.0**40  # beyond any code, and a number that int64 holds


@dataclass(frozen=True)
class Peaks:
    """The largest magnitudes that a neural layer's values can have: partial sums, sums with bias, sums over the frame
    of what is activated, and products of those with the output's scales."""

    sums: int
    biased: int
    pooled: int
    scaled: int

    @classmethod
    def of(cls, layer: Layer, reads: Signal) -> Peaks:
        v = {name: array.astype(np.int64) for name, array in layer.variables.items()}
        p = layer.parameters
        buffer, post = 1 << (p["buffer_bits"] - 1), 1 << (p["post_op_buffer_bits"] - 1)
        given = 1 << (reads.bits - 1) if reads.signed else (1 << reads.bits) - 1
        if "input_shift" in v:
            given = min(given << int(v["input_shift"].max()), buffer)
        if "padding_value" in v:
            given = max(given, _largest(v["padding_value"]))
        sums = given * int(_ordered(layer).abs().sum(_summed(layer)).max())
        biased = min(sums, buffer) + _largest(v["bias"] << v["bias_shift"])
        active = min(biased, buffer)
        if p["activation"] == "relu":
            active = min(active, _largest(v["max_value"] << v["max_value_shift"]))
        elif p["activation"] == "lut":
            active = _largest(v["lut_values"])
        x, y, _ = positions(layer, reads.shape)
        pooled = active * (x * y if p.get("pool_type") == "avg" else 1)
        return cls(sums, biased, pooled, min(pooled, max(post, active)) * _largest(v["output_scales"]))


def _largest(x: np.ndarray) -> int:
    return int(np.abs(x).max())


def _summed(layer: Layer) -> tuple[int, ...]:
    """The axes of `_ordered` weights that one output adds up."""
    if layer.kind in ("BufferTempConv", "DepthwiseBufferTempConv", "Dense1D"):
        return (0,)
    return (0, 1) if layer.kind in DEPTHWISE else (0, 1, 2)


@dataclass(frozen=True)
class Placed:
    """A layer on a device.

    source     what a neural layer reads: shape, bits, sign; None of others
    variables  int64 or float32 tensors, in the stored layout
    weights    of a neural layer in the number type of its sums, as docs/akida.md indexes them (no longer flipped); None
               of others
    peaks      of a neural layer, what its values stay within, whatever it is given
    macs       multiplications of one frame
    """

    layer: Layer
    source: Signal | None
    variables: dict[str, Tensor]
    weights: Tensor | None
    peaks: Peaks | None
    macs: int

    @classmethod
    def of(cls, layer: Layer, inbounds: list[Signal], device: torch.device) -> Placed:
        variables = {name: _tensor(array).to(device) for name, array in layer.variables.items()}
        if layer.kind not in NEURAL:
            return cls(layer, None, variables, None, None, 0)
        reads = source(layer, inbounds)
        peaks = Peaks.of(layer, reads)
        weights = _ordered(layer).to(way(peaks.sums)).to(device)
        return cls(layer, reads, variables, weights, peaks, macs(layer, reads.shape))

    @property
    def held(self) -> torch.dtype:
        """Type of the frames in a temporal layer's FIFO: that of its sums, unless they are shifted before."""
        return torch.int64 if self.weights is None or "input_shift" in self.variables else self.weights.dtype


def place(program: AkidaProgram, device: torch.device) -> tuple[Placed, ...]:
    """All layers of a program on a device."""
    given = signals(program)
    return tuple(Placed.of(layer, [given[name] for name in layer.inbounds], device) for layer in program.layers)


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32 if array.dtype.kind == "f" else np.int64))


def _ordered(layer: Layer) -> Tensor:
    w = _tensor(layer.variables["weights"])
    match layer.kind:
        case "Conv2D":
            return w.flip(0, 1)
        case "DepthwiseConv2D":
            return w.flip(0, 1)[..., 0]
        case "DepthwiseConv2DTranspose":
            return w[..., 0]
        case "BufferTempConv" | "DepthwiseBufferTempConv":
            return w[0, 0]
        case _:
            return w


class Counts:
    """Of one layer, on its device and all streams together: values that left their buffer, products with scales that
    left theirs, outputs clipped, zeros given. int64 (4,)."""

    def __init__(self, device: torch.device):
        self.totals = torch.zeros(4, dtype=torch.int64, device=device)

    def held(self, place: int, held: Tensor, v: Tensor) -> Tensor:
        self.totals[place] += (held != v).sum()
        return held

    def in_buffer(self, v: Tensor, bits: int, peak: int | None = None) -> Tensor:
        """`peak`: |v| is known to stay at most at this; where that fits, nothing is left to do."""
        return v if _fits(peak, bits) else self.held(0, arith.saturate(v, bits), v)

    def in_scale(self, v: Tensor, bits: int, peak: int | None = None) -> Tensor:
        return v if _fits(peak, bits) else self.held(1, arith.saturate(v, bits), v)

    def in_output(self, v: Tensor, bits: int, signed: bool) -> Tensor:
        return self.held(2, arith.saturate(v, bits) if signed else arith.saturate_unsigned(v, bits), v)

    def result(self, values: Tensor) -> None:
        self.totals[3] += (values == 0).sum()


def _fits(peak: int | None, bits: int) -> bool:
    return peak is not None and peak < 1 << (bits - 1)


def advance(placed: Placed, inbounds: list[Tensor], fifos: dict[str, Tensor], counts: Counts) -> Tensor:
    """What a layer gives for one frame of every stream, (N, X, Y, C): int64, float32 of a Dequantizer.

    `fifos` (N, X, Y, T, C) of the temporal layers, by name, are moved on.
    """
    layer, x = placed.layer, inbounds[0]
    match layer.kind:
        case "InputData":
            return x
        case "Quantizer":
            return _quantize(x, placed, counts)
        case "Dequantizer":
            return x.to(torch.float32) * placed.variables["scales"]
        case "Concatenate":
            return torch.cat(inbounds, 3)
        case "Add":
            return _add(x, inbounds[1], placed, counts)
        case "Dense1D":
            x = x.reshape(len(x), 1, 1, -1)
        case kind if kind in TEMPORAL:
            x = fifos[layer.name] = torch.cat([fifos[layer.name][:, :, :, 1:], x[:, :, :, None].to(placed.held)], 3)
    return _neural(x, placed, counts)


def _sums(x: Tensor, placed: Placed) -> Tensor:
    layer, w = placed.layer, placed.weights
    assert w is not None
    x, p = x.to(w.dtype), layer.parameters
    match layer.kind:
        case "BufferTempConv":
            return matmul(x.reshape(*x.shape[:3], len(w)), w)
        case "DepthwiseBufferTempConv":
            return (x * w).sum(3).to(torch.int64)
        case "Dense1D":
            return matmul(x, w)
        case "Conv2DTranspose" | "DepthwiseConv2DTranspose":
            return spread(x, w, layer.kind in DEPTHWISE)
    fill = placed.variables["padding_value"].to(w.dtype) if layer.kind == "InputConv2D" else 0
    x = pad(x, _margins(x, p["kernel_size"], p["kernel_stride"], p["padding"]), fill)
    return (depthwise if layer.kind in DEPTHWISE else correlate)(x, w, p["kernel_stride"])


def _margins(x: Tensor, size: int, stride: int, mode: str) -> tuple[tuple[int, int], tuple[int, int]]:
    return padding(x.shape[1], size, stride, mode), padding(x.shape[2], size, stride, mode)


def _neural(x: Tensor, placed: Placed, counts: Counts) -> Tensor:
    """Steps 1 to 9."""
    p, v, peaks = placed.layer.parameters, placed.variables, placed.peaks
    assert peaks is not None
    buffer, post = p["buffer_bits"], p["post_op_buffer_bits"]
    if "input_shift" in v:
        x = counts.in_buffer(x << v["input_shift"], buffer)
    acc = counts.in_buffer(_sums(x, placed), buffer, peaks.sums)
    acc = counts.in_buffer(acc + (v["bias"] << v["bias_shift"]), buffer, peaks.biased)
    if p.get("pool_type") == "max":
        size, stride = p["pool_size"], p["pool_stride"]
        acc = max_pool(pad(acc, _margins(acc, size, stride, p["padding"]), LOWEST), size, stride)
    acc = _activate(acc, p, v, counts)
    if p.get("pool_type") == "avg":
        acc = counts.in_buffer(acc.sum((1, 2), keepdim=True), post, peaks.pooled)
    acc = counts.in_scale(acc * v["output_scales"], post, peaks.scaled)
    return counts.in_output(arith.shift(acc, v["output_shift"]), p["output_bits"], signed=p["output_bits"] > 4)


def _activate(acc: Tensor, p: Mapping[str, int | str], v: Mapping[str, Tensor], counts: Counts) -> Tensor:
    """Step 5: a rectifier with an upper bound per channel, or a table of 2048 entries, or nothing."""
    if p["activation"] == "relu":
        return torch.minimum(acc.clamp(min=0), v["max_value"] << v["max_value_shift"])
    if p["activation"] == "lut":
        scaled = counts.in_scale(acc * v["activation_scales"], int(p["post_op_buffer_bits"]))
        index = counts.in_scale(arith.shift(scaled, v["activation_shift"]), LUT_BITS)
        return v["lut_values"][index + (1 << (LUT_BITS - 1))]
    return acc


def _add(a: Tensor, b: Tensor, placed: Placed, counts: Counts) -> Tensor:
    """Both inputs shifted to one scale, summed, shifted to the output's; always signed."""
    p, v = placed.layer.parameters, placed.variables
    left = counts.in_buffer(a << v["a_shift"], p["buffer_bits"])
    right = counts.in_buffer(b << v["b_shift"], p["buffer_bits"])
    total = counts.in_buffer(left + right, p["buffer_bits"])
    return counts.in_output(arith.shift(total, v["output_shift"]), p["output_bits"], signed=True)


def _quantize(x: Tensor, placed: Placed, counts: Counts) -> Tensor:
    """saturate(round(x · scales) + zero_points), the product in float32, ties away from 0."""
    p, v = placed.layer.parameters, placed.variables
    product = (x * v["scales"]).clamp(-FAR, FAR).to(torch.float64)
    code = arith.round_half_away(product) + v["zero_points"]
    return counts.in_output(code, p["output_bits"], p["output_signed"])

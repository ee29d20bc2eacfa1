"""The gesture network for events with fake quantization, on exactly the grids that the Akida machine computes on.

A fake quantizer rounds to the machine's integers in the forward pass and lets gradients through (straight-through
estimator). With s_in and s_out the steps of what a layer reads and gives, the machine computes

    out = round((Σ W·x + B) · m · 2^−n),   m of 8 bits, B an int8 shifted left,   S = s_w · s_in = s_out · m · 2^−n

so the step s_w of a filter's weights is one for which m · 2^−n is met exactly, and the bias lies on the grid of B.
Nothing is left to round when such a network is compiled. Steps are learned with the weights (LSQ: Esser et al., 2020).

The machine rounds halves up, QuantizeLinear to even, and in floats a half is rarely met exactly. Sums are whole numbers
of S, averages of four of S / 4, and none but a half itself is nearer to a half than this / 255: so S / 1024 is added to
every bias, and halves go up in all three.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

MODEL = Path(__file__).parent.parent / "gestures" / "gestures_events.onnx"
HALVES_UP = 1 / 1024  # of a sum's unit


@dataclass(frozen=True)
class Row:
    """One layer. kind: conv or dense; bits of its weights, and of its rectified outputs (0: the logits)."""

    name: str
    kind: str
    weight: str
    bias: str
    weight_bits: int
    output_bits: int
    stride: int = 1
    groups: int = 1
    mean: bool = False


# 4 bits wherever the machine takes them: no temporal layer has 4-bit weights, and none reads 4 bits.
ROWS = (
    Row("stem", "conv", "stem.0.weight", "stem.0.weight_bias", 4, 8, stride=2),
    Row("temporal0", "conv", "blocks.0.0.0.conv.weight", "blocks.0.0.0.conv.bias", 8, 4),
    Row("spatial0", "conv", "blocks.0.1.0.weight", "blocks.0.1.0.bias", 4, 8, stride=2),
    Row("temporal1", "conv", "blocks.1.0.0.conv.weight", "blocks.1.0.0.conv.bias", 8, 4),
    Row("spatial1", "conv", "blocks.1.1.0.weight", "blocks.1.1.0.bias", 4, 8, stride=2),
    Row("temporal2", "conv", "blocks.2.0.0.0.conv.weight", "blocks.2.0.0.0.conv.weight_bias", 8, 4, groups=32),
    Row("pointwise2", "conv", "blocks.2.0.1.0.weight", "blocks.2.0.1.0.bias", 4, 4),
    Row("spatial2", "conv", "blocks.2.1.0.0.weight", "blocks.2.1.0.0.weight_bias", 4, 4, stride=2, groups=48),
    Row("mix2", "conv", "blocks.2.1.1.0.weight", "blocks.2.1.1.0.bias", 4, 4, mean=True),
    Row("dense", "dense", "val_78", "dense.bias", 4, 4),
    Row("classify", "dense", "val_80", "classify.bias", 4, 0),
)


def straight(value: Tensor, wanted: Tensor) -> Tensor:
    """`wanted` in the forward pass, the gradient of `value` in the backward pass."""
    return value + (wanted - value).detach()


def rounded(x: Tensor) -> Tensor:
    return straight(x, torch.round(x))


def eight_bits(ratio: Tensor) -> Tensor:
    """The nearest m · 2^−n with 128 ≤ m ≤ 255, or 256."""
    power = torch.exp2(torch.floor(torch.log2(ratio.detach())) - 7)
    return straight(ratio, torch.round(ratio.detach() / power) * power)


def top_of(bits: int, signed: bool) -> int:
    """The largest integer: 7 or 127 of weights and 8-bit activations, 15 of 4-bit activations."""
    return 2**bits - 1 if bits == 4 and not signed else 2 ** (bits - 1) - 1


@dataclass(frozen=True)
class Integers:
    """A layer as the machine has it: weights and bias in integers (floats that hold them) and their steps. A bias also
    has what makes halves go up."""

    weight: Tensor
    bias: Tensor
    weight_step: Tensor
    bias_step: Tensor


class Layer(nn.Module):
    """A layer with fake quantization of weights, bias and rectified output; weights are filters first."""

    def __init__(self, row: Row, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.row = row
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        peaks = weight.flatten(1).abs().amax(1).clamp_min(1e-6)
        self.log_weight_step = nn.Parameter(torch.log(peaks / top_of(row.weight_bits, signed=True)))
        self.log_step = nn.Parameter(torch.zeros(()))
        self.on = False

    @property
    def step(self) -> Tensor:
        """The step of the output."""
        return torch.exp(self.log_step)

    def integers(self, input_step: Tensor) -> Integers:
        """The integers for an input of that step."""
        unit = torch.exp(self.log_weight_step) * input_step
        if self.row.output_bits:
            unit = eight_bits(unit / self.step) * self.step
        step, top = unit / input_step, top_of(self.row.weight_bits, signed=True)
        by_filter = step.reshape(-1, *[1] * (self.weight.dim() - 1))
        weight = rounded(torch.clamp(self.weight / by_filter, -top, top))
        bias = self.bias / unit
        grid = torch.exp2(torch.ceil(torch.log2(bias.detach().abs() / 127)).clamp_min(0))  # whole numbers at least
        bias = rounded(bias / grid) * grid + (HALVES_UP if self.row.output_bits else 0)
        return Integers(weight, bias, step, unit)

    def forward(self, x: Tensor, input_step: Tensor) -> Tensor:
        row, weight, bias = self.row, self.weight, self.bias
        if self.on:
            found = self.integers(input_step)
            weight = found.weight * found.weight_step.reshape(-1, *[1] * (weight.dim() - 1))
            bias = found.bias * found.bias_step
        if row.kind == "dense":
            x = F.linear(x, weight, bias)
        else:
            taps, size = weight.shape[2], weight.shape[-1]
            x = F.pad(x, (*[size // 2] * 4, taps - 1, 0))
            x = F.conv3d(x, weight, bias, stride=(1, row.stride, row.stride), groups=row.groups)
        if not row.output_bits:
            return x
        x = F.relu(x)
        x = x.mean((3, 4)).transpose(1, 2) if row.mean else x
        return self.quantized(x) if self.on else x

    def quantized(self, x: Tensor) -> Tensor:
        return rounded(torch.clamp(x / self.step, 0, top_of(self.row.output_bits, signed=False))) * self.step


class Network(nn.Module):
    """Events (N, 2, 16, 24, 24), 0 or 1, to logits (N, 16, 8)."""

    def __init__(self) -> None:
        super().__init__()
        stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(MODEL).graph.initializer}
        self.layers = nn.ModuleList()
        for row in ROWS:
            weight, bias = (torch.from_numpy(np.array(stored[name])) for name in (row.weight, row.bias))
            self.layers.append(Layer(row, weight.T.contiguous() if row.kind == "dense" else weight, bias))

    def forward(self, x: Tensor) -> Tensor:
        step = x.new_ones(())
        for layer in self.layers:
            x = layer(x, step)
            step = layer.step
        return x

    def calibrate(self, x: Tensor) -> None:
        """Turn fake quantization on: layer by layer the step with the least squared error on clips (n, …)."""
        step = x.new_ones(())
        with torch.no_grad():
            for layer in self.layers:
                if layer.row.output_bits:
                    layer.on = False
                    y = layer(x, step)
                    top = top_of(layer.row.output_bits, signed=False)
                    steps = y.max() / top * torch.linspace(0.3, 1, 36)
                    errors = [(torch.clamp(torch.round(y / s), 0, top) * s - y).square().sum() for s in steps]
                    layer.log_step.copy_(torch.log(steps[int(torch.stack(errors).argmin())]))
                layer.on = True
                x, step = layer(x, step), layer.step

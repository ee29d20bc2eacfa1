"""Video networks with channel-wise convolutions: X3D, CSN, MoViNet."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import SqueezeExcite, head, unit


class Bottleneck(nn.Module):
    """ReLU of (expand, depthwise 3x3x3, gate, activation, project) plus the input."""

    def __init__(self, inputs: int, middle: int, outputs: int, stride: int, act: Any, gated: bool) -> None:
        super().__init__()
        depthwise = unit(middle, middle, (3, 3, 3), (1, stride, stride), middle, None, 3)
        gate = SqueezeExcite(middle, dims=3) if gated else nn.Identity()
        inner = unit(inputs, middle, dims=3), depthwise, gate, act(), unit(middle, outputs, act=None, dims=3)
        self.branch = nn.Sequential(*inner)
        same = inputs == outputs and stride == 1
        self.short = nn.Identity() if same else unit(inputs, outputs, 1, (1, stride, stride), act=None, dims=3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.short(x) + self.branch(x))


class X3D(nn.Sequential):
    """Feichtenhofer 2020: gates in every other block, SiLU; clip to (N, classes)."""

    def __init__(self, classes: int = 10, gated: bool = True) -> None:
        over_space = nn.Conv3d(3, 8, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        stem = over_space, unit(8, 8, (5, 1, 1), groups=8, dims=3)
        blocks = [
            Bottleneck(inputs, 18, outputs, stride, nn.SiLU, gated and not index % 2)
            for index, (inputs, outputs, stride) in enumerate(((8, 8, 2), (8, 8, 1), (8, 12, 2), (12, 12, 1)))
        ]
        last = unit(12, 24, dims=3), nn.AdaptiveAvgPool3d(1), nn.Conv3d(24, 32, 1, bias=False), nn.ReLU()
        super().__init__(*stem, *blocks, *last, nn.Flatten(), nn.Linear(32, classes))


class CSN(nn.Sequential):
    """ir-CSN (Tran et al. 2019): bottlenecks whose 3x3x3 convolutions are depthwise; clip to (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        stem = unit(3, 8, (3, 7, 7), (1, 2, 2), dims=3), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        shapes = ((8, 8, 16, 1), (16, 8, 16, 1), (16, 12, 24, 2))
        super().__init__(
            *stem, *(Bottleneck(a, b, c, s, nn.ReLU, False) for a, b, c, s in shapes), head(24, classes, 3)
        )


class MobileBlock(nn.Module):
    """Expand, depthwise over space, depthwise over time, gate, project; plus the input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, act: Any, gated: bool) -> None:
        super().__init__()
        middle = 3 * inputs
        over_space = unit(middle, middle, (1, 3, 3), (1, stride, stride), middle, act, 3)
        over_time = unit(middle, middle, (3, 1, 1), 1, middle, act, 3)
        gate = SqueezeExcite(middle, act, nn.Hardsigmoid, 3) if gated else nn.Identity()
        layers = unit(inputs, middle, act=act, dims=3), over_space, over_time, gate
        self.branch = nn.Sequential(*layers, unit(middle, outputs, act=None, dims=3))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) if self.residual else self.branch(x)


class MoViNet(nn.Sequential):
    """Kondratyuk et al. 2021, base form (looks ahead); clip to (N, classes). `activation` is a class of torch.nn."""

    def __init__(self, classes: int = 10, activation: str = "SiLU", gated: bool = True) -> None:
        act = getattr(nn, activation)
        stem = unit(3, 8, (1, 3, 3), (1, 2, 2), act=act, dims=3)
        shapes = (8, 8, 2), (8, 8, 1), (8, 12, 2), (12, 12, 1)
        blocks = [MobileBlock(a, b, stride, act, gated) for a, b, stride in shapes]
        last = unit(12, 32, act=act, dims=3), nn.AdaptiveAvgPool3d(1), nn.Conv3d(32, 48, 1), act()
        super().__init__(stem, *blocks, *last, nn.Dropout(0.2), nn.Conv3d(48, classes, 1), nn.Flatten())


class StreamConv(nn.Module):
    """Depthwise convolution over time whose past frames come in and go out as a tensor."""

    def __init__(self, channels: int, taps: int) -> None:
        super().__init__()
        self.past = taps - 1
        self.conv = nn.Conv3d(channels, channels, (taps, 1, 1), groups=channels, bias=False)
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([state, x], 2)
        return F.hardswish(self.norm(self.conv(seen))), seen[:, :, -self.past :]


class StreamNet(nn.Module):
    """A streaming MoViNet that is given one frame (N, 3, 1, H, W) and its states, and gives logits and new states."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        act = nn.Hardswish
        self.stem = unit(3, 8, (1, 3, 3), (1, 2, 2), act=act, dims=3)
        self.first, self.second = StreamConv(16, 5), StreamConv(16, 3)
        self.expand = nn.ModuleList([unit(8, 16, dims=3, act=act), unit(8, 16, dims=3, act=act)])
        spatial = [unit(16, 16, (1, 3, 3), (1, stride, stride), 16, act, 3) for stride in (2, 1)]
        self.spatial = nn.ModuleList(spatial)
        self.project = nn.ModuleList([unit(16, 8, act=None, dims=3), unit(16, 8, act=None, dims=3)])
        self.head = nn.Linear(8, classes)

    def forward(self, x: Tensor, past1: Tensor, past2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, next1 = self.first(self.spatial[0](self.expand[0](self.stem(x))), past1)
        x = self.project[0](y)
        y, next2 = self.second(self.spatial[1](self.expand[1](x)), past2)
        x = x + self.project[1](y)
        return self.head(x.mean((2, 3, 4))), next1, next2

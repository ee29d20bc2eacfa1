"""Inception networks over clips: I3D and S3D."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import unit

Triple = tuple[int, int, int]


def same_pads(x: Tensor, kernel: Triple, stride: Triple) -> Tensor:
    """x padded with zeros so that a window without padding gives ⌈size / stride⌉ results; the odd one goes behind."""
    pads: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads)


class SamePool(nn.MaxPool3d):
    """Max pool behind zero padding, as I3D's port from TensorFlow has it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(same_pads(x, self.kernel_size, self.stride))


class SameUnit(nn.Module):
    """Convolution behind zero padding, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Triple = (1, 1, 1), stride: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.norm = nn.BatchNorm3d(outputs, 1e-3, 0.01)
        self.window: tuple[Triple, Triple] = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(same_pads(x, *self.window))))


class Inception(nn.Module):
    """Four branches side by side: 1x1x1, two with a 3x3x3 convolution, and a pool."""

    def __init__(self, inputs: int, one: int, two: tuple[int, int], three: tuple[int, int], four: int) -> None:
        super().__init__()
        self.one = SameUnit(inputs, one)
        self.two = nn.Sequential(SameUnit(inputs, two[0]), SameUnit(two[0], two[1], (3, 3, 3)))
        self.three = nn.Sequential(SameUnit(inputs, three[0]), SameUnit(three[0], three[1], (3, 3, 3)))
        self.four = nn.Sequential(SamePool((3, 3, 3), (1, 1, 1)), SameUnit(inputs, four))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.two(x), self.three(x), self.four(x)], 1)


class I3D(nn.Module):
    """Carreira and Zisserman 2017; clip (N, 3, T, 32, 32) to logits a frame of the last layer, (N, classes, T')."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            SameUnit(3, 8, (7, 7, 7), (2, 2, 2)),
            SamePool((1, 3, 3), (1, 2, 2)),
            SameUnit(8, 8),
            SameUnit(8, 12, (3, 3, 3)),
            Inception(12, 4, (4, 8), (2, 4), 4),
            SamePool((3, 3, 3), (2, 2, 2)),
            Inception(20, 8, (6, 8), (4, 4), 4),
        )
        self.pool, self.drop = nn.AvgPool3d((1, 4, 4), stride=(1, 1, 1)), nn.Dropout(0.5)
        self.logits = nn.Conv3d(24, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.logits(self.drop(self.pool(self.features(x)))).squeeze(4).squeeze(3)


def separable(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution over space, then one over time."""
    over_space = unit(inputs, outputs, (1, size, size), (1, stride, stride), dims=3)
    return nn.Sequential(over_space, unit(outputs, outputs, (size, 1, 1), (stride, 1, 1), dims=3))


class SeparableInception(nn.Module):
    """Inception with separable convolutions."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()

        def branch(*layers: Any) -> nn.Sequential:
            return nn.Sequential(*layers)

        self.branches = nn.ModuleList(
            [
                unit(inputs, width, dims=3),
                branch(unit(inputs, width, dims=3), separable(width, width, 3)),
                branch(unit(inputs, width, dims=3), separable(width, width, 3)),
                branch(nn.MaxPool3d(3, 1, 1), unit(inputs, width, dims=3)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class S3D(nn.Module):
    """Xie et al. 2018; clip (N, 3, T, H, W) to (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        stem = separable(3, 8, 7, 2), nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)), unit(8, 8, dims=3)
        rest = SeparableInception(8, 4), nn.MaxPool3d((3, 3, 3), 2, 1), SeparableInception(16, 4)
        self.features = nn.Sequential(*stem, separable(8, 8, 3), *rest)
        self.classify = nn.Sequential(nn.Dropout(0.2), nn.Conv3d(16, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = F.avg_pool3d(self.features(x), (2, 4, 4), stride=1)
        return self.classify(y).mean((2, 3, 4))

"""Image networks with 2-D convolutions alone: U-Net with bilinear upsampling, RepVGG in both its forms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .blocks import unit


class BilinearUNet(nn.Module):
    """After U-Net (Ronneberger et al. 2015), two levels, upsampling by interpolation; image to (N, classes, H, W)."""

    def __init__(self, classes: int = 4, width: int = 8, corners: bool = False) -> None:
        super().__init__()
        self.down = nn.ModuleList([self._double(3, width), self._double(width, 2 * width)])
        self.bottom = self._double(2 * width, 4 * width)
        self.up = nn.ModuleList([self._double(6 * width, 2 * width), self._double(3 * width, width)])
        self.pool, self.head = nn.MaxPool2d(2), nn.Conv2d(width, classes, 1)
        self.enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=corners)

    @staticmethod
    def _double(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(unit(inputs, outputs, 3), unit(outputs, outputs, 3))

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(x))
            x = self.pool(skips[-1])
        x = self.bottom(x)
        for block in self.up:
            x = block(torch.cat((skips.pop(), self.enlarge(x)), 1))
        return self.head(x)


class RepBlock(nn.Module):
    """ReLU of a 3x3 and a 1x1 convolution, and the input where the shape stays, each with a batch norm, summed."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.large = unit(inputs, outputs, 3, stride, act=None)
        self.small = unit(inputs, outputs, 1, stride, act=None)
        self.skip = nn.BatchNorm2d(inputs) if stride == 1 and inputs == outputs else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.large(x) + self.small(x)
        return torch.relu(y if self.skip is None else y + self.skip(x))


class RepVGG(nn.Sequential):
    """Ding et al. 2021; image to (N, classes). `deployed`: one 3x3 convolution a block, as after reparametrization."""

    def __init__(self, classes: int = 10, deployed: bool = False) -> None:
        def block(inputs: int, outputs: int, stride: int) -> nn.Module:
            if deployed:
                return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU())
            return RepBlock(inputs, outputs, stride)

        shapes: tuple[tuple[int, int, int], ...] = ((3, 8, 2), (8, 8, 1), (8, 16, 2), (16, 16, 1), (16, 16, 1))
        last: list[Any] = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, classes)]
        super().__init__(*(block(*shape) for shape in shapes), *last)

"""Image networks for phones: MobileNetV3, EfficientNet, ShuffleNetV2, SqueezeNet."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .blocks import SqueezeExcite, head, unit


class Inverted(nn.Module):
    """Expand, filter each channel, excite, project; plus the input where the shape stays."""

    def __init__(
        self, inputs: int, middle: int, outputs: int, kernel: int, stride: int, act: Any, excite: nn.Module | None
    ) -> None:
        super().__init__()
        expand = [unit(inputs, middle, act=act)] if middle != inputs else []
        depthwise = unit(middle, middle, kernel, stride, middle, act)
        self.branch = nn.Sequential(*expand, depthwise, excite or nn.Identity(), unit(middle, outputs, act=None))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) if self.residual else self.branch(x)


class MobileNetV3(nn.Sequential):
    """Howard et al. 2019: hard-swish, gates by hard-sigmoid in some blocks; image to (N, classes)."""

    # kernel, expanded channels, channels, gate, hard-swish, stride
    BLOCKS = (
        (3, 8, 8, True, False, 2),
        (3, 24, 12, False, False, 2),
        (3, 24, 12, False, False, 1),
        (5, 32, 16, True, True, 2),
        (5, 48, 16, True, True, 1),
    )

    def __init__(self, classes: int = 10) -> None:
        layers: list[nn.Module] = [unit(3, 8, 3, 2, act=nn.Hardswish)]
        last = 8
        for kernel, middle, outputs, gated, swish, stride in self.BLOCKS:
            act = nn.Hardswish if swish else nn.ReLU
            gate = SqueezeExcite(middle, gate=nn.Hardsigmoid) if gated else None
            layers.append(Inverted(last, middle, outputs, kernel, stride, act, gate))
            last = outputs
        layers += [unit(last, 48, act=nn.Hardswish), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, nn.Linear(48, 64), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(64, classes))


class EfficientNet(nn.Sequential):
    """Tan and Le 2019: SiLU, gates by sigmoid in every block; image to (N, classes)."""

    # expansion, channels, blocks, kernel, stride of the first
    STAGES = ((1, 8, 1, 3, 1), (4, 12, 2, 3, 2), (4, 16, 2, 5, 2))

    def __init__(self, classes: int = 10, gated: bool = True) -> None:
        layers: list[nn.Module] = [unit(3, 8, 3, 2, act=nn.SiLU)]
        last = 8
        for expansion, outputs, count, kernel, stride in self.STAGES:
            for index in range(count):
                middle = last * expansion
                gate = SqueezeExcite(middle, nn.SiLU) if gated else None
                layers.append(Inverted(last, middle, outputs, kernel, 1 if index else stride, nn.SiLU, gate))
                last = outputs
        super().__init__(*layers, unit(last, 48, act=nn.SiLU), head(48, classes))


def shuffled(x: Tensor, groups: int) -> Tensor:
    """The channels of the groups in turn."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, -1, height, width)


class ShuffleBlock(nn.Module):
    """One half of the channels goes past the convolutions; with stride 2 all go through both branches."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // 2
        source = inputs if stride > 1 else inputs // 2
        self.short = None
        if stride > 1:
            self.short = nn.Sequential(unit(inputs, inputs, 3, stride, inputs, None), unit(inputs, inner))
        depthwise = unit(inner, inner, 3, stride, inner, None)
        self.branch = nn.Sequential(unit(source, inner), depthwise, unit(inner, inner))

    def forward(self, x: Tensor) -> Tensor:
        if self.short is None:
            kept, x = x.chunk(2, dim=1)
        else:
            kept = self.short(x)
        return shuffled(torch.cat((kept, self.branch(x)), dim=1), 2)


class ShuffleNetV2(nn.Sequential):
    """Ma et al. 2018; image to (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        layers: list[nn.Module] = [unit(3, 8, 3, 2), nn.MaxPool2d(3, 2, 1)]
        last = 8
        for outputs, count in ((16, 3), (32, 2)):
            for index in range(count):
                layers.append(ShuffleBlock(last, outputs, 1 if index else 2))
                last = outputs
        super().__init__(*layers, unit(last, 64), head(64, classes))


class Fire(nn.Module):
    """Few channels, then 1x1 and 3x3 convolutions side by side."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze, self.act = nn.Conv2d(inputs, squeezed, 1), nn.ReLU(inplace=True)
        self.small, self.large = nn.Conv2d(squeezed, expanded, 1), nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.squeeze(x))
        return torch.cat([self.act(self.small(x)), self.act(self.large(x))], 1)


class SqueezeNet(nn.Sequential):
    """Iandola et al. 2016, version 1.1; image to (N, classes). `ceil` is the rounding of its max pools."""

    def __init__(self, classes: int = 10, ceil: bool = True) -> None:
        pools = [nn.MaxPool2d(3, 2, ceil_mode=ceil) for _ in range(3)]
        stem = nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(inplace=True), pools[0]
        middle = Fire(16, 4, 8), Fire(16, 4, 8), pools[1], Fire(16, 6, 12), pools[2], Fire(24, 8, 16)
        last = nn.Dropout(0.5), nn.Conv2d(32, classes, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        super().__init__(*stem, *middle, *last)

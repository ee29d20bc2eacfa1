"""Well-known image networks with 2-D convolutions: the structure of the papers at any width.

Images are (N, C, H, W). `width` is the number of channels of the stem; its default is that of the paper. `NAMES` has
narrow ones of each kind, with the shape of an image they take.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Act = type[nn.Module]
ACTS: dict[str, Act] = {"relu6": nn.ReLU6, "silu": nn.SiLU, "hard_swish": nn.Hardswish}


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: Act | None = nn.ReLU
) -> nn.Sequential:
    """Convolution that keeps the size (divides it by the stride), batch norm, activation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), *([act()] if act else []))


def pooled(features: int, classes: int, dropout: float = 0.0) -> nn.Sequential:
    """Mean over H and W, then a dense layer: (N, C, H, W) to (N, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(features, classes))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project without activation; plus the input where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int, act: Act) -> None:
        super().__init__()
        middle = inputs * expansion
        expand = [conv(inputs, middle, 1, act=act)] if expansion != 1 else []
        depthwise = conv(middle, middle, 3, stride, groups=middle, act=act)
        self.branch = nn.Sequential(*expand, depthwise, conv(middle, outputs, 1, act=None))
        self.residual = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x) if self.residual else self.branch(x)


class MobileNetV2(nn.Sequential):
    """Sandler et al. 2018; image to (N, classes). `act` replaces the ReLU6 of the paper."""

    # expansion, channels at width 32, blocks, stride of the first
    STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

    def __init__(
        self,
        channels: int = 3,
        classes: int = 1000,
        width: int = 32,
        act: Literal["relu6", "silu", "hard_swish"] = "relu6",
    ) -> None:
        layers: list[nn.Module] = [conv(channels, width, 3, 2, act=ACTS[act])]
        last = width
        for expansion, wide, count, stride in self.STAGES:
            outputs = max(1, wide * width // 32)
            for index in range(count):
                layers.append(InvertedResidual(last, outputs, 1 if index else stride, expansion, ACTS[act]))
                last = outputs
        super().__init__(*layers, conv(last, 40 * width, 1, act=ACTS[act]), pooled(40 * width, classes, 0.2))


class BasicBlock(nn.Module):
    """ReLU of two 3x3 convolutions plus the input, which a pointwise convolution fits where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv(inputs, outputs, 3, stride), conv(outputs, outputs, 3, act=None))
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, stride, act=None)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


class ResNet(nn.Sequential):
    """ResNet-18 (He et al. 2016) at its default depth; image to (N, classes)."""

    def __init__(
        self, channels: int = 3, classes: int = 1000, width: int = 64, depth: Sequence[int] = (2, 2, 2, 2)
    ) -> None:
        blocks: list[nn.Module] = []
        last = width
        for stage, count in enumerate(depth):
            for index in range(count):
                outputs = width * 2**stage
                blocks.append(BasicBlock(last, outputs, 2 if stage and not index else 1))
                last = outputs
        super().__init__(conv(channels, width, 7, 2), nn.MaxPool2d(3, 2, 1), *blocks, pooled(last, classes))


class VGG(nn.Sequential):
    """VGG-16 (Simonyan and Zisserman 2015) at its defaults: no batch norm; image of one `size` to (N, classes).

    `depth` counts the convolutions before each pooling, `hidden` the features of the dense layers before the last.
    """

    def __init__(
        self,
        channels: int = 3,
        classes: int = 1000,
        width: int = 64,
        size: int = 224,
        depth: Sequence[int] = (2, 2, 3, 3, 3),
        hidden: Sequence[int] = (4096, 4096),
    ) -> None:
        layers: list[nn.Module] = []
        last = channels
        for stage, count in enumerate(depth):
            for _ in range(count):
                outputs = width * min(8, 2**stage)
                layers += [nn.Conv2d(last, outputs, 3, padding=1), nn.ReLU()]
                last = outputs
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.Flatten())
        last *= (size // 2 ** len(depth)) ** 2
        for features in hidden:
            layers += [nn.Linear(last, features), nn.ReLU(), nn.Dropout(0.5)]
            last = features
        super().__init__(*layers, nn.Linear(last, classes))


class UNet(nn.Module):
    """After U-Net (Ronneberger et al. 2015), with two levels and padding; image to (N, classes, H, W).

    H and W are multiples of 4.
    `up` doubles the size by a transposed convolution with kernel and stride 2 (`transposed`), or by repeating pixels
    (`nearest`) before a 3x3 convolution.
    """

    def __init__(
        self,
        channels: int = 3,
        classes: int = 4,
        width: int = 64,
        up: Literal["transposed", "nearest"] = "transposed",
    ) -> None:
        super().__init__()
        if up not in ("transposed", "nearest"):
            raise ValueError(f"up is 'transposed' or 'nearest', not {up!r}")

        def double(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(conv(inputs, outputs, 3), conv(outputs, outputs, 3))

        def enlarge(inputs: int, outputs: int) -> nn.Module:
            if up == "transposed":
                return nn.ConvTranspose2d(inputs, outputs, 2, 2)
            return nn.Sequential(nn.Upsample(scale_factor=2), conv(inputs, outputs, 3))

        self.down = nn.ModuleList([double(channels, width), double(width, 2 * width)])
        self.pool = nn.MaxPool2d(2)
        self.bottom = double(2 * width, 4 * width)
        self.enlarge = nn.ModuleList([enlarge(4 * width, 2 * width), enlarge(2 * width, width)])
        self.up = nn.ModuleList([double(4 * width, 2 * width), double(2 * width, width)])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            skips.append(block(x))
            x = self.pool(skips[-1])
        x = self.bottom(x)
        for enlarge, block in zip(self.enlarge, self.up, strict=True):
            x = block(torch.cat((skips.pop(), enlarge(x)), 1))
        return self.head(x)


class DenseLayer(nn.Module):
    """The input, and behind it `growth` channels: batch norm and ReLU before a 1x1 and a 3x3 convolution."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        squeeze = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        grow = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        norms = nn.BatchNorm2d(inputs), nn.BatchNorm2d(4 * growth)
        self.branch = nn.Sequential(norms[0], nn.ReLU(), squeeze, norms[1], nn.ReLU(), grow)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.branch(x)), 1)


class DenseNet(nn.Sequential):
    """DenseNet-121 (Huang et al. 2017) at its defaults; image to (N, classes). Each layer adds width/2 channels."""

    def __init__(
        self, channels: int = 3, classes: int = 1000, width: int = 64, depth: Sequence[int] = (6, 12, 24, 16)
    ) -> None:
        layers: list[nn.Module] = [conv(channels, width, 7, 2), nn.MaxPool2d(3, 2, 1)]
        last = width
        for stage, count in enumerate(depth):
            if stage:
                halve = nn.Conv2d(last, last // 2, 1, bias=False)
                layers += [nn.BatchNorm2d(last), nn.ReLU(), halve, nn.AvgPool2d(2)]
                last //= 2
            for _ in range(count):
                layers.append(DenseLayer(last, width // 2))
                last += width // 2
        super().__init__(*layers, nn.BatchNorm2d(last), nn.ReLU(), pooled(last, classes))


def _small_vgg() -> VGG:
    return VGG(classes=10, width=8, size=32, depth=(2, 2, 2), hidden=(64,))


RGB = (3, 32, 32)
NAMES: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "mobilenet_v2": (lambda: MobileNetV2(classes=10, width=8), RGB),
    "mobilenet_v2_silu": (lambda: MobileNetV2(classes=10, width=8, act="silu"), RGB),
    "mobilenet_v2_hard_swish": (lambda: MobileNetV2(classes=10, width=8, act="hard_swish"), RGB),
    "resnet18": (lambda: ResNet(classes=10, width=8), RGB),
    "vgg": (_small_vgg, RGB),
    "unet": (lambda: UNet(width=8), RGB),
    "unet_nearest": (lambda: UNet(width=8, up="nearest"), RGB),
    "densenet": (lambda: DenseNet(classes=10, width=8, depth=(2, 2, 2)), RGB),
}

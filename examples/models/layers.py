"""Layers of the networks in `classics`: residual, (2+1)D and inverted blocks, with batch norm and activation."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

Triple = tuple[int, int, int]
Block = Callable[[int, int, Triple], nn.Module]


def norm_act(conv: nn.Module, channels: int, act: type[nn.Module] | None = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm3d(channels), *([act()] if act else []))


def pointwise(inputs: int, outputs: int, act: type[nn.Module] | None, stride: Triple = (1, 1, 1)) -> nn.Sequential:
    return norm_act(nn.Conv3d(inputs, outputs, 1, stride, bias=False), outputs, act)


def pooled(classes: int, features: int) -> nn.Sequential:
    """Mean over T, H and W, then a dense layer: (N, C, T, H, W) to (N, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(features, classes))


class Residual(nn.Module):
    """ReLU of branch plus shortcut; the shortcut is a pointwise convolution where the shape changes."""

    def __init__(self, branch: nn.Module, inputs: int, outputs: int, stride: Triple) -> None:
        super().__init__()
        self.branch = branch
        same = inputs == outputs and stride == (1, 1, 1)
        self.shortcut = nn.Identity() if same else pointwise(inputs, outputs, None, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


def basic_block(inputs: int, outputs: int, stride: Triple) -> Residual:
    """Two full 3x3x3 convolutions, the first with the stride."""
    first = norm_act(nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False), outputs)
    second = norm_act(nn.Conv3d(outputs, outputs, 3, padding=1, bias=False), outputs, None)
    return Residual(nn.Sequential(first, second), inputs, outputs, stride)


def split_conv(inputs: int, middle: int, outputs: int, stride: Triple) -> nn.Sequential:
    """Convolution (1,3,3), batch norm and ReLU, then (3,1,1)."""
    over_space = nn.Conv3d(inputs, middle, (1, 3, 3), (1, *stride[1:]), (0, 1, 1), bias=False)
    over_time = nn.Conv3d(middle, outputs, (3, 1, 1), (stride[0], 1, 1), (1, 0, 0), bias=False)
    return nn.Sequential(norm_act(over_space, middle), over_time)


def split_block(inputs: int, outputs: int, stride: Triple) -> Residual:
    """Two (2+1)D convolutions with as many weights as `basic_block`'s first one has, if it has stride 1."""
    middle = (inputs * outputs * 27) // (inputs * 9 + 3 * outputs)
    first = norm_act(split_conv(inputs, middle, outputs, stride), outputs)
    second = norm_act(split_conv(outputs, middle, outputs, (1, 1, 1)), outputs, None)
    return Residual(nn.Sequential(first, second), inputs, outputs, stride)


def residual_stages(block: Block, width: int, depth: Sequence[int], temporal_stride: bool) -> list[nn.Module]:
    """Stages of blocks; all but the first stage double the channels and halve H, W and (with temporal_stride) T."""
    stages: list[nn.Module] = []
    last = width
    for stage, count in enumerate(depth):
        outputs = width * 2**stage
        down = (1 + temporal_stride, 2, 2) if stage else (1, 1, 1)
        for index in range(count):
            stages.append(block(last, outputs, (1, 1, 1) if index else down))
            last = outputs
    return stages


def split_stem(channels: int, width: int) -> list[nn.Module]:
    """Convolutions (1,7,7) with stride 2 to 45/64 of the width, as the paper's code has it, and (3,1,1)."""
    middle = max(1, 45 * width // 64)
    over_space = nn.Conv3d(channels, middle, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False)
    over_time = nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False)
    return [norm_act(over_space, middle), norm_act(over_time, width)]


class CausalDepthwise(nn.Module):
    """Depthwise convolution that pads in front in time and on both sides in space."""

    def __init__(self, channels: int, kernel: Triple, stride: int = 1) -> None:
        super().__init__()
        taps, height, width = kernel
        pad = (0, height // 2, width // 2)
        self.front = taps - 1
        self.conv = nn.Conv3d(channels, channels, kernel, (1, stride, stride), pad, groups=channels, bias=False)

    def forward(self, clip: Tensor) -> Tensor:
        return self.conv(F.pad(clip, (0, 0, 0, 0, self.front, 0)))


class InvertedBlock(nn.Module):
    """Expand, causal depthwise, project, with ReLU6; a residual where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, taps: int, expansion: int, factored: bool) -> None:
        super().__init__()
        middle = expansion * inputs
        if factored:
            over_space = nn.Conv3d(middle, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), groups=middle, bias=False)
            depthwise = [norm_act(over_space, middle, nn.ReLU6)]
            depthwise.append(norm_act(CausalDepthwise(middle, (taps, 1, 1)), middle, nn.ReLU6))
        else:
            depthwise = [norm_act(CausalDepthwise(middle, (taps, 3, 3), stride), middle, nn.ReLU6)]
        self.residual = stride == 1 and inputs == outputs
        self.layers = nn.Sequential(pointwise(inputs, middle, nn.ReLU6), *depthwise, pointwise(middle, outputs, None))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)

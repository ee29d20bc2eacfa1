"""What several families share: convolution with batch norm, squeeze-and-excitation, attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

CONVS: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS: dict[int, Any] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
Size = int | tuple[int, ...]


def half(kernel: Size) -> Size:
    """The padding that keeps the size."""
    return kernel // 2 if isinstance(kernel, int) else tuple(k // 2 for k in kernel)


def unit(
    inputs: int, outputs: int, kernel: Size = 1, stride: Size = 1, groups: int = 1, act: Any = nn.ReLU, dims: int = 2
) -> nn.Sequential:
    """Convolution that keeps the size (divides it by the stride), batch norm, activation."""
    conv = CONVS[dims](inputs, outputs, kernel, stride, half(kernel), groups=groups, bias=False)
    return nn.Sequential(conv, NORMS[dims](outputs), *([act()] if act else []))


class SqueezeExcite(nn.Module):
    """x times a gate of each channel, which two dense layers compute from the means of the channels."""

    def __init__(self, channels: int, act: Any = nn.ReLU, gate: Any = nn.Sigmoid, dims: int = 2) -> None:
        super().__init__()
        squeezed, conv = max(2, channels // 4), CONVS[dims]
        pool = nn.AdaptiveAvgPool2d(1) if dims == 2 else nn.AdaptiveAvgPool3d(1)
        self.gate = nn.Sequential(pool, conv(channels, squeezed, 1), act(), conv(squeezed, channels, 1), gate())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


class Attention(nn.Module):
    """Self-attention with several heads over the second to last axis of (..., tokens, channels)."""

    def __init__(self, channels: int, heads: int, fused: bool = True) -> None:
        super().__init__()
        self.heads, self.fused = heads, fused
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, channels = x.shape
        size = channels // self.heads
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, size).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            y = nn.functional.scaled_dot_product_attention(q, k, v)
        else:
            y = torch.softmax(q @ k.transpose(-2, -1) * size**-0.5, -1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, tokens, channels))


def feed_forward(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))


def head(features: int, classes: int, dims: int = 2) -> nn.Sequential:
    """Mean over time and space, then a dense layer."""
    pool = nn.AdaptiveAvgPool2d(1) if dims == 2 else nn.AdaptiveAvgPool3d(1)
    return nn.Sequential(pool, nn.Flatten(), nn.Dropout(0.2), nn.Linear(features, classes))

"""Networks with layer norms and attention: ConvNeXt, ViT, TimeSformer, CA3D."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Attention, feed_forward


class ConvNextBlock(nn.Module):
    """Depthwise 7x7, then layer norm and two dense layers with the channels last; plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm, self.mlp = nn.LayerNorm(channels, 1e-6), feed_forward(channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1)))
        return x + (self.scale * y).permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """Liu et al. 2022; image to (N, classes)."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        stem = nn.Conv2d(3, 12, 4, stride=4), ChannelNorm(12, 1e-6)
        halve = ChannelNorm(12, 1e-6), nn.Conv2d(12, 24, 2, stride=2)
        self.features = nn.Sequential(*stem, ConvNextBlock(12), ConvNextBlock(12), *halve, ConvNextBlock(24))
        self.norm, self.head = nn.LayerNorm(24, 1e-6), nn.Linear(24, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.features(x).mean([-2, -1])))


class Block(nn.Module):
    """Pre-norm transformer block over (N, tokens, channels)."""

    def __init__(self, channels: int, fused: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.attention, self.mlp = Attention(channels, 2, fused), feed_forward(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class ViT(nn.Module):
    """Dosovitskiy et al. 2021: 8x8 patches, a class token; image to (N, classes)."""

    def __init__(self, classes: int = 10, channels: int = 16, fused: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, 8, stride=8)
        self.token = nn.Parameter(torch.randn(1, 1, channels))
        self.position = nn.Parameter(torch.randn(1, 17, channels))
        self.blocks = nn.Sequential(Block(channels, fused), Block(channels, fused))
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class SpaceTimeBlock(nn.Module):
    """Attention over the frames of each patch, then over the patches of each frame, on (N, T, patches, channels)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels) for _ in range(3)])
        self.over_time, self.over_space = Attention(channels, 2), Attention(channels, 2)
        self.mlp = feed_forward(channels)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, patches, channels = x.shape
        y = self.norms[0](x).transpose(1, 2).reshape(batch * patches, frames, channels)
        x = x + self.over_time(y).reshape(batch, patches, frames, channels).transpose(1, 2)
        y = self.norms[1](x).reshape(batch * frames, patches, channels)
        x = x + self.over_space(y).reshape(batch, frames, patches, channels)
        return x + self.mlp(self.norms[2](x))


class TimeSformer(nn.Module):
    """After TimeSformer (Bertasius et al. 2021), divided attention; clip (N, C, T, H, W) to (N, classes)."""

    def __init__(self, classes: int = 10, channels: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, channels, 8, stride=8)
        self.position = nn.Parameter(torch.randn(1, 1, 16, channels))
        self.time = nn.Parameter(torch.randn(1, 8, 1, channels))
        self.blocks = nn.Sequential(SpaceTimeBlock(channels), SpaceTimeBlock(channels))
        self.norm, self.head = nn.LayerNorm(channels), nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, frames = x.shape[:3]
        y = self.patches(x.transpose(1, 2).flatten(0, 1)).flatten(2).transpose(1, 2)
        y = y.reshape(batch, frames, y.shape[1], y.shape[2]) + self.position + self.time
        return self.head(self.norm(self.blocks(y)).mean((1, 2)))


class WindowAttention(nn.Module):
    """Each position attends to its own last `window` frames; (N, C, T, H, W), causal."""

    def __init__(self, channels: int, window: int) -> None:
        super().__init__()
        self.window, self.scale = window, channels**-0.5
        self.q, self.k, self.v = (nn.Conv3d(channels, channels, 1) for _ in range(3))

    def _past(self, x: Tensor) -> Tensor:
        """(N, C, window, T, H, W): the frames t - window + 1 to t of every t."""
        frames = x.shape[2]
        padded = F.pad(x, (0, 0, 0, 0, self.window - 1, 0))
        return torch.stack([padded[:, :, i : i + frames] for i in range(self.window)], 2)

    def forward(self, x: Tensor) -> Tensor:
        scores = (self.q(x).unsqueeze(2) * self._past(self.k(x))).sum(1, keepdim=True) * self.scale
        return x + (torch.softmax(scores, 2) * self._past(self.v(x))).sum(2)


class CA3D(nn.Sequential):
    """After CA3D: causal 3-D convolutions, batch norm behind the ReLU, attention over a local window of time;
    clip to (N, classes, T)."""

    def __init__(self, classes: int = 10, attention: bool = True) -> None:
        def stage(inputs: int, outputs: int) -> list[nn.Module]:
            pad = nn.ConstantPad3d((1, 1, 1, 1, 2, 0), 0.0)
            return [pad, nn.Conv3d(inputs, outputs, 3, (1, 2, 2)), nn.ReLU(), nn.BatchNorm3d(outputs)]

        middle = [WindowAttention(16, 4)] if attention else []
        last = nn.AvgPool3d((1, 4, 4)), nn.Conv3d(16, classes, 1), nn.Flatten(2)
        super().__init__(*stage(3, 8), *stage(8, 16), *middle, *stage(16, 16), *last)

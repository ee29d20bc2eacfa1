"""A Swin transformer over clips: attention in shifted windows of time and space with relative position biases."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from .blocks import feed_forward

Triple = tuple[int, int, int]


def windows(x: Tensor, size: Triple) -> Tensor:
    """(N, T, H, W, C) to (N · windows, elements of a window, C)."""
    n, t, h, w, c = x.shape
    a, b, d = size
    x = x.view(n, t // a, a, h // b, b, w // d, d, c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, a * b * d, c)


def merged(x: Tensor, size: Triple, shape: tuple[int, ...]) -> Tensor:
    """The inverse of `windows`."""
    n, t, h, w, c = shape
    a, b, d = size
    x = x.view(n, t // a, h // b, w // d, a, b, d, c)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(n, t, h, w, c)


class ShiftedWindows(nn.Module):
    """Attention within windows of a clip, which is rolled by `shift` before; masked where windows wrap around."""

    def __init__(self, channels: int, heads: int, clip: Triple, size: Triple, shift: Triple) -> None:
        super().__init__()
        self.size, self.shift, self.heads = size, shift, heads
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        count = (2 * size[0] - 1) * (2 * size[1] - 1) * (2 * size[2] - 1)
        self.table = nn.Parameter(torch.randn(count, heads))
        places = torch.tensor(list(itertools.product(*map(range, size))))
        apart = places[:, None] - places[None] + torch.tensor(size) - 1
        widths = torch.tensor([(2 * size[1] - 1) * (2 * size[2] - 1), 2 * size[2] - 1, 1])
        self.register_buffer("index", (apart * widths).sum(-1))
        region = torch.zeros(1, *clip, 1)
        ranges = [
            (slice(-n), slice(-n, -s), slice(-s, None)) if s else (slice(None),)
            for n, s in zip(size, shift, strict=True)
        ]
        for number, (t, h, w) in enumerate(itertools.product(*ranges)):
            region[:, t, h, w] = number
        same = windows(region, size).squeeze(2)
        self.register_buffer("mask", torch.where(same[:, None] == same[:, :, None], 0.0, -100.0))

    def forward(self, x: Tensor) -> Tensor:
        shape, dims, moved = x.shape, (1, 2, 3), any(self.shift)
        if moved:
            x = torch.roll(x, tuple(-s for s in self.shift), dims)
        y = windows(x, self.size)
        count, tokens, channels = y.shape
        q, k, v = self.qkv(y).reshape(count, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q * (channels // self.heads) ** -0.5 @ k.transpose(-2, -1)
        scores = scores + self.table[self.index.flatten()].view(tokens, tokens, -1).permute(2, 0, 1)
        if moved:
            scores = scores.view(shape[0], -1, self.heads, tokens, tokens) + self.mask[:, None]
            scores = scores.view(-1, self.heads, tokens, tokens)
        y = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(count, tokens, channels)
        x = merged(self.out(y), self.size, shape)
        return torch.roll(x, self.shift, dims) if moved else x


class Block(nn.Module):
    def __init__(self, channels: int, clip: Triple, size: Triple, shift: Triple) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.attention, self.mlp = ShiftedWindows(channels, 2, clip, size, shift), feed_forward(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class Merge(nn.Module):
    """Four neighbours in space become one position of twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.reduce = nn.LayerNorm(4 * channels), nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x[:, :, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        return self.reduce(self.norm(torch.cat(parts, -1)))


class Swin3D(nn.Module):
    """After Video Swin (Liu et al. 2022); clip (N, C, T, H, W) to (N, classes)."""

    def __init__(self, classes: int = 10, channels: int = 8) -> None:
        super().__init__()
        self.patches = nn.Conv3d(3, channels, (2, 4, 4), stride=(2, 4, 4))
        size = (2, 4, 4)
        first = [Block(channels, (4, 8, 8), size, shift) for shift in ((0, 0, 0), (1, 2, 2))]
        self.blocks = nn.Sequential(*first, Merge(channels), Block(2 * channels, (4, 4, 4), size, (0, 0, 0)))
        self.norm, self.head = nn.LayerNorm(2 * channels), nn.Linear(2 * channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.blocks(self.patches(x).permute(0, 2, 3, 4, 1))
        return self.head(self.norm(y).mean((1, 2, 3)))

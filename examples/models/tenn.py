"""TENN spatiotemporal networks: causal (2+1)D convolutions for gestures and eye tracking.

The idea is that of Pei et al., "A Lightweight Spatiotemporal Network for Online Eye Tracking with Event Camera" (2024):
a 3-D convolution is split into a temporal (5,1,1) and a spatial (1,3,3) one, the temporal one is causal, and late
blocks are depthwise separable. Clips are (N, C, T, H, W); any number of frames and any image size is taken.

The published descriptions leave some room. This reading gives their parameter counts, trainable or not, to the unit:
batch norm and ReLU follow every convolution, the depthwise ones too, except the last two of the eye tracker; full and
pointwise convolutions and dense layers have a bias although a batch norm follows; the stem, the depthwise convolutions
and the whole head of the eye tracker have none. The eye tracker's depthwise (1,3,3) has ReLU only, its last pointwise
convolution nothing.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Padding = Literal["pad", "chomp", "concat"]
Pair = tuple[int, int]
TAPS = 5
HISTORY = TAPS - 1


class CausalConv(nn.Module):
    """Convolution (5,1,1) whose frame t sees frames t-4 to t: (N, C, T, H, W) to (N, D, T, H, W).

    The three spellings give the same numbers and have the same state dict: `pad` pads four frames in front, `chomp`
    pads both ends and cuts the last four frames off, `concat` joins four frames of zeros to the front.
    """

    def __init__(self, inputs: int, outputs: int, padding: Padding, groups: int = 1, bias: bool = True) -> None:
        super().__init__()
        if padding not in get_args(Padding):
            raise ValueError(f"padding is one of {get_args(Padding)}, not {padding!r}")
        self.padding = padding
        both_ends = HISTORY if padding == "chomp" else 0
        self.conv = nn.Conv3d(inputs, outputs, (TAPS, 1, 1), padding=(both_ends, 0, 0), groups=groups, bias=bias)

    def forward(self, clip: Tensor) -> Tensor:
        if self.padding == "chomp":
            return self.conv(clip)[:, :, :-HISTORY]
        if self.padding == "pad":
            return self.conv(F.pad(clip, (0, 0, 0, 0, HISTORY, 0)))
        batch, channels, _, height, width = clip.shape
        return self.conv(torch.cat([clip.new_zeros(batch, channels, HISTORY, height, width), clip], dim=2))


def unit(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm3d(channels), nn.ReLU())


def temporal(inputs: int, outputs: int, separable: bool, padding: Padding, bias: bool = True) -> nn.Sequential:
    """Causal (5,1,1), or the same depthwise followed by a pointwise convolution."""
    if not separable:
        return unit(CausalConv(inputs, outputs, padding, bias=bias), outputs)
    depthwise = CausalConv(inputs, inputs, padding, groups=inputs, bias=False)
    return nn.Sequential(unit(depthwise, inputs), unit(nn.Conv3d(inputs, outputs, 1, bias=bias), outputs))


def spatial(inputs: int, outputs: int, separable: bool, bias: bool = True) -> nn.Sequential:
    """Convolution (1,3,3) with stride 2, or the same depthwise followed by a pointwise convolution."""
    kernel, stride, pad = (1, 3, 3), (1, 2, 2), (0, 1, 1)
    if not separable:
        return unit(nn.Conv3d(inputs, outputs, kernel, stride, pad, bias=bias), outputs)
    depthwise = nn.Conv3d(inputs, inputs, kernel, stride, pad, groups=inputs, bias=False)
    return nn.Sequential(unit(depthwise, inputs), unit(nn.Conv3d(inputs, outputs, 1, bias=bias), outputs))


class TennClassifier(nn.Module):
    """Gesture classifier: clip (N, C, T, H, W) to one row of logits a frame, (N, T, classes).

    Stem, then blocks of (temporal, spatial) channels of which the last `separable` are separable, spatial mean, and
    two dense layers on every frame. All hidden channels are divided by `width`.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        stem: int,
        blocks: Sequence[Pair],
        separable: int,
        hidden: int,
        padding: Padding = "pad",
        width: int = 1,
    ) -> None:
        super().__init__()
        last = max(1, stem // width)
        self.stem = spatial(channels, last, separable=False, bias=False)
        self.blocks = nn.ModuleList()
        for index, pair in enumerate(blocks):
            middle, outputs = (max(1, count // width) for count in pair)
            split = index >= len(blocks) - separable
            self.blocks.append(nn.Sequential(temporal(last, middle, split, padding), spatial(middle, outputs, split)))
            last = outputs
        self.dense = nn.Linear(last, max(1, hidden // width))
        self.classify = nn.Linear(max(1, hidden // width), classes)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.stem(clip)
        for block in self.blocks:
            x = block(x)
        features = x.mean((3, 4)).transpose(1, 2)
        return self.classify(F.relu(self.dense(features)))


class TennEyeTracker(nn.Module):
    """Pupil detector: events (N, 2, T, H, W) to (N, 3, T, H/32, W/32), a presence and two offsets for each grid cell.

    No stem; blocks of (spatial, temporal) channels, spatial layer first, the last `separable` of them separable.
    """

    def __init__(
        self, channels: int, blocks: Sequence[Pair], separable: int, padding: Padding = "pad", width: int = 1
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        last = channels
        for index, pair in enumerate(blocks):
            middle, outputs = (max(1, count // width) for count in pair)
            split = index >= len(blocks) - separable
            self.blocks.append(nn.Sequential(spatial(last, middle, split), temporal(middle, outputs, split, padding)))
            last = outputs
        self.head = nn.Sequential(
            temporal(last, last, True, padding, bias=False),
            nn.Conv3d(last, last, (1, 3, 3), padding=(0, 1, 1), groups=last, bias=False),
            nn.ReLU(),
            nn.Conv3d(last, 3, 1, bias=False),
        )

    def forward(self, clip: Tensor) -> Tensor:
        x = clip
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def jester(padding: Padding = "pad", width: int = 1) -> TennClassifier:
    """Hand gestures in video: (N, 3, 16, 100, 100) to (N, 16, 27); image sizes 100, 50, 25, 13, 7, 4, 2."""
    blocks = ((20, 40), (80, 120), (160, 200), (240, 280), (320, 640))
    return TennClassifier(3, 27, 8, blocks, separable=2, hidden=640, padding=padding, width=width)


def dvs128(padding: Padding = "pad", width: int = 1) -> TennClassifier:
    """Hand gestures before an event camera: (N, 2, 15, 128, 128) to (N, 15, 10)."""
    blocks = ((8, 16), (32, 48), (64, 80), (96, 112), (128, 256))
    return TennClassifier(2, 10, 8, blocks, separable=3, hidden=256, padding=padding, width=width)


def eye_tracking(padding: Padding = "pad", width: int = 1) -> TennEyeTracker:
    """Pupil tracking with an event camera: (N, 2, 50, 80, 106) to (N, 3, 50, 3, 4)."""
    blocks = ((8, 16), (32, 48), (64, 80), (96, 112), (128, 256))
    return TennEyeTracker(2, blocks, separable=2, padding=padding, width=width)

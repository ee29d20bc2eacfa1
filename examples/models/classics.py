"""Well-known video networks, narrow: the same structure as in the papers, few channels, any clip length.

Clips are (N, C, T, H, W). `width` is the number of channels of the first stage, `depth` the number of blocks of each
stage; `temporal_stride=False` keeps all frames to the end where the paper halves them.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import (
    InvertedBlock,
    Residual,
    Triple,
    basic_block,
    norm_act,
    pointwise,
    pooled,
    residual_stages,
    split_block,
    split_stem,
)


class C3D(nn.Module):
    """Tran et al. 2015: full 3x3x3 convolutions with bias, max pooling in time and space; clip to (N, classes).

    The first pooling is (1,2,2), the next three (2,2,2), so a clip has at least 8 frames. A mean over the clip replaces
    the last pooling and the flattening, which would fix the clip length; the two dense layers with dropout stay.
    """

    def __init__(
        self,
        channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: Sequence[int] = (1, 1, 2, 2, 2),
        temporal_stride: bool = True,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = channels
        for stage, count in enumerate(depth):
            if stage:
                layers.append(nn.MaxPool3d((2 if temporal_stride and stage > 1 else 1, 2, 2)))
            for _ in range(count):
                outputs = width * 2 ** min(stage, 3)
                layers += [nn.Conv3d(last, outputs, 3, padding=1), nn.ReLU()]
                last = outputs
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten())
        hidden = 8 * width
        self.head = nn.Sequential(
            *(nn.Linear(last, hidden), nn.ReLU(), nn.Dropout(0.5)),
            *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(0.5)),
            nn.Linear(hidden, classes),
        )

    def forward(self, clip: Tensor) -> Tensor:
        return self.head(self.features(clip))


class R3D(nn.Sequential):
    """R3D-18 (Tran et al. 2018): stem 3x7x7, basic blocks, mean over the clip; clip to (N, classes)."""

    def __init__(
        self,
        channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: Sequence[int] = (2, 2, 2, 2),
        temporal_stride: bool = True,
    ) -> None:
        stem = norm_act(nn.Conv3d(channels, width, (3, 7, 7), (1, 2, 2), (1, 3, 3), bias=False), width)
        stages = residual_stages(basic_block, width, depth, temporal_stride)
        super().__init__(stem, *stages, pooled(classes, width * 2 ** (len(depth) - 1)))


class R2Plus1D18(nn.Sequential):
    """R(2+1)D-18 (Tran et al. 2018): R3D-18 with each convolution split; clip to (N, classes)."""

    def __init__(
        self,
        channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: Sequence[int] = (2, 2, 2, 2),
        temporal_stride: bool = True,
    ) -> None:
        stages = residual_stages(split_block, width, depth, temporal_stride)
        super().__init__(*split_stem(channels, width), *stages, pooled(classes, width * 2 ** (len(depth) - 1)))


class R2Plus1D(nn.Sequential):
    """R(2+1)D of `depth` blocks of one width, without strides or downsampling after the stem; clip to (N, classes)."""

    def __init__(self, channels: int = 3, classes: int = 10, width: int = 4, depth: int = 2) -> None:
        blocks = [split_block(width, width, (1, 1, 1)) for _ in range(depth)]
        super().__init__(*split_stem(channels, width), *blocks, pooled(classes, width))


class MoViNetStream(nn.Module):
    """After the streaming MoViNets (Kondratyuk et al. 2021), without squeeze-and-excitation: clip to (N, T, classes).

    The first block of each stage has stride 2 in space and 5 taps in time, the others 3 taps. `factored` splits the
    depthwise convolutions into (1,3,3) and (t,1,1). The head sees the spatial mean of its frame (`per-frame`), or the
    mean of those of all frames so far (`running-mean`).
    """

    def __init__(
        self,
        channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: Sequence[int] = (1, 2, 2),
        expansion: int = 3,
        factored: bool = True,
        head: Literal["per-frame", "running-mean"] = "per-frame",
    ) -> None:
        super().__init__()
        if head not in ("per-frame", "running-mean"):
            raise ValueError(f"head is 'per-frame' or 'running-mean', not {head!r}")
        self.running = head == "running-mean"
        stem = nn.Conv3d(channels, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        layers: list[nn.Module] = [norm_act(stem, width, nn.ReLU6)]
        last = width
        for stage, count in enumerate(depth):
            for index in range(count):
                outputs, stride, taps = width * (stage + 1), 1 if index else 2, 3 if index else 5
                layers.append(InvertedBlock(last, outputs, stride, taps, expansion, factored))
                last = outputs
        self.features = nn.Sequential(*layers, pointwise(last, 4 * last, nn.ReLU6))
        self.dense = nn.Linear(4 * last, 8 * last)
        self.classify = nn.Linear(8 * last, classes)

    def forward(self, clip: Tensor) -> Tensor:
        features = self.features(clip).mean((3, 4)).transpose(1, 2)
        if self.running:
            frames = torch.arange(1, features.shape[1] + 1, device=clip.device, dtype=clip.dtype)
            features = features.cumsum(1) / frames[:, None]
        return self.classify(F.relu6(self.dense(features)))


class X3D(nn.Sequential):
    """After X3D (Feichtenhofer 2020), without squeeze-and-excitation: clip to (N, classes); time is never strided.

    Bottlenecks expand 9/4 times around a depthwise 3x3x3 convolution, whose activation is `act` (the paper: SiLU).
    """

    def __init__(
        self,
        channels: int = 3,
        classes: int = 10,
        width: int = 8,
        depth: Sequence[int] = (1, 2, 2, 1),
        act: Literal["relu", "silu"] = "relu",
    ) -> None:
        inner = {"relu": nn.ReLU, "silu": nn.SiLU}[act]

        def bottleneck(inputs: int, outputs: int, stride: Triple) -> Residual:
            middle = 9 * outputs // 4
            depthwise = nn.Conv3d(middle, middle, 3, stride, 1, groups=middle, bias=False)
            expand, project = pointwise(inputs, middle, nn.ReLU), pointwise(middle, outputs, None)
            return Residual(nn.Sequential(expand, norm_act(depthwise, middle, inner), project), inputs, outputs, stride)

        over_space = nn.Conv3d(channels, width, (1, 3, 3), (1, 2, 2), (0, 1, 1), bias=False)
        over_time = nn.Conv3d(width, width, (5, 1, 1), padding=(2, 0, 0), groups=width, bias=False)
        last = width * 2 ** (len(depth) - 1)
        super().__init__(
            over_space,
            norm_act(over_time, width),
            *residual_stages(bottleneck, width, depth, temporal_stride=False),
            pointwise(last, 9 * last // 4, nn.ReLU),
            *(nn.AdaptiveAvgPool3d(1), nn.Conv3d(9 * last // 4, 8 * last, 1, bias=False), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(8 * last, classes)),
        )

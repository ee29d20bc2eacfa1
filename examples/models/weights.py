"""Counts of parameters, and random weights, clips and images with which a network behaves like a trained one."""

import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)
CONVS = nn.Conv2d | nn.Conv3d
TRANSPOSED = nn.ConvTranspose2d | nn.ConvTranspose3d
NORMS = nn.BatchNorm2d | nn.BatchNorm3d
BLOB = 8  # pixels


def parameter_counts(model: nn.Module) -> tuple[int, int]:
    """All parameters with the means and variances of batch norms, and the trainable ones alone."""
    trainable = sum(p.numel() for p in model.parameters())
    return trainable + sum(b.numel() for b in model.buffers() if b.is_floating_point()), trainable


def random_clip(shape: Sequence[int], seed: int = 0) -> Tensor:
    """Values from 0 to 1 of shape (N, C, T, H, W) or (N, C, H, W): blobs 8 pixels wide, new in each frame, and noise.

    White noise alone would average out in the first layers, and the batch norms after them would see next to nothing.
    """
    generator = torch.Generator().manual_seed(seed)
    *outer, height, width = shape
    blobs = torch.rand(*outer, -(-height // BLOB), -(-width // BLOB), generator=generator)
    blobs = blobs.repeat_interleave(BLOB, -2).repeat_interleave(BLOB, -1)[..., :height, :width]
    return 0.75 * blobs + 0.25 * torch.rand(*shape, generator=generator)


def calibrate(conv: nn.Module, _: tuple[Tensor, ...], y: Tensor) -> Tensor:
    """Forward hook: scale weights and shift biases so that every output channel has deviation 1 and a mean near 0."""
    assert isinstance(conv, CONVS) and conv.bias is not None
    deviation, mean = torch.std_mean(y, (0, *range(2, y.ndim)), keepdim=True)
    deviation = deviation.clamp_min(1e-3)
    offset = conv.bias.clone().view_as(mean)
    conv.weight /= deviation.view(-1, *(1,) * (y.ndim - 1))
    conv.bias.copy_(((offset - mean) / deviation + offset).flatten())
    return (y - mean) / deviation + offset


def fan_in(layer: nn.Module) -> int:
    """How many products one output of a convolution or dense layer sums (on average, for a transposed convolution)."""
    assert isinstance(layer, CONVS | TRANSPOSED | nn.Linear)
    if isinstance(layer, TRANSPOSED):
        taps = math.prod(layer.kernel_size) // math.prod(layer.stride)
        return max(1, layer.in_channels // layer.groups * taps)
    return layer.weight[0].numel()


def randomize(model: Net, shape: Sequence[int], seed: int = 0) -> Net:
    """Draw random weights, calibrate the batch norms on random clips or images, and return the model in eval mode.

    `shape` is that of the random batch: (N, C, T, H, W) for 3-D networks, (N, C, H, W) for 2-D ones.
    Activations stay near 1 whatever the depth, and no bias, gain, mean or variance is left at its neutral value. Every
    batch norm needs a good many values a channel. Without batch norms, the convolutions themselves are calibrated. The
    global random state is left alone.
    """
    generator = torch.Generator().manual_seed(seed)
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, NORMS)]
    momenta = [norm.momentum for norm in norms]
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, CONVS | TRANSPOSED | nn.Linear):
                module.weight.normal_(0, math.sqrt(2 / fan_in(module)), generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.1, generator=generator)
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5, generator=generator)
            norm.bias.normal_(0, 0.2, generator=generator)
            norm.reset_running_stats()
            norm.momentum = None  # the statistics of this batch alone
            norm.train()
        convs = [module for module in model.modules() if isinstance(module, CONVS) and not norms]
        hooks = [conv.register_forward_hook(calibrate) for conv in convs]
        model(random_clip(shape, seed))
        for hook in hooks:
            hook.remove()
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return model.eval()

"""The spiking network of the HiAER-Spike tutorial for DVS128 Gesture, in SpikingJelly.

    nmc compile examples/dvs_gesture/network.py:dvs_gesture --target cri --state-dict weights.safetensors

Three convolutions of 100 channels with stride 2 and no padding, three dense layers, an IF neuron (threshold 1, hard
reset to 0) after each, no biases: 109,615 neurons, 7,938 axons and 53,311,004 synapses on 2×63×63.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from spikingjelly.activation_based import layer, neuron, surrogate
from torch import Tensor, nn

STEPS, SIZE = 10, 63
DENSE = (120, 84, 11)


def spikes() -> nn.Module:
    """IF neurons whose gradient is that of an arc tangent."""
    return neuron.IFNode(surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m")


class DvsGesture(nn.Module):
    """Convolutions of one kernel size and number of channels, and dense layers of the given sizes."""

    def __init__(self, channels: int, kernel: int, dense: tuple[int, ...] = DENSE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        size = SIZE
        for before, after in pairwise((2, channels, channels, channels)):
            layers += [layer.Conv2d(before, after, kernel, stride=2, bias=False, step_mode="m"), spikes()]
            size = (size - kernel) // 2 + 1
        layers.append(layer.Flatten(step_mode="m"))
        for before, after in pairwise((channels * size**2, *dense)):
            layers += [layer.Linear(before, after, bias=False, step_mode="m"), spikes()]
        self.layers = nn.Sequential(*layers)

    def forward(self, events: Tensor) -> Tensor:
        """Trains (T, N, 2, SIZE, SIZE) of 0 and 1 become trains (T, N, classes)."""
        return self.layers(events)


def dvs_gesture() -> DvsGesture:
    """The tutorial's network: kernels of 5×5, images of 30, 13 and 5 pixels."""
    return DvsGesture(100, 5).eval()


def dvs_gesture_3x3() -> DvsGesture:
    """The same with kernels of 3×3: images of 31, 15 and 7 pixels, 123,715 neurons, 27.0 M synapses."""
    return DvsGesture(100, 3).eval()


def narrow() -> DvsGesture:
    """The tutorial's network with 8 channels and smaller dense layers, for quick trials."""
    return DvsGesture(8, 5, (48, 32, 11)).eval()


def random_weights(model: DvsGesture, seed: int) -> DvsGesture:
    """The model with random weights, large enough that 3 to 18 % of the neurons of each layer fire in a timestep."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            nn.init.kaiming_normal_(weight).mul_(2)
    return model

"""A spiking network that tells eight gestures apart from events, in SpikingJelly.

    nmc compile examples/moving_events/network.py:moving_events --target cri \\
        --state-dict examples/moving_events/moving_events.safetensors
"""

from __future__ import annotations

from spikingjelly.activation_based import layer, neuron, surrogate
from torch import Tensor, nn

STEPS, SIZE, CLASSES = 16, 24, 8
CHANNELS, KERNELS, HIDDEN = (12, 24, 32), (5, 3, 3), 48


def spikes() -> nn.Module:
    """IF neurons: threshold 1, hard reset to 0; while training, the gradient is that of an arc tangent."""
    return neuron.IFNode(surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m")


class MovingEvents(nn.Module):
    """Three convolutions with stride 2, batch norm and IF neurons, a dense layer with IF neurons, a dense readout."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before, size = 2, SIZE
        for after, kernel in zip(CHANNELS, KERNELS, strict=True):
            convolution = layer.Conv2d(before, after, kernel, stride=2, padding=kernel // 2, bias=False, step_mode="m")
            layers += [convolution, layer.BatchNorm2d(after, step_mode="m"), spikes()]
            before, size = after, (size + 1) // 2
        self.features = nn.Sequential(*layers, layer.Flatten(step_mode="m"))
        self.hidden = nn.Sequential(layer.Linear(before * size**2, HIDDEN, step_mode="m"), spikes())
        self.readout = layer.Linear(HIDDEN, CLASSES, step_mode="m")

    def forward(self, events: Tensor) -> Tensor:
        """Trains (T, N, 2, SIZE, SIZE) of 0 and 1 become logits (N, CLASSES), the mean over the timesteps."""
        return self.readout(self.hidden(self.features(events))).mean(0)


def moving_events() -> MovingEvents:
    """The untrained network, in inference mode."""
    return MovingEvents().eval()

"""What the SpikingJelly networks of tests are made of, and the framework's own result for them, in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import Tensor, nn

STEPS = 16
IMAGE = (2, 8, 8)

ROW = (20,)

IF = neuron.IFNode
LIF = neuron.LIFNode
Array = np.ndarray


@dataclass(frozen=True)
class Net:
    """A network of the zoo.

    make   gives the module, in its step mode, with random weights
    frame  shape of one timestep of one sample
    mode   "s": `forward` takes one timestep (N, …); "m": all, as (T, N, …); "batch": all, as (N, T, …);
           "held": one image (N, …), which `forward` repeats
    drive  factor for the inputs of neurons
    tags   "if", "lif": neurons; "hard", "soft": reset; "both": the other step mode computes the same;
           "analog": outputs that are no spikes; "last": one result a sample; "leak": a tau of 2^k, decay_input False;
           "spiking": binary values only between layers and neurons
    """

    name: str
    make: Callable[[], nn.Module]
    frame: tuple[int, ...]
    mode: str
    drive: float
    tags: frozenset[str]
    seed: int = 0
    steps: int = STEPS

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the input of `forward`, for one sample."""
        return {
            "s": (1, *self.frame),
            "m": (self.steps, 1, *self.frame),
            "batch": (1, self.steps, *self.frame),
            "held": (1, *self.frame),
        }[self.mode]

    def build(self) -> nn.Module:
        """The module in eval mode, the same in every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module = self.make()
            settle(module, self.drive)
        return module.eval()

    def inputs(self, samples: int = 20, rate: float = 0.3) -> Array:
        """Random spikes, shape (samples, T, *frame); for a held input, random images (samples, *frame)."""
        rng = np.random.default_rng(self.seed)
        if self.mode == "held":
            return rng.random((samples, *self.frame))
        return (rng.random((samples, self.steps, *self.frame)) < rate).astype(np.float64)


def settle(module: nn.Module, drive: float) -> None:
    """Weights and statistics that make neurons fire: a current of about 0.25 ± 0.4 times `drive` in every step."""
    parts = list(module.modules())
    normed = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in parts)
    for part in parts:
        if isinstance(part, nn.modules.conv._ConvNd | nn.Linear):
            fan = part.weight[0].numel() if not isinstance(part, nn.ConvTranspose2d) else part.weight[:, 0].numel() / 4
            if normed and part.bias is None:
                part.weight.data = torch.randn(part.weight.shape) / fan**0.5
            else:
                mean, spread = drive / fan, 0.7 * drive / fan**0.5
                part.weight.data = mean + spread * torch.randn(part.weight.shape)
            if part.bias is not None:
                part.bias.data = 0.05 * drive * torch.randn(part.bias.shape)
        elif isinstance(part, nn.modules.batchnorm._BatchNorm):
            size = part.weight.shape
            part.weight.data = drive * (0.3 + 0.3 * torch.rand(size)) * torch.where(torch.rand(size) < 0.2, -1.0, 1.0)
            part.bias.data = drive * (0.05 + 0.25 * torch.rand(size))
            part.running_mean = 0.1 * torch.randn(size)
            part.running_var = 0.3 * (0.5 + torch.rand(size))


def reference(net: Net, module: nn.Module, given: Array) -> Array:
    """What the framework computes in float64: (samples, T, …), or (samples, …) for one result a sample."""
    module = copy.deepcopy(module).double().eval()
    functional.reset_net(module)
    x = torch.from_numpy(given)
    with torch.no_grad():
        if net.mode == "s":
            found = torch.stack([module(x[:, t]) for t in range(x.shape[1])])
        else:
            found = module(x.transpose(0, 1) if net.mode == "m" else x)
    return (found if "last" in net.tags else found.transpose(0, 1)).numpy()


class Residual(nn.Module):
    """Two branches joined: SEW's ADD, AND or IAND, a plain sum before the neuron, or a concatenation."""

    def __init__(self, kind: str, node: Callable[[], nn.Module], channels: int = 4) -> None:
        super().__init__()
        self.kind = kind
        self.conv1, self.bn1, self.sn1 = conv(channels, channels), layer.BatchNorm2d(channels), node()
        self.conv2, self.bn2, self.sn2 = conv(channels, channels), layer.BatchNorm2d(channels), node()

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.sn1(self.bn1(self.conv1(x)))))
        if self.kind == "plain":
            return self.sn2(y + x)
        y = self.sn2(y)
        if self.kind == "cat":
            return torch.cat((x, y), dim=-3)
        return {"ADD": x + y, "AND": x * y, "IAND": x * (1.0 - y)}[self.kind]


class Over(nn.Module):
    """A network with something done to its input and output."""

    def __init__(self, net: nn.Module, before: Callable[..., Tensor], after: Callable[..., Tensor]) -> None:
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.net(self.before(x)))


class OwnShapes(nn.Module):
    """Step mode m with plain layers of PyTorch between reshapes, and axes counted from the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.sn = IF(step_mode="m")
        self.fc, self.out = nn.Linear(2 * 4 * 4 * 4, 10), IF(step_mode="m")

    def forward(self, x_seq: Tensor) -> Tensor:
        T, N = x_seq.shape[:2]
        x = x_seq.reshape(T * N, *x_seq.shape[2:])
        x = torch.cat([self.conv1(x), self.conv2(x)], dim=1)
        x = self.sn(x.view(T, N, *x.shape[1:]))
        first, second = x.chunk(2, dim=2)
        x = torch.stack((first, second), dim=2).mean((-2, -1), keepdim=True) + x.unflatten(2, (2, 4))
        x = torch.nn.functional.avg_pool2d(x.flatten(2, 3).flatten(0, 1), 2).unflatten(0, (T, N))
        return self.out(self.fc(x.flatten(2)))


def conv(before: int, after: int, stride: int = 1, kernel: int = 3) -> layer.Conv2d:
    return layer.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)


def conv_net(node: Callable[[], nn.Module], pool: nn.Module, *, end: bool = True) -> nn.Sequential:
    """Convolution, norm, neuron, pool, twice; then a classifier."""
    parts = [conv(2, 4), layer.BatchNorm2d(4), node(), pool]
    parts += [conv(4, 6), layer.BatchNorm2d(6), node(), copy.deepcopy(pool)]
    parts += [layer.Flatten(), layer.Linear(6 * 2 * 2, 10), *([node()] if end else [])]
    return nn.Sequential(*parts)


def dense_net(node: Callable[[], nn.Module], *, end: bool = True) -> nn.Sequential:
    return nn.Sequential(
        layer.Linear(20, 16), node(), layer.Linear(16, 12), node(), layer.Linear(12, 5), *([node()] if end else [])
    )


def residual_net(kind: str, node: Callable[[], nn.Module]) -> nn.Sequential:
    width = 8 if kind == "cat" else 4
    head = [conv(2, 4), layer.BatchNorm2d(4), node(), Residual(kind, node)]
    return nn.Sequential(*head, layer.AvgPool2d(4), layer.Flatten(), layer.Linear(width * 4, 6), node())


def multi(module: nn.Module) -> nn.Module:
    functional.set_step_mode(module, "m")
    return module


def recurrent(kind: str, node: Callable[[], nn.Module]) -> nn.Sequential:
    if kind == "linear":
        body = layer.LinearRecurrentContainer(node(), 16, 16)
    elif kind == "deep":
        body = layer.LinearRecurrentContainer(nn.Sequential(node(), nn.Linear(16, 9), node()), 16, 9)
    else:
        body = layer.ElementWiseRecurrentContainer(node(), lambda y, x: x - 0.5 * y)
    width = 9 if kind == "deep" else 16
    return nn.Sequential(layer.Linear(20, 16), body, layer.Linear(width, 5), node())


def lif(tau: float = 2.0, decay_input: bool = True, v_reset: float | None = 0.0) -> Callable[[], nn.Module]:
    return lambda: LIF(tau=tau, decay_input=decay_input, v_reset=v_reset)


def plif(decay_input: bool) -> nn.Module:
    node = neuron.ParametricLIFNode(init_tau=2.0, decay_input=decay_input)
    node.w.data.fill_(0.375)
    return node


def soft() -> nn.Module:
    return IF(v_reset=None)


def held(x: Tensor) -> Tensor:
    return x.unsqueeze(0).repeat(STEPS, 1, 1, 1, 1)


def sequence(*plain: nn.Module) -> nn.Module:
    return layer.SeqToANNContainer(*plain)


def same(x: Tensor) -> Tensor:
    return x


def multi_recurrent() -> nn.Module:
    net = recurrent("linear", IF)
    for part in net:
        part.step_mode = "m"
    return net


class Encoded(nn.Module):
    """The first layer sees an image once; its result is held, and a rate is read out."""

    def __init__(self) -> None:
        super().__init__()
        self.static = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.net = nn.Sequential(IF(), layer.MaxPool2d(2), conv(4, 6), layer.BatchNorm2d(6), IF(), layer.Flatten())
        self.fc = nn.Linear(6 * 16, 4)
        functional.set_step_mode(self, "m")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.stack([self.static(x)] * STEPS)
        return self.fc(self.net(x).sum(0) / 16)

"""Networks whose `forward` loops over the timesteps: they are rolled up, or refused where the steps are not alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import Timing, evaluate

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
snn = pytest.importorskip("snntorch")
from spikingjelly.activation_based import functional, neuron  # noqa: E402
from torch import Tensor, nn  # noqa: E402

torch.set_num_threads(1)
T, N, WIDTH = 8, 9, 6
TRAIN, IMAGE, BATCH = (T, 1, WIDTH), (1, WIDTH), (1, T, WIDTH)


class Net(nn.Module):
    """Layers and neurons of both libraries; `forward` is a function of them and the input."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.function = function
        self.fc1, self.lif1 = nn.Linear(WIDTH, 8), snn.Leaky(beta=0.75, threshold=0.25)
        self.fc2, self.lif2 = nn.Linear(8, 3), snn.Synaptic(alpha=0.5, beta=0.5, threshold=0.125)
        self.sn0, self.sn1 = neuron.IFNode(), neuron.IFNode(v_threshold=0.25)
        self.sn2 = neuron.LIFNode(tau=2.0, decay_input=False, v_threshold=0.25)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)

    def both(self, x: Tensor) -> Tensor:
        return self.sn2(self.fc2(self.sn1(self.fc1(x))))


def carried(net: Net, frames: list[Tensor]) -> tuple[Tensor, Tensor]:
    """As the tutorials of snnTorch write it."""
    mem1 = net.lif1.init_leaky()
    syn2, mem2 = net.lif2.init_synaptic()
    spikes, potentials = [], []
    for x in frames:
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        spk2, syn2, mem2 = net.lif2(net.fc2(spk1), syn2, mem2)
        spikes.append(spk2)
        potentials.append(mem2)
    return torch.stack(spikes, dim=0), torch.stack(potentials, dim=0)


def added(net: Net, frames: list[Tensor]) -> Tensor:
    total = 0.0
    for x in frames:
        total += net.both(x)
    return total / T


def added_to_zeros(net: Net, frames: list[Tensor]) -> Tensor:
    total = torch.zeros(len(frames[0]), 3)
    for x in frames:
        total = net.both(x) + total
    return total


def added_to_the_first(net: Net, frames: list[Tensor]) -> Tensor:
    total = net.both(frames[0])
    for x in frames[1:]:
        total = total + net.both(x)
    return total


def averaged(net: Net, frames: list[Tensor]) -> tuple[Tensor, Tensor]:
    record = torch.stack([net.both(x) for x in frames])
    return record, record.mean(dim=0)


def layer_by_layer(net: Net, frames: list[Tensor]) -> Tensor:
    first = [net.sn1(net.fc1(x)) for x in frames]
    return torch.stack([net.sn2(net.fc2(x)) for x in first])


FRAMES: dict[str, tuple[Callable[[Tensor], list[Tensor]], tuple[int, ...]]] = {
    "indexed": (lambda x: [x[t] for t in range(T)], TRAIN),
    "iterated": (lambda x: list(x), TRAIN),
    "batch first": (lambda x: [x[:, t] for t in range(T)], BATCH),
    "unbound": (lambda x: list(x.permute(1, 0, 2)), BATCH),
    "held": (lambda x: [x] * T, IMAGE),
}
BODIES = (carried, added, added_to_zeros, added_to_the_first, averaged, layer_by_layer)


def in_float64(model: nn.Module) -> nn.Module:
    model = copy.deepcopy(model).double()
    functional.reset_net(model)
    for part in model.modules():
        if hasattr(part, "spike_grad"):
            part.spike_grad = lambda v: (v > 0).double()
    return model


@pytest.mark.parametrize("frames", FRAMES)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_a_loop_is_rolled_up(body: Callable[..., Any], frames: str) -> None:
    split, shape = FRAMES[frames]
    model = Net(lambda net, x: body(net, split(x)))
    graph = read_model(model, {"": shape})
    rng = np.random.default_rng(0)
    given = rng.random((N, WIDTH)) if frames == "held" else (rng.random((N, T, WIDTH)) < 0.5).astype(np.float64)
    x = torch.from_numpy(given)
    with torch.no_grad():
        found = in_float64(model)(x.transpose(0, 1) if shape is TRAIN else x)
    expected = [part.numpy() for part in (found if isinstance(found, tuple) else (found,))]
    for (name, array), wanted in zip(evaluate(graph, {"x": given}).items(), expected, strict=True):
        train = graph.timing[name].axis == 1
        assert graph.timing[name] == (Timing(0, length=T, axis=1) if train else Timing(T - 1))
        np.testing.assert_allclose(array, wanted.swapaxes(0, 1) if train else wanted, rtol=1e-9, atol=1e-12)
        assert array.any()
    assert sum(node.op.mnemonic == "lif" for node in graph.nodes) == 2


def loop(step: Callable[[Net, Tensor, int], Tensor]) -> Callable[[Net, Tensor], Tensor]:
    return lambda net, x: torch.stack([step(net, x[t], t) for t in range(T)])


def with_its_own_output(net: Net, x: Tensor) -> Tensor:
    y, found = torch.zeros(1, WIDTH), []
    for t in range(T):
        y = net.sn0(x[t] + y)
        found.append(y)
    return torch.stack(found)


def stale_state(net: Net, x: Tensor) -> Tensor:
    mem = net.lif1.init_leaky()
    return torch.stack([net.lif1(net.fc1(x[t]), mem)[0] for t in range(T)])


def last(net: Net, x: Tensor) -> Tensor:
    return [net.both(x[t]) for t in range(T)][-1]


def reset_between(net: Net, x: Tensor) -> Tensor:
    found = []
    for t in range(T):
        found.append(net.sn0(x[t]))
        functional.reset_net(net)
    return torch.stack(found)


REFUSED: dict[str, tuple[Callable[..., Any], tuple[int, ...], str, str]] = {
    "other weights": (
        loop(lambda net, x, t: net.sn0(x * (2.0 if t == 3 else 1.0))),
        TRAIN,
        "NMC-I032",
        "'sn0' 8 times",
    ),
    "other order": (
        lambda net, x: torch.stack([net.sn0(x[t]) for t in reversed(range(T))]),
        TRAIN,
        "NMC-I032",
        "'sn0'",
    ),
    "every second": (lambda net, x: torch.stack([net.sn0(x[t]) for t in range(0, T, 2)]), TRAIN, "NMC-I032", "4 times"),
    "some results": (lambda net, x: torch.stack([net.sn0(x[t]) for t in range(T)][1:]), TRAIN, "NMC-I032", "8 times"),
    "some steps": (
        lambda net, x: torch.stack([net.sn0(x[t]) for t in range(5)]),
        TRAIN,
        "NMC-I012",
        "5 and 8 timesteps",
    ),
    "fed back": (with_its_own_output, TRAIN, "NMC-I032", "'sn0' 8 times"),
    "stale state": (stale_state, TRAIN, "NMC-I032", "'lif1' 8 times"),
    "last step": (last, TRAIN, "NMC-I032", "'sn1' 8 times, 'sn2' 8 times"),
    "reset": (reset_between, TRAIN, "NMC-I032", "it resets"),
    "twice a step": (loop(lambda net, x, t: net.sn0(net.sn0(x))), TRAIN, "NMC-I032", "'sn0' 16 times"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_steps_that_are_not_alike(name: str) -> None:
    body, shape, code, words = REFUSED[name]
    with pytest.raises(NmcError) as caught:
        read_model(Net(body), {"": shape})
    (found,) = caught.value.diagnostics
    assert caught.value.exit_code == Exit.UNSUPPORTED
    assert found.code == code and words in found.why

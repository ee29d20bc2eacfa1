"""snnTorch networks as graphs: spikes and potentials at every step against the framework; what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nmc.compiler.diagnostics import Diagnostic, Exit, NmcError
from nmc.compiler.frontends import import_model, read_model
from nmc.compiler.ir import evaluate

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
snn = pytest.importorskip("snntorch")
from snntorch import utils  # noqa: E402
from torch import Tensor, nn  # noqa: E402

torch.set_num_threads(1)
STEPS, SAMPLES = 24, 20
WIDTH = 6
RESETS = ("subtract", "zero", "none")


def spikes() -> np.ndarray:
    return (np.random.default_rng(0).random((SAMPLES, STEPS, WIDTH)) < 0.4).astype(np.float64)


def in_float64(model: nn.Module) -> nn.Module:
    """A copy that computes in float64; the library's own step functions give float32 spikes."""
    model = copy.deepcopy(model).double().eval()
    for part in model.modules():
        if hasattr(part, "spike_grad"):
            part.spike_grad = lambda v: (v > 0).double()
    return model


def network(make: Callable[..., nn.Module], *, output: bool = False) -> nn.Module:
    """Two layers of neurons that keep their states themselves; the second one returns them if asked."""
    torch.manual_seed(1)
    last = {"output": True} if output else {}
    return nn.Sequential(
        nn.Linear(WIDTH, 8), make(init_hidden=True, size=8), nn.Linear(8, 4), make(init_hidden=True, size=4, **last)
    )


def leaky(size: int, **more: Any) -> nn.Module:
    return snn.Leaky(beta=0.875, threshold=0.25, **more)


def leaky_each(size: int, **more: Any) -> nn.Module:
    """Other numbers for each neuron, some of them beyond 1."""
    return snn.Leaky(beta=torch.linspace(0.25, 1.25, size), threshold=torch.linspace(0.125, 0.5, size), **more)


def graded(size: int, **more: Any) -> nn.Module:
    return snn.Leaky(beta=0.875, threshold=0.25, graded_spikes_factor=0.5, **more)


def synaptic(size: int, **more: Any) -> nn.Module:
    return snn.Synaptic(alpha=0.5, beta=0.75, threshold=0.25, **more)


def lapicque(size: int, **more: Any) -> nn.Module:
    return snn.Lapicque(R=2.0, C=2.0, time_step=0.5, threshold=0.125, **more)


def recurrent_leaky(size: int, **more: Any) -> nn.Module:
    return snn.RLeaky(beta=0.75, threshold=0.25, linear_features=size, **more)


def recurrent_one(size: int, **more: Any) -> nn.Module:
    return snn.RLeaky(beta=0.75, threshold=0.25, all_to_all=False, V=-0.375, **more)


def recurrent_synaptic(size: int, **more: Any) -> nn.Module:
    return snn.RSynaptic(alpha=0.5, beta=0.75, threshold=0.25, linear_features=size, **more)


def check_model(model: nn.Module, given: np.ndarray, name: str = "input") -> dict[str, np.ndarray]:
    """The graph's outputs, which must be the framework's at every step."""
    graph = import_model(model, {"": (1, *given.shape[2:])}).graph
    found = evaluate(graph, {name: given})
    double = in_float64(model)
    utils.reset(double)
    with torch.no_grad():
        steps = [double(torch.from_numpy(given[:, t])) for t in range(given.shape[1])]
    parts = zip(*steps, strict=True) if isinstance(steps[0], tuple) else [steps]
    expected = [torch.stack(list(part), dim=1).numpy() for part in parts]
    assert len(found) == len(expected)
    for array, wanted in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(next(iter(found.values())), expected[0])
    return found


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(
    "make",
    [leaky, leaky_each, graded, synaptic, lapicque, recurrent_leaky, recurrent_one, recurrent_synaptic],
    ids=lambda make: make.__name__,
)
def test_spikes_are_those_of_the_framework(make: Callable[..., nn.Module], reset: str) -> None:
    found = check_model(network(lambda **more: make(reset_mechanism=reset, **more)), spikes())
    assert 0.01 < found["output"].mean() < 0.95


@pytest.mark.parametrize("reset", ["subtract", "none"])
@pytest.mark.parametrize("make", [leaky, graded, synaptic, lapicque, recurrent_leaky], ids=lambda make: make.__name__)
def test_states_that_are_outputs(make: Callable[..., nn.Module], reset: str) -> None:
    found = check_model(network(lambda **more: make(reset_mechanism=reset, **more), output=True), spikes())
    assert list(found) == [f"output_{i}" for i in range(3 if make is synaptic else 2)]


@pytest.mark.parametrize("make", [leaky, synaptic], ids=lambda make: make.__name__)
def test_a_reset_to_zero_in_the_same_step(make: Callable[..., nn.Module]) -> None:
    model = network(lambda **more: make(reset_mechanism="zero", reset_delay=False, **more))
    check_model(model, spikes())
    late = network(lambda **more: make(reset_mechanism="zero", **more))
    same = read_model(late, {"": (1, WIDTH)}) == read_model(model, {"": (1, WIDTH)})
    assert same == (make is leaky)  # only Leaky keeps a late reset apart from the next charge


def test_convolutions_and_a_recurrent_one() -> None:
    torch.manual_seed(2)
    own = snn.RLeaky(beta=0.5, threshold=0.25, conv2d_channels=3, kernel_size=3, init_hidden=True)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), own, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4), leaky(4, init_hidden=True)
    )
    given = (np.random.default_rng(1).random((5, STEPS, 2, 8, 8)) < 0.3).astype(np.float64)
    check_model(model, given)


class Explicit(nn.Module):
    """`forward` takes the states and returns them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.fc1, self.lif1 = nn.Linear(WIDTH, 8), snn.Leaky(beta=0.875, threshold=0.25)
        self.fc2, self.lif2 = nn.Linear(8, 3), snn.Synaptic(alpha=0.5, beta=0.5, threshold=0.25)

    def forward(self, x: Tensor, mem1: Tensor, syn2: Tensor, mem2: Tensor) -> tuple[Tensor, ...]:
        spk1, mem1 = self.lif1(self.fc1(x), mem1)
        spk2, syn2, mem2 = self.lif2(self.fc2(spk1), syn2, mem=mem2)
        return spk2, mem1, syn2, mem2


def test_states_that_the_caller_carries_are_kept_by_the_graph() -> None:
    model = Explicit()
    imported = import_model(model, {"x": (1, WIDTH), "mem1": (1, 8), "syn2": (1, 3), "mem2": (1, 3)})
    assert [value.name for value in imported.graph.inputs] == ["x"] and list(imported.graph.outputs) == ["output_0"]
    assert imported.notes == (
        "the inputs mem1, syn2, mem2 are states of neurons, which the network keeps itself and does not return",
    )
    double, given = in_float64(model), spikes()
    states = [torch.zeros(SAMPLES, size, dtype=torch.float64) for size in (8, 3, 3)]
    expected = []
    with torch.no_grad():
        for t in range(STEPS):
            spk, *states = double(torch.from_numpy(given[:, t]), *states)
            expected.append(spk.numpy())
    np.testing.assert_array_equal(evaluate(imported.graph, {"x": given})["output_0"], np.stack(expected, axis=1))


class Net(nn.Module):
    def __init__(self, function: Callable[..., Any], **settings: Any) -> None:
        super().__init__()
        self.fc, self.lif, self.function = nn.Linear(WIDTH, 4), snn.Leaky(beta=0.5, **settings), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def test_a_state_that_nobody_passes_is_kept() -> None:
    found = check_model(Net(lambda net, x: net.lif(net.fc(x))[0], threshold=0.25), spikes(), "x")
    assert found["output"].any()


def anew(net: Net, x: Tensor) -> Tensor:
    return net.lif(net.fc(x), net.lif.init_leaky())[0]


def resets(net: Net, x: Tensor) -> Tensor:
    utils.reset(net)
    return net.lif(net.fc(x))


def reads(net: Net, x: Tensor) -> Tensor:
    net.lif(net.fc(x))
    return net.lif.mem


def refusal(model: nn.Module) -> list[Diagnostic]:
    with pytest.raises(NmcError) as caught:
        read_model(model, {"": (1, WIDTH)})
    assert caught.value.exit_code == Exit.UNSUPPORTED
    return caught.value.diagnostics


LIMITS = {"init_hidden": True, "threshold": 0.25}
inhibited = snn.Leaky(beta=0.5, **LIMITS)
inhibited.inhibition = True
REFUSED: dict[str, tuple[nn.Module, str, str]] = {
    "state made anew": (Net(anew), "NMC-I011", "made anew in every call"),
    "reset": (Net(resets, init_hidden=True), "NMC-I032", "it reads the state 'mem'"),
    "state read": (Net(reads, init_hidden=True), "NMC-I032", "it reads the state 'mem'"),
    "inhibition": (nn.Sequential(inhibited), "NMC-I011", "inhibition"),
    "rounded": (nn.Sequential(snn.Leaky(beta=0.5, state_quant=lambda v: v, **LIMITS)), "NMC-I011", "state_quant"),
    "negative": (nn.Sequential(snn.Leaky(beta=0.5, threshold=-1.0, init_hidden=True)), "NMC-I011", "is negative"),
    "analog": (nn.Sequential(snn.Leaky(beta=0.5, spike_grad=torch.sigmoid, **LIMITS)), "NMC-I011", "spike_grad"),
    "early": (nn.Sequential(snn.Leaky(beta=0.5, reset_delay=False, **LIMITS)), "NMC-I011", "twice"),
    "zeroed": (
        nn.Sequential(snn.Leaky(beta=0.5, reset_mechanism="zero", output=True, **LIMITS)),
        "NMC-I011",
        "sets to zero",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_imported(name: str) -> None:
    model, code, words = REFUSED[name]
    (found,) = refusal(model)
    assert found.code == code and words in found.why


def test_neurons_that_are_not_known_are_named_at_once() -> None:
    hidden = {"init_hidden": True}
    kinds = (snn.Alpha(alpha=0.875, beta=0.5, **hidden), snn.SLSTM(6, 6, **hidden))
    found = refusal(nn.Sequential(*kinds, nn.Linear(6, 4), leaky(4, **hidden)))
    assert [d.where.split(",")[0] for d in found] == ["layer '0' (Alpha)", "layer '1' (SLSTM)"]
    assert all(d.code == "NMC-I010" and "Leaky" in d.hint for d in found)


def test_a_state_that_is_not_returned() -> None:
    class Lost(Explicit):
        def forward(self, x: Tensor, mem1: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
            return self.lif1(self.fc1(x), mem1)[0]

    with pytest.raises(NmcError) as caught:
        import_model(Lost(), {"x": (1, WIDTH), "mem1": (1, 8)})
    (found,) = caught.value.diagnostics
    assert found.code == "NMC-I011" and "is not returned" in found.why

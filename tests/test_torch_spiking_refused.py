"""What the PyTorch front end says no to in spiking networks: where, why, with which code and exit code."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nmc.cli.main import main
from nmc.compiler.diagnostics import Diagnostic, Exit, NmcError
from nmc.compiler.frontends import import_model, read_model

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
from spikingjelly.activation_based import encoding, functional, layer, neuron, surrogate  # noqa: E402
from torch import Tensor, nn  # noqa: E402

torch.set_num_threads(1)
ROW, TRAIN = (1, 4), (5, 1, 4)
IF = neuron.IFNode


class Net(nn.Module):
    """`forward` is a function of a layer, a neuron and the input."""

    def __init__(self, function: Callable[..., Any], mode: str = "m", **more: nn.Module) -> None:
        super().__init__()
        self.fc, self.sn, self.function = nn.Linear(4, 4), IF(step_mode=mode), function
        for name, module in more.items():
            setattr(self, name, module)

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def refusal(model: nn.Module, shape: tuple[int, ...], exit_code: Exit = Exit.UNSUPPORTED) -> list[Diagnostic]:
    with pytest.raises(NmcError) as caught:
        read_model(model, {"": shape})
    assert caught.value.exit_code == exit_code
    return caught.value.diagnostics


def test_every_neuron_that_is_not_known_is_named_at_once() -> None:
    kinds = [neuron.QIFNode(), neuron.EIFNode(), neuron.IzhikevichNode(), neuron.KLIFNode(), layer.SynapseFilter()]
    inner = nn.Sequential(neuron.LIAFNode(torch.relu, False), layer.NeuNorm(4, 1, 1), nn.Softshrink())
    found = refusal(nn.Sequential(*kinds, inner, nn.Linear(4, 4), IF()), ROW)
    assert [d.code for d in found] == ["NMC-I010"] * 8
    assert [d.where.split(",")[0] for d in found] == [
        *(f"layer '{i}' ({type(kind).__name__})" for i, kind in enumerate(kinds)),
        "layer '5.0' (LIAFNode)",
        "layer '5.1' (NeuNorm)",
        "layer '5.2' (Softshrink)",
    ]
    assert found[0].what == "QIFNode is not supported" and "LIFNode" in found[0].hint


def test_neurons_that_take_all_timesteps_are_named_too() -> None:
    kinds = (neuron.PSN(5), neuron.SlidingPSN(k=2, step_mode="m"), neuron.NonSpikingLIFNode(decode="last_mem"))
    found = refusal(nn.Sequential(*kinds, IF(step_mode="m")), TRAIN)
    assert [d.what.split()[0] for d in found] == ["PSN", "SlidingPSN", "NonSpikingLIFNode"]


class Twice(IF):
    def single_step_functional_forward(self, inputs: Any, states: Any, **more: Any) -> Any:
        return super().single_step_functional_forward((2 * inputs[0],), states, **more)


class Own(neuron.BaseNode):
    def neuronal_charge(self, x: Tensor) -> None:
        self.v = self.v + 2 * x


def test_subclasses_that_compute_something_else() -> None:
    first, second = refusal(nn.Sequential(Twice(), Own()), ROW)
    assert first.what == "Twice is not supported" and "single_step_functional_forward of IFNode" in first.why
    assert second.what == "Own is not supported" and "equations" in second.why


def resets(net: Net, x: Tensor) -> Tensor:
    functional.reset_net(net)
    return net.sn(net.fc(x))


def reads(net: Net, x: Tensor) -> Tensor:
    net.sn(net.fc(x))
    return net.sn.v


def branches(net: Net, x: Tensor) -> Tensor:
    return net.sn(x) if x.sum() > 0 else x


# model, shape of its input, code, words of the message
REFUSED: dict[str, tuple[nn.Module, tuple[int, ...], str, str]] = {
    "train for s": (nn.Sequential(IF(step_mode="m"), IF()), TRAIN, "NMC-I011", "step_mode is 's', and its"),
    "frame for m": (nn.Sequential(nn.Linear(4, 4), IF(step_mode="m")), ROW, "NMC-I011", "does not have the timesteps"),
    "frame for both": (
        nn.Sequential(layer.Linear(4, 4, step_mode="m"), IF()),
        ROW,
        "NMC-I011",
        "other modules take all timesteps",
    ),
    "shared": (Net(lambda net, x: net.sn(net.sn(x)), "s"), ROW, "NMC-I032", "'sn' 2 times"),
    "reset": (Net(resets, "s"), ROW, "NMC-I032", "forget all timesteps before"),
    "potential": (Net(reads, "s"), ROW, "NMC-I032", "it reads the state 'v' of a neuron"),
    "branch": (Net(branches, "s"), ROW, "NMC-I032", "control flow"),
    "one step": (Net(lambda net, x: net.sn(x)[-1]), TRAIN, "NMC-I011", "picks timesteps"),
    "some steps": (Net(lambda net, x: net.sn(x[1:])), TRAIN, "NMC-I011", "picks timesteps"),
    "chunks of steps": (Net(lambda net, x: net.sn(x).chunk(2)[0]), TRAIN, "NMC-I011", "picks timesteps"),
    "softmax": (Net(lambda net, x: net.sn(x).softmax(1)), TRAIN, "NMC-I011", "softmax counts axes"),
    "norm": (Net(lambda net, x: nn.functional.layer_norm(net.sn(x), (1, 4))), TRAIN, "NMC-I011", "layer_norm counts"),
    "product of trains": (Net(lambda net, x: net.sn(x) @ x), (5, 1, 4, 4), "NMC-I011", "matmul counts axes"),
    "conv": (
        Net(lambda net, x: net.conv(net.sn(x).permute(1, 2, 0)), conv=nn.Conv1d(4, 2, 3)),
        TRAIN,
        "NMC-I011",
        "work across timesteps, which are axis 2",
    ),
    "linear": (
        Net(lambda net, x: net.over(net.sn(x).permute(1, 2, 0)), over=nn.Linear(5, 2)),
        TRAIN,
        "NMC-I011",
        "mix timesteps, which are axis 2",
    ),
    "joined": (Net(lambda net, x: torch.cat([net.sn(x), x])), TRAIN, "NMC-I011", "joins along the time axis"),
    "reshaped": (Net(lambda net, x: net.sn(x).reshape(1, 20)), TRAIN, "NMC-I011", "mixes timesteps (axis 0"),
    "samples lost": (
        nn.Sequential(layer.Conv2d(2, 2, 3, step_mode="m"), nn.Flatten(1), IF(step_mode="m")),
        (5, 1, 2, 4, 4),
        "NMC-I015",
        "timesteps and samples in one axis",
    ),
    "transposed": (Net(lambda net, x: net.sn(x).flatten(0, 1).t()), TRAIN, "NMC-I015", "it moves the samples"),
    "samples and steps": (Net(lambda net, x: net.sn(x).flatten(0, 1).mean(0)), TRAIN, "NMC-I015", "axis 0"),
    "everything": (Net(lambda net, x: net.sn(x).mean()), TRAIN, "NMC-I015", "no axes are given"),
    "neuron at the end": (
        Net(lambda net, x: net.last(net.sn(x).mean(0)), last=IF(step_mode="m")),
        TRAIN,
        "NMC-I011",
        "one result of the whole run",
    ),
    "step and end": (Net(lambda net, x: net.sn(x) + x.mean(0)), TRAIN, "NMC-I011", "result of the whole run"),
    "step by step": (
        Net(lambda net, x: net.sn(x * torch.arange(5.0).view(5, 1, 1))),
        TRAIN,
        "NMC-I011",
        "differs from step to step",
    ),
    "axes apart": (Net(lambda net, x: net.sn(x) + x.permute(1, 0, 2)), TRAIN, "NMC-I011", "not the same axis"),
    "padded": (Net(lambda net, x: net.sn(nn.functional.pad(x, (0, 0, 0, 0, 1, 0)))), TRAIN, "NMC-I011", "it pads"),
    "repeated": (Net(lambda net, x: net.sn(x.repeat(2, 1, 1))), TRAIN, "NMC-I011", "no meaning in one timestep"),
    "analog": (
        nn.Sequential(IF(surrogate_function=surrogate.Sigmoid(spiking=False))),
        ROW,
        "NMC-I011",
        "no step function",
    ),
    "never": (nn.Sequential(nn.Linear(4, 4), IF(v_threshold=float("inf"))), ROW, "NMC-I011", "never fires"),
    "random": (nn.Sequential(encoding.PoissonEncoder(), nn.Linear(4, 4), IF()), ROW, "NMC-I010", "rand_like"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_in_one_timestep(name: str) -> None:
    model, shape, code, words = REFUSED[name]
    found = refusal(model, shape)
    assert code in [d.code for d in found]
    assert any(words in f"{d.what}: {d.why}" for d in found), found


def test_a_reset_before_all_timesteps_changes_nothing() -> None:
    model = Net(resets)
    plain = Net(lambda net, x: net.sn(net.fc(x)))
    plain.load_state_dict(model.state_dict())
    assert read_model(model, {"": TRAIN}) == read_model(plain, {"": TRAIN})


def test_hooks_on_neurons() -> None:
    model = nn.Sequential(nn.Linear(4, 4), IF())
    model[1].register_forward_hook(lambda module, args, output: 1 - output)
    (found,) = refusal(model, ROW)
    assert "hooks" in found.why and found.where.startswith("layer '1' (IFNode)")


@pytest.mark.parametrize(("mode", "shape"), [("m", (5, 2, 4)), ("s", (5, 4))])
def test_shapes_are_those_of_one_sample(mode: str, shape: tuple[int, ...]) -> None:
    (found,) = refusal(nn.Sequential(nn.Linear(4, 4), IF(step_mode=mode)), shape, Exit.USAGE)
    assert found.code == "NMC-I005"


def test_trains_of_different_lengths() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = IF(step_mode="m"), IF(step_mode="m")

        def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return self.first(x), self.second(y)

    with pytest.raises(NmcError) as caught:
        import_model(Two(), {"x": (5, 1, 4), "y": (6, 1, 4)})
    (found,) = caught.value.diagnostics
    assert found.code == "NMC-I012" and "5 and 6 timesteps" in found.why


@pytest.mark.parametrize("node", [neuron.KLIFNode(), IF()])
def test_exported_programs_have_lost_the_states(node: nn.Module, tmp_path: Path) -> None:
    model, path = nn.Sequential(nn.Linear(4, 4), node).eval(), tmp_path / "net.pt2"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(model, (torch.zeros(1, 4),)), path)
    with pytest.raises(NmcError) as caught:
        import_model(path)
    (found,) = caught.value.diagnostics
    assert found.code == "NMC-I032" and f"'1' ({type(node).__name__})" in found.why and "factory" in found.hint


def test_the_command_line_says_it_with_exit_code_3(tmp_path: Path) -> None:
    code = """
from spikingjelly.activation_based import neuron
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 4), neuron.QIFNode(), nn.Linear(4, 4), neuron.EIFNode())
"""
    (tmp_path / "net.py").write_text(code)
    command = ["check", f"{tmp_path / 'net.py'}:build", "--target", "cri", "--input-shape", "1,4"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 3
    assert "layer '1' (QIFNode)" in result.output and "layer '3' (EIFNode)" in result.output

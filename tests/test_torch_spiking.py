"""SpikingJelly networks as graphs: every spike and every analog output of the zoo, against the framework in float64."""

from __future__ import annotations

import copy
import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from nmc.compiler.frontends import import_model
from nmc.compiler.ir import Graph, Timing, Value, evaluate, parse_graph, print_graph, trace
from nmc.compiler.ir.text import constant_bank

torch = pytest.importorskip("torch")
pytest.importorskip("spikingjelly")
from spiking_nets import NETS, Net, named, reference  # noqa: E402
from spiking_parts import STEPS, conv_net, dense_net, settle  # noqa: E402
from spikingjelly.activation_based import functional, layer, neuron  # noqa: E402
from spikingjelly.activation_based.model import parametric_lif_net  # noqa: E402
from torch import Tensor, nn  # noqa: E402

pytestmark = pytest.mark.slow
torch.set_num_threads(1)
KINDS = ("lif", "threshold")


def graph_of(net: Net) -> tuple[nn.Module, Graph]:
    module = net.build()
    return module, import_model(module, {"": net.shape}).graph


def spikes_of(graph: Graph, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return trace(graph, feeds, {node.result.name for node in graph.nodes if node.op.mnemonic in KINDS})


def only_input(graph: Graph) -> Value:
    (value,) = graph.inputs
    return value


@pytest.mark.parametrize("net", NETS, ids=lambda net: net.name)
def test_the_graph_computes_what_the_framework_does(net: Net) -> None:
    module, graph = graph_of(net)
    given = net.inputs()
    feeds = {only_input(graph).name: given}
    expected, found = reference(net, module, given), evaluate(graph, feeds)["output"]
    assert found.shape == expected.shape
    if "analog" in net.tags:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, expected)
    rates = {name: float(array.mean()) for name, array in spikes_of(graph, feeds).items()}
    assert rates and all(0.05 <= rate <= 0.4 for rate in rates.values()), rates


def test_the_zoo_is_large_and_has_every_kind() -> None:
    assert len(NETS) >= 34 and len({net.name for net in NETS}) == len(NETS)
    assert all(
        named(tag) for tag in ("if", "lif", "hard", "soft", "analog", "last", "recurrent", "held", "sew", "leak")
    )


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_the_time_axis_is_found_where_other_axes_are_as_long(steps: int) -> None:
    """2 is the number of channels, 8 that of rows, and 1 that of samples."""
    nets = [dataclasses.replace(net, steps=steps) for net in NETS if net.mode in ("m", "batch")]
    assert len(nets) > 10
    for net in nets:
        module, graph = graph_of(net)
        given = net.inputs(3)
        found = evaluate(graph, {only_input(graph).name: given})["output"]
        np.testing.assert_array_equal(found, reference(net, module, given), err_msg=net.name)


@pytest.mark.parametrize("net", named("both"), ids=lambda net: net.name)
def test_both_step_modes_give_the_same_graph(net: Net) -> None:
    module, graph = graph_of(net)
    other = copy.deepcopy(module)
    functional.set_step_mode(other, "m" if net.mode == "s" else "s")
    shape = (STEPS, 1, *net.frame) if net.mode == "s" else (1, *net.frame)
    assert import_model(other, {"": shape}).graph == graph


@pytest.mark.parametrize(
    "net", [net for net in NETS if net.name.endswith(("-m", "-mean", "linear"))], ids=lambda n: n.name
)
def test_graphs_survive_their_text_form(net: Net) -> None:
    _, graph = graph_of(net)
    assert parse_graph(print_graph(graph), constant_bank(graph)) == graph


def test_timings_say_what_is_a_train() -> None:
    train, held = Timing(0, length=STEPS, axis=1), Timing(0)
    found = {
        net.name: graph_of(net)[1].timing
        for net in NETS
        if net.name in ("if-dense", "if-sum", "if-held", "if-held-mean")
    }
    assert found["if-dense"] == {"input": train, "output": train}
    assert found["if-sum"] == {"x": train, "output": Timing(STEPS - 1)}
    assert found["if-held"] == {"x": held, "output": train}
    assert found["if-held-mean"] == {"x": held, "output": Timing(STEPS - 1)}


def test_values_are_called_after_the_layers_of_the_model() -> None:
    _, graph = graph_of(next(net for net in NETS if net.name == "if-conv-max-m"))
    names = [node.result.name for node in graph.nodes]
    assert names == [str(i) for i in range(11)]
    assert all("T" not in node.result.type.axes for node in graph.nodes)
    assert only_input(graph).type.axes == "NCHW"


def test_more_steps_than_the_import_said() -> None:
    net = next(net for net in NETS if net.name == "if-conv-avg-m")
    module, graph = graph_of(net)
    given = np.concatenate([net.inputs(3), net.inputs(3)], axis=1)
    np.testing.assert_array_equal(evaluate(graph, {"input": given})["output"], reference(net, module, given))


class Outputs(nn.Module):
    """Two inputs (a train and an image) and outputs of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.sn = nn.Linear(6, 5), neuron.IFNode(step_mode="m", v_threshold=0.5)

    def forward(self, x: Tensor, image: Tensor) -> dict[str, Any]:
        y = self.sn(self.fc(x) + image)
        return {"train": y, "rate": y.mean(dim=0), "folded": self.fc.bias * y.flatten(0, 1), "image": image * 2}


def test_several_inputs_and_outputs() -> None:
    torch.manual_seed(0)
    module = Outputs()
    graph = import_model(module, {"x": (7, 1, 6), "image": (1, 5)}).graph
    rng = np.random.default_rng(0)
    x, image = (rng.random((4, 7, 6)) < 0.4).astype(np.float64), rng.random((4, 5))
    functional.reset_net(module)
    with torch.no_grad():
        expected = module.double()(torch.from_numpy(x).transpose(0, 1), torch.from_numpy(image))
    found = evaluate(graph, {"x": x, "image": image})
    np.testing.assert_array_equal(
        found["output_train" if "output_train" in found else "train"], expected["train"].transpose(0, 1)
    )
    np.testing.assert_array_equal(found["rate"], expected["rate"])
    np.testing.assert_array_equal(found["folded"], expected["folded"].reshape(7, 4, 5).transpose(0, 1))
    np.testing.assert_array_equal(found["image"], expected["image"])
    assert [graph.timing[name].axis for name in ("train", "rate", "folded", "image")] == [1, -1, 1, -1]


@pytest.mark.parametrize("mode", ["s", "m"])
def test_a_model_of_the_library(mode: str) -> None:
    torch.manual_seed(1)
    module = parametric_lif_net.NMNISTNet(2, neuron.ParametricLIFNode, decay_input=False)
    settle(module, 1.5)
    functional.set_step_mode(module.eval(), mode)
    net = Net("nmnist", lambda: module, (2, 34, 34), mode, 1.5, frozenset(), steps=3)
    graph = import_model(module, {"": net.shape}).graph
    given = net.inputs(2)
    np.testing.assert_allclose(
        evaluate(graph, {"x": given})["output"], reference(net, module, given), rtol=1e-9, atol=1e-12
    )
    assert [node.op.mnemonic for node in graph.nodes].count("lif") == 4


def test_importing_leaves_the_module_alone() -> None:
    module = conv_net(neuron.IFNode, nn.MaxPool2d(2))
    settle(module, 1.5)
    module.train()
    module(torch.ones(2, 2, 8, 8))
    before = {name: value.clone() for name, value in functional_state(module).items()}
    graph = import_model(module, {"": (1, 2, 8, 8)}).graph
    after = functional_state(module)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert all(part.training for part in module.modules()) and "reset" not in vars(module[2])
    functional.reset_net(module)
    assert module[2].v == 0.0 and import_model(module, {"": (1, 2, 8, 8)}).graph == graph


def functional_state(module: nn.Module) -> dict[str, Tensor]:
    found = dict(module.state_dict())
    memories = {name: part.v for name, part in module.named_modules() if isinstance(part, neuron.IFNode)}
    return found | {f"{name}.v": value for name, value in memories.items()}


class Older(nn.Module):
    """A neuron as objects of the release before have it: no attributes but those that the equations name."""

    def __init__(self) -> None:
        super().__init__()
        self.v_threshold, self.v_reset, self.tau, self.decay_input = 1.0, None, 4.0, False
        self.surrogate_function, self.step_mode = nn.Identity(), "s"
        self.surrogate_function.forward = lambda x: (x >= 0).to(x)
        self._memories, self._memories_rv = {"v": 0.0}, {"v": 0.0}


def test_an_older_release_is_known_by_its_names() -> None:
    kind = type(
        "LIFNode", (Older,), {"__module__": "spikingjelly.activation_based.neuron", "forward": lambda self, x: x}
    )
    older = nn.Sequential(nn.Linear(4, 3), kind())
    newer = nn.Sequential(older[0], neuron.LIFNode(tau=4.0, decay_input=False, v_reset=None))
    assert import_model(older, {"": (1, 4)}).graph == import_model(newer, {"": (1, 4)}).graph


def test_a_subclass_with_other_parameters_is_its_base_class() -> None:
    class Eager(neuron.LIFNode):
        def __init__(self) -> None:
            super().__init__(tau=4.0, v_threshold=0.5)

    plain = dense_net(lambda: neuron.LIFNode(tau=4.0, v_threshold=0.5))
    eager = dense_net(Eager)
    eager.load_state_dict(plain.state_dict())
    assert import_model(eager, {"": (1, 20)}).graph == import_model(plain, {"": (1, 20)}).graph


def test_a_learned_threshold_may_differ_from_channel_to_channel() -> None:
    net = nn.Sequential(layer.Conv2d(2, 3, 3), neuron.IFNode())
    net[1].v_threshold = torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1)
    graph = import_model(net, {"": (1, 2, 8, 8)}).graph
    given = (np.random.default_rng(0).random((2, STEPS, 2, 8, 8)) < 0.3).astype(np.float64)
    functional.reset_net(net.double())
    with torch.no_grad():
        expected = np.stack([net(torch.from_numpy(given[:, t])).numpy() for t in range(STEPS)], axis=1)
    np.testing.assert_array_equal(evaluate(graph, {"input": given})["output"], expected)
    assert re.search(r"@1.threshold: f32\[3,1,1\]", str(graph))


def test_modules_that_are_not_called_do_not_count() -> None:
    class Spare(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Linear(4, 3), neuron.IFNode())
            self.add_module("other", layer.SeqToANNContainer(nn.Linear(4, 3)))

        def forward(self, input: Tensor) -> Tensor:
            return self[1](self[0](input))

    graph = import_model(Spare(), {"": (1, 4)}).graph
    assert graph.timing == dict.fromkeys(("input", "output"), Timing(0, length=STEPS, axis=1))

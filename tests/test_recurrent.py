"""LSTM, GRU and RNN layers: their equations, their streams, and what exporters make of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from host_models import ALL, check_written
from test_video_passes import check_streaming
from torch import nn

from ir_text import graph_of
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends import import_model, read_model
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate, parse_graph, trace
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.make_causal import MakeCausal
from nmc.compiler.pipeline import parse_pipeline

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from models.export import export, quiet
from onnx_models import Net, assert_same, check_import, refusal

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)


def weights(*shape: int) -> Any:
    return (RNG.normal(size=shape) * 0.5).astype(np.float32)


GATES = {"rnn": 1, "gru": 3, "lstm": 4}
KINDS = {
    "rnn": "rnn",
    "rnn, relu": "rnn {activation='relu'}",
    "gru": "gru",
    "gru, reset before": "gru {reset_after=False}",
    "lstm": "lstm",
    "lstm, cell": "lstm {gives='cell'}",
}


def layer(kind: str, x: str = "%x", features: int = 3, units: int = 4, full: bool = True) -> tuple[str, dict[str, Any]]:
    """The application of a layer as text, and its weights; `full` with bias and a state to begin with."""
    op, _, attributes = KINDS[kind].partition(" ")
    rows = GATES[op] * units
    arrays = {"w": weights(rows, features), "r": weights(rows, units)}
    if full:
        arrays |= {"b": weights(2, rows), "h": weights(units)} | ({"c": weights(units)} if op == "lstm" else {})
    return f"{op}({', '.join([x, *(f'@{name}' for name in arrays)])}) {attributes}".strip(), arrays


def clip_graph(kind: str, body: str = "%y = {}", full: bool = True, given: str = "1,9,3") -> Graph:
    text, arrays = layer(kind, "%p" if "%p =" in body else "%x", full=full)
    return graph_of(f'input %x: f32[{given}]NTC\n{body.format(text)}\noutput "y" = %y', arrays, "canonical")


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_streams_like_its_clip(kind: str, full: bool) -> None:
    made = check_streaming(clip_graph(kind, full=full))
    assert made.timing["y"].offset == 0 and made.timing["y"].edges == ()


SURROUNDINGS = {
    # body, frames of latency, edges
    "frames before the clip": ("%p = pad(%x) {{pads=((0, 0), (2, 1), (0, 0))}}\n%y = {}", 0, ()),
    "every second frame": ("%p = slice(%x) {{ranges=((0, 1, 1), (1, 9, 2), (0, 3, 1))}}\n%y = {}", 1, ()),
    "the last frame's": (
        "%s = {}\n%l = slice(%s) {{ranges=((0, 1, 1), (8, 9, 1), (0, 4, 1))}}\n"
        '%y = reshape(%l) {{shape=(1, 4), axes="NC"}}', 8, ()),
    "its mean": ("%s = {}\n%m = mean(%s) {{dims=(1,)}}\n%y = reshape(%m) {{shape=(1, 4), axes='NC'}}", 8, ()),
    "in front of a look ahead": (
        "%s = {}\n%t = transpose(%s) {{perm=(0, 2, 1)}}\n"
        "%y = conv(%t, @k) {{stride=(1,), pads=((1, 1),), dilation=(1,)}}", 1, (8,)),
    "behind a look ahead": (
        "%t = transpose(%x) {{perm=(0, 2, 1)}}\n%u = conv(%t, @k3) {{stride=(1,), pads=((1, 1),), dilation=(1,)}}\n"
        "%p = transpose(%u) {{perm=(0, 2, 1)}}\n%y = {}", 1, ()),
    "a residual": ("%q = dense(%x, @d)\n%s = {}\n%y = add(%q, %s)", 0, ()),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("case", SURROUNDINGS)
def test_a_layer_among_others_streams_like_its_clip(case: str, kind: str) -> None:
    body, latency, edges = SURROUNDINGS[case]
    text, arrays = layer(kind, "%p" if "%p =" in body else "%x")
    arrays |= {
        name: data
        for name, data in (("k", weights(4, 4, 3)), ("k3", weights(3, 3, 3)), ("d", weights(4, 3)))
        if f"@{name})" in body
    }
    made = check_streaming(
        graph_of(f'input %x: f32[1,9,3]NTC\n{body.format(text)}\noutput "y" = %y', arrays, "canonical"),
        exact_edges=False,
    )
    assert (made.timing["y"].offset, made.timing["y"].edges) == (latency, edges)
    check_written(made, levels=(ALL,))


def test_a_layer_that_runs_backwards_is_no_stream() -> None:
    text, arrays = layer("gru")
    graph = graph_of(f'input %x: f32[1,9,3]NTC\n%y = {text} {{reverse=True}}\noutput "y" = %y', arrays, "canonical")
    with pytest.raises(NmcError) as caught:
        MakeCausal().run(graph, Context())
    (problem,) = caught.value.diagnostics
    assert problem.code == "NMC-V001" and problem.what == "%y (gru) cannot be streamed"
    assert "from the end of the clip" in problem.why


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_as_onnx(kind: str, full: bool, reverse: bool) -> None:
    graph = clip_graph(kind, full=full)
    node = graph.nodes[0]
    graph.rewrite(node, replace(node.op, reverse=reverse), *node.operands)
    check_written(graph)
    if not reverse:
        frames = check_streaming(graph)
        assert len(check_written(frames).states) == (2 if kind.startswith("lstm") else 1)


@pytest.mark.parametrize(("start", "period"), [(2, 1), (0, 3), (1, 2)])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "lstm, cell"])
def test_a_state_that_is_held_in_between(kind: str, start: int, period: int) -> None:
    """From frame `start` on the layer takes every period-th frame; the clip form says so frame by frame, too."""
    graph = clip_graph(kind)
    node = graph.nodes[0]
    graph.rewrite(node, replace(node.op, start=start, period=period), *node.operands)
    x = np.random.default_rng(0).normal(size=(2, 9, 3))
    held = evaluate(graph, {"x": x})["y"]
    taken = clip_graph(kind)
    arrays = [value.data for value in node.operands[1:] if value is not None]
    alone = taken.nodes[0].op.evaluate(x[:, start::period], *arrays)
    for j, frame in enumerate(range(start, 9, period)):
        np.testing.assert_array_equal(held[:, frame : frame + period] - alone[:, j : j + 1], 0)
    check_written(graph)
    when = "at {offset=0, length=9, axis=1}"
    text = str(graph).replace("[1,9,3]NTC", f"[1,3]NC {when}").replace("[1,9,4]NTC", "[1,4]NC")
    text = text.replace("canonical", "streaming").replace('"y" = %y', f'"y" = %y {when}')
    frames = parse_graph(text, {value.name: value.data for value in graph.constants()})
    check_written(frames, {"x": x.astype(np.float32)})
    np.testing.assert_array_equal(trace(frames, {"x": x})["y"], held)


# --- ONNX files ---


def node(
    op: str, direction: str = "forward", extra: Callable[[Net], dict[int, str]] = lambda net: {}, **attributes
) -> Net:
    """A network that turns its input (N, T, C) time first, applies one recurrent node, and turns its frames back."""
    net = Net(17, seed=3)
    count, rows = 1 + (direction == "bidirectional"), GATES[op.lower()] * 4
    x = net.op("Transpose", net.input("x", (1, 6, 3)), perm=[1, 0, 2])
    operands = [x, net.weight(count, rows, 3), net.weight(count, rows, 4), net.weight(count, 2 * rows)]
    for index, name in sorted(extra(net).items()):
        operands += [""] * (index - len(operands)) + [name]
    results = 3 if op == "LSTM" else 2
    first = net.op(op, *operands, outputs=results, hidden_size=4, direction=direction, **attributes)
    turned = net.op("Transpose", first, perm=[0, 2, 1, 3])
    net.output(net.op("Transpose", net.reshape(turned, [0, 0, -1]), perm=[1, 0, 2]), "frames")
    for i in range(1, results):
        net.output(net.op("Transpose", f"{first}.{i}", perm=[1, 0, 2]), f"state{i}")
    return net


NODES = {
    f"{op}, {direction}, {name}": (op, direction, attributes)
    for op, variants in {
        "RNN": {"plain": {}, "relu": {"activations": ["Relu"]}},
        "GRU": {"reset before": {}, "reset after": {"linear_before_reset": 1}},
        "LSTM": {"plain": {}},
    }.items()
    for direction in ("forward", "reverse", "bidirectional")
    for name, attributes in variants.items()
}


@pytest.mark.parametrize("case", NODES)
def test_a_node_is_imported(case: str, tmp_path: Path) -> None:
    """Every frame and the states after the last one equal those of onnxruntime, and what is written from the graph."""
    op, direction, attributes = NODES[case]
    if direction == "bidirectional" and "activations" in attributes:
        attributes = {"activations": attributes["activations"] * 2}
    graph = check_import(node(op, direction, **attributes), tmp_path)
    assert [v.type.axes for v in graph.inputs] == ["NTC"]
    check_written(graph, levels=(ALL,))


def test_states_to_begin_with_and_lengths(tmp_path: Path) -> None:
    def given(net: Net) -> dict[int, str]:
        return {4: net.const([6], np.int32), 5: net.weight(1, 1, 4), 6: net.weight(1, 1, 4)}

    graph = check_import(node("LSTM", extra=given), tmp_path)
    first = next(n for n in graph.nodes if n.op.mnemonic == "lstm")
    assert first.operand("hidden") is not None and first.operand("cell") is not None
    zeros = check_import(node("LSTM", extra=lambda net: {5: net.const(np.zeros((1, 1, 4)))}), tmp_path)
    assert all(n.operand("hidden") is None for n in zeros.nodes if n.op.mnemonic == "lstm")


def batch_in_the_middle(op: str) -> Net:
    """Time is axis 0 of the network's input."""
    net = Net(17)
    net.output(net.op(op, net.input("x", ("T", 1, 3)), net.weight(1, 16, 3), net.weight(1, 16, 4), hidden_size=4))
    return net


REFUSED = {
    "clip": (node("LSTM", clip=3.0), "NMC-I011", "clip"),
    "coupled gates": (node("LSTM", input_forget=1), "NMC-I011", "input_forget"),
    "peepholes": (node("LSTM", extra=lambda net: {7: net.weight(1, 12)}), "NMC-I011", "peepholes"),
    "other activations": (node("GRU", activations=["HardSigmoid", "Tanh"]), "NMC-I011", "hardsigmoid"),
    "activation parameters": (node("RNN", activation_alpha=[0.5]), "NMC-I011", "activation_alpha"),
    "lengths": (node("GRU", extra=lambda net: {4: net.const([4], np.int32)}), "NMC-I011", "sequence_lens"),
    "a direction": (node("GRU", "sideways"), "NMC-I011", "sideways"),
    "one bias too few": (node("GRU", extra=lambda net: {5: net.weight(1, 1, 3)}), "NMC-I012", "initial_h"),
    "a state a sample": (node("GRU", extra=lambda net: {5: net.weight(1, 2, 4)}), "NMC-I015", "initial_h"),
    "time in front": (batch_in_the_middle("LSTM"), "NMC-I015", "its time is axis 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    net, code, why = REFUSED[case]
    (problem,) = refusal(net.save(tmp_path), **({"input_shapes": {"x": (1, 1, 3)}} if case == "time in front" else {}))
    assert problem.code == code and why in problem.why


# --- exports of PyTorch ---


class Sequence(nn.Module):
    """Recurrent layers over (N, T, C) and a linear layer on every frame, on the last one, or on the last state."""

    def __init__(self, kind: str, layers: int, batch_first: bool, head: str, both: bool = False):
        super().__init__()
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        self.layers = kinds[kind](5, 6, layers, batch_first=batch_first, bidirectional=both)
        self.linear = nn.Linear(12 if both else 6, 3)
        self.batch_first, self.head = batch_first, head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, state = self.layers(x if self.batch_first else x.transpose(0, 1))
        if self.head == "state":
            return self.linear((state[0] if isinstance(state, tuple) else state)[-1])
        if self.head == "last":
            return self.linear(y[:, -1] if self.batch_first else y[-1])
        y = torch.relu(self.linear(y)) + 1
        return y if self.batch_first else y.transpose(0, 1)


EXPORTS = {
    f"{kind}, {layers}, {'batch' if first else 'time'} first, {head}{', both ways' if both else ''}": (
        kind, layers, first, head, both)
    for kind, layers, first, head, both in (
        ("lstm", 1, True, "frames", False), ("lstm", 2, False, "frames", False), ("lstm", 2, True, "last", False),
        ("lstm", 1, False, "state", False), ("lstm", 1, True, "frames", True), ("gru", 1, False, "frames", False),
        ("gru", 2, True, "frames", False), ("gru", 1, False, "last", False), ("gru", 2, True, "state", False),
        ("rnn", 1, True, "frames", False),
    )
}  # fmt: skip


def module(case: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    return Sequence(*EXPORTS[case]).eval(), torch.randn(2, 7, 5)


def check_exported(case: str, path: Path, exporter: Any, dynamic: bool) -> None:
    net, x = module(case)
    export(net, x[:1], path, exporter, dynamic_batch=dynamic)
    graph = import_onnx(path)
    assert_same(graph, str(path))
    check_module(graph, case)


def check_module(graph: Graph, case: str) -> None:
    """The graph computes what the module does; as a stream, too, if it runs forward only."""
    net, x = module(case)
    (given,), (output,) = graph.inputs, graph.outputs
    assert given.type.axes == "NTC"
    expected = net(x).detach().numpy()
    np.testing.assert_allclose(evaluate(graph, {given.name: x.numpy()})[output], expected, rtol=1e-5, atol=1e-6)
    if "both" not in case:
        Manager().run(graph, parse_pipeline("canonicalize,fold-batch-norm,make-causal,stream"), Context())
        assert graph.timing[output].edges == ()
        streamed = evaluate(graph, {given.name: x.numpy()})[output]
        np.testing.assert_allclose(streamed, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", EXPORTS)
def test_exports_of_the_legacy_exporter(case: str, tmp_path: Path) -> None:
    check_exported(case, tmp_path / "net.onnx", "legacy", dynamic="frames" in case)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["lstm, 2, time first, frames", "gru, 2, batch first, state"])
def test_exports_of_the_dynamo_exporter(case: str, tmp_path: Path) -> None:
    check_exported(case, tmp_path / "net.onnx", "dynamo", dynamic="lstm" in case)


# --- modules of PyTorch ---

BATCH_FIRST = [case for case in EXPORTS if "batch first" in case]


@pytest.mark.parametrize("case", BATCH_FIRST)
def test_modules_are_imported(case: str) -> None:
    net, _ = module(case)
    check_module(import_model(net, input_shapes={"": (1, 7, 5)}).graph, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["lstm, 1, batch first, frames, both ways", "gru, 2, batch first, state"])
def test_programs_of_torch_export(case: str, tmp_path: Path) -> None:
    net, x = module(case)
    with quiet():
        torch.export.save(torch.export.export(net, (x[:1],)), tmp_path / "net.pt2")
    check_module(read_model(tmp_path / "net.pt2"), case)


class States(nn.Module):
    """Two layers both ways that begin with a state, and all that they give."""

    def __init__(self, kind: str):
        super().__init__()
        self.layers = {"lstm": nn.LSTM, "gru": nn.GRU}[kind](5, 4, 2, batch_first=True, bidirectional=True)
        self.register_buffer("first", torch.randn(4, 1, 4))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        before = self.first.expand(4, len(x), 4)
        y, after = self.layers(x, (before, 2 * before) if isinstance(self.layers, nn.LSTM) else before)
        states = after if isinstance(after, tuple) else (after,)
        return [y, *(state[i] for state in states for i in range(4))]


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_every_state_of_a_module(kind: str) -> None:
    torch.manual_seed(2)
    net, x = States(kind).eval(), torch.randn(2, 6, 5)
    graph = import_model(net, input_shapes={"": (1, 6, 5)}).graph
    found = evaluate(graph, {graph.inputs[0].name: x.numpy()})
    for array, expected in zip(found.values(), net(x), strict=True):
        np.testing.assert_allclose(array, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "code", "why"),
    [
        (nn.GRU(5, 4), "NMC-I015", "its time is axis 0"),
        (nn.LSTM(5, 4, batch_first=True, proj_size=2), "NMC-I011", "proj_size"),
    ],
)
def test_modules_that_are_refused(layer: nn.Module, code: str, why: str) -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)[0]

    with pytest.raises(NmcError) as caught:
        import_model(First().eval(), input_shapes={"": (1, 6, 5)})
    (problem,) = caught.value.diagnostics
    assert problem.code == code and why in problem.why


# --- in a video network ---


def test_a_recurrent_layer_behind_convolutions_streams(tmp_path: Path) -> None:
    net = Net(18, seed=2)
    x = net.op("Conv", net.input("clip", (1, 2, 7, 6, 6)), net.weight(3, 2, 3, 3, 3), pads=[1, 0, 0, 1, 0, 0])
    features = net.reduce_mean(net.op("Relu", x), [3, 4], keepdims=0)  # samples, channels, time
    first = net.op("Transpose", features, perm=[2, 0, 1])
    y = net.op("GRU", first, net.weight(1, 12, 3), net.weight(1, 12, 4), outputs=2, hidden_size=4)
    frames = net.op("Transpose", net.squeeze(y, [1]), perm=[1, 0, 2])
    net.output(net.op("Softmax", net.op("MatMul", frames, net.weight(4, 5)), axis=2), "classes")
    graph = check_import(net, tmp_path)
    assert graph.inputs[0].type.axes == "NCTHW"
    Manager().run(graph, parse_pipeline("canonicalize"), Context())
    made = check_streaming(graph)
    assert made.timing["classes"].offset == 1
    states = check_written(made, levels=(ALL,)).states  # two frames, h, and the number of the frame
    assert sorted(state.shape for state in states) == [(1,), (2, 2, 6, 6), (4,)]

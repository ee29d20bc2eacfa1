"""Stream models whose memories are inputs and outputs: what they compute step by step, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner

from nmc.cli.main import main
from nmc.compiler import compile_model, transform
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.frontends import import_model
from nmc.compiler.ir import FrameSession, Graph
from nmc.compiler.ir.ops import Fifo
from nmc.compiler.target import network_kind
from nmc.runtime import Session, load
from onnx_models import Net, session

Array = np.ndarray[Any, Any]
STREAM = "canonicalize,fold-batch-norm,canonicalize,make-causal,stream"


def stepped(runtime: onnxruntime.InferenceSession, frames: list[Array], pairs: dict[str, str]) -> list[list[Array]]:
    """The outputs that are no states, call by call, from states that start at zero."""
    outputs = [output.name for output in runtime.get_outputs()]
    (x,) = (value.name for value in runtime.get_inputs() if value.name not in pairs)
    shapes = {value.name: [n if isinstance(n, int) else 1 for n in value.shape] for value in runtime.get_inputs()}
    states = {name: np.zeros(shapes[name], np.float32) for name in pairs}
    found = []
    for frame in frames:
        got = dict(zip(outputs, runtime.run(None, {x: frame, **states}), strict=True))
        states = {name: got[output] for name, output in pairs.items()}
        found.append([array for name, array in got.items() if name not in pairs.values()])
    return found


def movinet() -> tuple[Net, dict[str, str]]:
    """Two causal blocks as MoViNet's stream models have them: (2+1)D, FIFO in front, squeeze over space, and a head."""
    net = Net(17)
    x = net.input("image", (1, 3, 1, 6, 6))
    a, b = net.input("state_a", (1, 4, 2, 3, 3)), net.input("state_b", (1, 4, 4, 3, 3))
    x = net.op("Relu", net.op("Conv", x, net.weight(4, 3, 1, 3, 3), pads=[0, 1, 1, 0, 1, 1], strides=[1, 2, 2]))
    window = net.op("Concat", a, x, axis=2)
    net.output(net.slice(window, [-2], [2**31], [2]), "next_a")
    y = net.op("Relu", net.op("Conv", window, net.weight(4, 1, 3, 1, 1), net.weight(4), group=4))
    y = net.op("Conv", y, net.weight(4, 4, 1, 3, 3), pads=[0, 1, 1, 0, 1, 1])
    x = net.op("Relu", net.op("Add", x, y))
    window = net.op("Concat", b, x, axis=2)
    net.output(net.slice(window, [1], [5], [2]), "next_b")
    x = net.op("Relu", net.op("Conv", window, net.weight(5, 4, 5, 1, 1)))
    x = net.reduce_mean(x, [3, 4], keepdims=0)
    net.output(net.op("Transpose", net.op("MatMul", net.op("Transpose", x, perm=[0, 2, 1]), net.weight(5, 3)),
                      perm=[0, 2, 1]), "logits")  # fmt: skip
    return net, {"state_a": "next_a", "state_b": "next_b"}


def tenn(frames: int = 1) -> tuple[Net, dict[str, str]]:
    """Temporal layers over one axis, as in the eye-tracking and audio networks, with several frames a call."""
    net = Net(13)
    x, a = net.input("x", (1, 3, frames)), net.input("fifo", (1, 3, 4))
    window = net.op("Concat", a, x, axis=2)
    net.output(net.slice(window, [frames], [frames + 4], [2]), "fifo_next")
    y = net.op("Relu", net.op("Conv", window, net.weight(6, 3, 5), net.weight(6)))
    net.output(net.op("Conv", y, net.weight(2, 6, 1)), "y")
    return net, {"fifo": "fifo_next"}


def rolled() -> tuple[Net, dict[str, str]]:
    """The next state made from the old one and the frame, beside the window."""
    net = Net(17)
    x, a = net.input("x", (1, 3, 1)), net.input("old", (1, 3, 3))
    net.output(net.op("Concat", net.slice(a, [1], [3], [2]), x, axis=2), "new")
    y = net.op("Conv", net.op("Concat", a, x, axis=2), net.weight(2, 3, 4))
    net.output(net.op("Relu", y), "y")
    return net, {"old": "new"}


NETS = {"movinet": movinet, "tenn": tenn, "chunks": lambda: tenn(3), "rolled": rolled}


def clip_of(graph: Graph, calls: int, rng: np.random.Generator, length: int = 1) -> tuple[Array, list[Array]]:
    """A random clip, and the same cut into what each call takes."""
    shape, axis = list(graph.inputs[0].type.shape), graph.inputs[0].type.axes.index("T")
    shape[axis] = length * calls
    clip = rng.normal(size=shape).astype(np.float32)
    return clip, [clip.take(range(i * length, (i + 1) * length), axis) for i in range(calls)]


@pytest.mark.parametrize("name", NETS)
def test_fifos_are_found_and_equal_onnxruntime_step_by_step(name: str, tmp_path: Path) -> None:
    net, pairs = NETS[name]()
    path = net.save(tmp_path)
    found = import_model(path)
    assert [value.name for value in found.graph.inputs] == [i.name for i in net.inputs if i.name not in pairs]
    assert not set(found.graph.outputs) & set(pairs.values()) and not found.graph.feedback
    assert all(state in found.notes[0] for state in pairs)
    frames = transform(found.graph, STREAM).graph
    assert any(isinstance(node.op, Fifo) for node in frames.nodes)
    clip, calls = clip_of(found.graph, 9, np.random.default_rng(0), 3 if name == "chunks" else 1)
    wanted = np.concatenate([outputs[0] for outputs in stepped(session(str(path)), calls, pairs)], axis=2)
    got = next(iter(FrameSession(frames).run({found.graph.inputs[0].name: clip}).values()))
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("name", NETS)
def test_naming_the_states_changes_nothing_where_they_are_fifos(name: str, tmp_path: Path) -> None:
    net, pairs = NETS[name]()
    path = net.save(tmp_path)
    assert import_model(path, states=pairs).graph == import_model(path).graph
    assert import_model(path, states=pairs).options == {"states": pairs}


@pytest.mark.parametrize("name", NETS)
def test_fifos_compile_for_akida(name: str, tmp_path: Path) -> None:
    net, pairs = NETS[name]()
    program = compile_model(net.save(tmp_path), "akida")
    kinds = [layer.kind for layer in program.layers]
    assert any("BufferTempConv" in kind for kind in kinds), kinds
    graph, length = import_model(net.save(tmp_path)).graph, 3 if name == "chunks" else 1
    frames = graph.inputs[0].type.shape[graph.inputs[0].type.axes.index("T")]
    assert frames >= 16 and frames % length == 0
    clip, calls = clip_of(graph, frames // length, np.random.default_rng(0), length)
    wanted = np.concatenate(
        [outputs[0] for outputs in stepped(session(str(tmp_path / "net.onnx")), calls, pairs)], axis=2
    )
    program = compile_model(graph, "akida", calibration=clip)
    got = next(iter(Session(program).run({program.inputs[0].name: clip}).outputs.values()))
    assert np.abs(got - wanted).max() <= 0.05 * np.abs(wanted).max()


def test_one_result_a_call_stays_one_result_a_clip(tmp_path: Path) -> None:
    """A clip is then what one call takes; frames after it are for `Session.step`."""
    net = Net()
    window = net.op("Concat", net.input("fifo", (1, 2, 3)), net.input("x", (1, 2, 1)), axis=2)
    net.output(net.slice(window, [1], [4], [2]), "next")
    net.output(net.op("Gemm", net.op("Flatten", net.op("Conv", window, net.weight(3, 2, 4))), net.weight(3, 2)), "y")
    graph = import_model(net.save(tmp_path)).graph
    assert [str(value.type) for value in graph.inputs] == ["f32[1,2,1]NCT"]
    calls = [np.random.default_rng(i).random((1, 2, 1), np.float32) for i in range(6)]
    wanted = stepped(session(str(tmp_path / "net.onnx")), calls, {"fifo": "next"})
    frames = FrameSession(transform(graph, STREAM).graph)
    for call, (expected,) in zip(calls, wanted, strict=True):
        assert np.abs(frames.step({"x": call[:, :, 0]})["y"] - expected).max() <= 1e-5


def accumulator() -> Net:
    """A running sum: a state that is no FIFO."""
    net = Net(17)
    x, total = net.input("x", (1, 4)), net.input("total", (1, 4))
    after = net.op("Add", total, net.op("MatMul", x, net.weight(4, 4)))
    net.output(after, "total_next")
    net.output(net.op("Gemm", net.op("Relu", after), net.weight(4, 2)), "y")
    return net


def test_other_states_are_state_of_a_frame_graph(tmp_path: Path) -> None:
    path = accumulator().save(tmp_path)
    assert [value.name for value in import_model(path).graph.inputs] == ["x", "total"]
    graph = import_model(path, states={"total": "total_next"}).graph
    assert [value.name for value in graph.inputs] == ["x"] and [s.name for s in graph.feedback] == ["total"]
    assert network_kind(graph) == "stateful"
    clip = np.random.default_rng(0).normal(size=(1, 7, 4)).astype(np.float32)
    wanted = stepped(session(str(path)), [clip[:, i] for i in range(7)], {"total": "total_next"})
    got = FrameSession(graph).run({"x": clip})["y"]
    assert np.abs(got - np.stack([outputs[0] for outputs in wanted], axis=1)).max() <= 1e-5


@pytest.mark.parametrize("target", ["akida", "cri"])
def test_other_states_are_refused_by_name(target: str, tmp_path: Path) -> None:
    with pytest.raises(NmcError) as caught:
        compile_model(accumulator().save(tmp_path), target, states={"total": "total_next"})
    (problem,) = caught.value.diagnostics
    assert problem.code == "NMC-V005" and "%total" in problem.what and caught.value.exit_code == Exit.UNSUPPORTED


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ({"nothing": "total_next"}, "no input 'nothing'"),
        ({"total": "nothing"}, "no output 'nothing'"),
        ({"total": "y"}, "different shapes"),
        ({"total": "total_next", "x": "total_next"}, "two states"),
    ],
)
def test_wrong_pairs(states: dict[str, str], text: str, tmp_path: Path) -> None:
    with pytest.raises(NmcError) as caught:
        import_model(accumulator().save(tmp_path), states=states)
    assert caught.value.exit_code == Exit.USAGE
    assert {problem.code for problem in caught.value.diagnostics} == {"NMC-I050"}
    assert any(text in problem.what for problem in caught.value.diagnostics)


def test_a_model_without_inputs_has_no_states(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.weight(1, 2)), "y")
    assert not import_model(net.save(tmp_path)).graph.inputs


def test_states_go_with_onnx_files(tmp_path: Path) -> None:
    with pytest.raises(NmcError) as caught:
        import_model(tmp_path / "net.nir", states={"a": "b"})
    assert [problem.code for problem in caught.value.diagnostics] == ["NMC-I050"]


def test_an_autoencoder_has_no_states(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Relu", net.op("MatMul", net.input("x", (1, 4)), net.weight(4, 4)))
    net.output(x, "same_shape")
    assert [value.name for value in import_model(net.save(tmp_path)).graph.inputs] == ["x"]


@pytest.mark.parametrize("activation", ["none", "silu", "swish"])
@pytest.mark.parametrize("past", [True, False])
def test_causal_conv_with_state(activation: str, past: bool, tmp_path: Path) -> None:
    """The standard operator of opset 27, which onnxruntime does not run yet: against its definition."""
    net = Net(27, seed=3)
    x = net.input("x", (1, 4, 1))
    weight, bias = net.weight(4, 1, 3, name="w"), net.weight(4, name="b")
    operands = [x, weight, bias, *([net.input("past", (1, 4, 2))] if past else [])]
    y = net.op("CausalConvWithState", *operands, outputs=2, activation=activation)
    net.output(y, "y")
    if past:
        net.output(f"{y}.1", "present")
    found = import_model(net.save(tmp_path)).graph
    assert [value.name for value in found.inputs] == ["x"] and list(found.outputs) == ["y"]
    w, b = (np.frombuffer(t.raw_data, np.float32).reshape(t.dims).astype(np.float64) for t in net.initializers)
    clip = np.random.default_rng(1).normal(size=(1, 4, 8))
    padded = np.pad(clip[0], ((0, 0), (2, 0)))
    wanted = np.stack([(padded[:, t : t + 3] * w[:, 0]).sum(1) + b for t in range(8)], axis=1)
    wanted = wanted if activation == "none" else wanted / (1 + np.exp(-wanted))
    if past:
        got = FrameSession(transform(found, STREAM).graph).run({"x": clip})["y"][0]
        assert np.abs(got - wanted).max() <= 1e-6
    else:
        from nmc.compiler.ir import evaluate

        assert np.abs(evaluate(found, {"x": clip[:, :, :1]})["y"][0] - wanted[:, :1]).max() <= 1e-6


def test_the_command_line_takes_pairs(tmp_path: Path) -> None:
    path = accumulator().save(tmp_path)
    done = CliRunner().invoke(main, ["check", str(path), "--target", "akida", "--state", "total:total_next"])
    assert done.exit_code == 3 and "NMC-V005" in done.output
    fifo = tenn()[0].save(tmp_path, "tenn.onnx")
    out = tmp_path / "tenn.nmc"
    base = ["compile", str(fifo), "--target", "akida", "-o", str(out)]
    assert CliRunner().invoke(main, base).exit_code == 0
    first = load(out)
    assert CliRunner().invoke(main, [*base, "--state", "fifo=fifo_next"]).exit_code == 0
    again = load(out)
    assert [layer.name for layer in again.layers] == [layer.name for layer in first.layers]
    assert again.provenance["import"] == {"states": {"fifo": "fifo_next"}}
    for wrong in ("total", ":x", "x:", "total:a=b:c"):
        done = CliRunner().invoke(main, ["check", str(path), "--target", "akida", "--state", wrong])
        assert done.exit_code == 2, wrong
    twice = ["--state", "total:total_next", "--state", "total:y"]
    assert "named twice" in CliRunner().invoke(main, ["explain", str(path), "--target", "akida", *twice]).output

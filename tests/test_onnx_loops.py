"""Loop and Scan with a constant number of iterations are unrolled, and compute what onnxruntime computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx_loops import BOOL, FLOAT, INT64, graph, layers, loop_body, node, running_sum, scan_body
from torch._higher_order_ops.scan import scan

from nmc.compiler.frontends.onnx import import_with_notes
from onnx_models import Net, assert_same, check_import


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_a_loop_carries_values_and_stacks_others(opset: int, tmp_path: Path) -> None:
    net = Net(opset)
    x = net.input("x", ("N", 4))
    last = net.op("Loop", net.const(3), net.const(np.array(True)), x, outputs=2, body=layers(net))
    steps = net.op("Transpose", f"{last}.1", perm=[1, 0, 2])
    net.output(net.op("Relu", last))
    net.output(steps, "steps")
    made = check_import(net, tmp_path)
    assert [n.op.mnemonic for n in made.nodes].count("dense") == 3
    assert made.outputs["steps"].type.shape == (1, 3, 4)


def test_what_a_loop_stacks_for_nobody_is_not_built(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 4))
    net.output(net.op("Loop", net.const(2), "", x, outputs=2, body=layers(net)))
    made = check_import(net, tmp_path)
    assert all(n.op.mnemonic != "concat" for n in made.nodes)


def test_the_note_says_how_often_a_loop_runs(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 4))
    net.output(net.op("Loop", net.const(3), "", x, outputs=2, name="layers", body=layers(net)))
    assert import_with_notes(net.save(tmp_path)).notes == ("node 'layers': the Loop is unrolled, iterations: 3",)


def test_a_condition_that_the_body_computes_from_constants(tmp_path: Path) -> None:
    """while i + 1 < 4, without a trip count; the iteration's number is used too."""
    net = Net(17)
    x = net.input("x", ("N", 4))
    net.const(1, name="one"), net.const(4, name="four")
    nodes = [
        node("Add", ["i", "one"], ["next"]),
        node("Less", ["next", "four"], ["goes"]),
        node("Cast", ["next"], ["number"], to=FLOAT),
        node("Mul", ["h", "number"], ["q"]),
    ]
    body = graph(nodes, [("i", INT64), ("go", BOOL), ("h", FLOAT)], [("goes", BOOL), ("q", FLOAT)])
    net.output(net.op("Loop", "", net.const(np.array(True)), x, body=body))
    assert len(check_import(net, tmp_path).nodes) == 4  # 1·x, 2·x, 3·x, 4·x


def test_a_loop_that_does_not_run_gives_what_it_was_given(tmp_path: Path) -> None:
    for trips, go in ((0, True), (5, False)):
        net = Net(17)
        x = net.op("Relu", net.input("x", ("N", 4)))
        made = net.op("Loop", net.const(trips), net.const(np.array(go)), x, outputs=2, body=layers(net))
        net.output(net.op("Tanh", made))
        assert [n.op.mnemonic for n in check_import(net, tmp_path).nodes] == ["relu", "activation"]


def test_a_loop_in_a_loop_with_a_branch(tmp_path: Path) -> None:
    """The inner loop runs as often as the outer one has run; every other time its result is halved."""
    net = Net(17)
    x = net.input("x", ("N", 4))
    net.const(2, name="two"), net.const(0, name="zero"), net.const(np.float32(0.5), name="half")
    net.const(np.array(True), name="yes")
    sin = node("Sin", ["g"], ["s"])
    inner_keep = node("Identity", ["inner_go"], ["inner_goes"])
    inner = graph([sin, inner_keep], [("j", INT64), ("inner_go", BOOL), ("g", FLOAT)],
                  [("inner_goes", BOOL), ("s", FLOAT)])  # fmt: skip
    halved = graph([node("Mul", ["t", "half"], ["a"])], [], [("a", FLOAT)])
    same = graph([node("Add", ["t", x], ["b"])], [], [("b", FLOAT)])
    nodes = [
        node("Loop", ["i", "yes", "h"], ["t"], body=inner),
        node("Mod", ["i", "two"], ["rest"]),
        node("Equal", ["rest", "zero"], ["even"]),
        node("If", ["even"], ["q"], then_branch=halved, else_branch=same),
    ]
    net.output(net.op("Loop", net.const(4), "", x, body=loop_body(nodes, ["h"], ["q"])))
    kinds = [n.op.mnemonic for n in check_import(net, tmp_path).nodes]
    assert (kinds.count("function"), kinds.count("mul"), kinds.count("add")) == (6, 2, 2)


SCANS: dict[str, dict[str, Any]] = {
    "forward": {},
    "from the end": {"scan_input_directions": [1]},
    "stacked from the end": {"scan_output_directions": [1]},
    "negative axes": {"scan_input_axes": [-2], "scan_output_axes": [-2]},
    "stacked behind": {"scan_output_axes": [2]},
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_over_the_frames_of_a_clip(name: str, tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", (1, 5, 3))
    body = scan_body(running_sum(), ["h", "x_t"], ["sum", "y_t"])
    attributes = {"scan_input_axes": [1], "scan_output_axes": [1]} | SCANS[name]
    start = net.const(np.array([[0.5, -1.0, 0.0]], np.float32))
    last = net.op("Scan", start, x, outputs=2, body=body, num_scan_inputs=1, **attributes)
    net.output(last)
    net.output(f"{last}.1", "steps")
    made = check_import(net, tmp_path)
    assert made.outputs["steps"].type.shape == ((1, 3, 5) if name == "stacked behind" else (1, 5, 3))


def test_a_scan_with_frames_in_front_and_weights_of_every_step(tmp_path: Path) -> None:
    net = Net(17)
    x = net.op("Transpose", net.input("x", ("N", 4, 3)), perm=[1, 0, 2])
    made = [node("MatMul", ["x_t", "w_t"], ["m"]), node("Add", ["h", "m"], ["sum"]), node("Identity", ["sum"], ["y"])]
    body = scan_body(made, ["h", "x_t", "w_t"], ["sum", "y"])
    start = net.op("Relu", net.input("h0", ("N", 2)))
    last = net.op("Scan", start, x, net.weight(4, 3, 2), outputs=2, body=body, num_scan_inputs=2)
    net.output(net.op("Transpose", f"{last}.1", perm=[1, 0, 2]))
    assert check_import(net, tmp_path).outputs[net.outputs[0].name].type.shape == (1, 4, 2)


def test_constants_are_scanned_and_stacked_without_the_data(tmp_path: Path) -> None:
    """Running sums of a weight, computed at import."""
    net = Net(17)
    x = net.input("x", ("N", 4, 2))
    last = net.op("Scan", net.weight(2), net.weight(4, 2), outputs=2, num_scan_inputs=1,
                  body=scan_body(running_sum(), ["h", "x_t"], ["sum", "y_t"]))  # fmt: skip
    net.output(net.op("Mul", x, f"{last}.1"))
    assert [n.op.mnemonic for n in check_import(net, tmp_path).nodes] == ["mul"]


# --- what PyTorch exports ---


class Cell(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = torch.nn.Linear(3, 4), torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.a(x) + self.b(h))


class Scripted(torch.nn.Module):
    """A loop over the frames, which torch.jit.script keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = Cell(), torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.zeros(x.shape[0], 4)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.head(h)


class Scanned(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = Cell()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        def step(h: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            h = self.cell(frame, h)
            return h, h * 1.0

        return scan(step, torch.zeros(x.shape[0], 4), x.transpose(0, 1), dim=0)[1].transpose(0, 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", ["Loop", pytest.param("Scan", marks=pytest.mark.slow)])
def test_loops_that_pytorch_exports(op: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.jit.script(Scripted().eval()) if op == "Loop" else Scanned().eval()
    path = tmp_path / "net.onnx"
    options: dict[str, Any] = {"dynamo": False, "opset_version": 17} if op == "Loop" else {"dynamo": True}
    torch.onnx.export(net, (torch.randn(1, 5, 3),), str(path), input_names=["x"], **options)
    assert op in {n.op_type for n in onnx.load(path).graph.node}
    found = import_with_notes(path)
    assert [note.rpartition(" ")[2] for note in found.notes] == ["5"]
    assert_same(found.graph, str(path))

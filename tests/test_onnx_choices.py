"""Where by a comparison: an activation where it is exactly one, and refused where it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from nmc.compiler.frontends.onnx import import_onnx
from onnx_models import Net, assert_same, check_import, refusal

Build = Callable[[Net, str], str]


def number(net: Net, value: float) -> str:
    return net.const(np.float32(value))


def prelu(net: Net, x: str, op: str, kept: bool, slope: str = "") -> str:
    """x where the comparison with 0 says so, else slope · x; the other way round if not `kept`."""
    sides = [x, net.op("Mul", slope or number(net, 0.25), x)]
    return net.op("Where", net.op(op, x, number(net, 0)), *(sides if kept else sides[::-1]))


def elu(net: Net, x: str, alpha: float | None) -> str:
    bent = net.op("Sub", net.op("Exp", x), number(net, 1))
    bent = bent if alpha is None else net.op("Mul", bent, number(net, alpha))
    return net.op("Where", net.op("Greater", x, number(net, 0)), x, bent)


def selu(net: Net, x: str, other: float = 2.0) -> str:
    below = net.op("Sub", net.op("Mul", number(net, 2), net.op("Exp", x)), number(net, other))
    sides = [net.op("Mul", number(net, 3), value) for value in (below, x)]
    return net.op("Where", net.op("Less", x, number(net, 0)), *sides)


def thresholded(net: Net, x: str, op: str, limit: float, swapped: bool = False) -> str:
    """x beyond a threshold, else 0; with the threshold first if `swapped`."""
    t, zero = number(net, limit), number(net, 0)
    condition = net.op(op, t, x) if swapped else net.op(op, x, t)
    above = (op in ("Greater", "GreaterOrEqual")) != swapped
    return net.op("Where", condition, *((x, zero) if above else (zero, x)))


def shrink(net: Net, x: str, limit: float, bias: float, other: float | None = None) -> str:
    t, b = number(net, limit), number(net, bias)
    inner = net.op("Where", net.op("Less", t, x), net.op("Sub", x, b), number(net, 0))
    below = net.op("Less", x, net.op("Neg", t if other is None else number(net, other)))
    return net.op("Where", below, net.op("Add", x, b), inner)


def larger(net: Net, x: str, y: str, op: str, low: bool) -> str:
    return net.op("Where", net.op(op, x, y), *((x, y) if low else (y, x)))


def cast_like(net: Net, x: str) -> str:
    """As functions of ONNX spell it."""
    zero = net.op("CastLike", net.op("Constant", value_float=0.0), x)
    slope = net.op("CastLike", net.op("Constant", value_float=0.1), x)
    return net.op("Where", net.op("Less", x, zero), net.op("Mul", slope, x), x)


EQUAL: dict[str, tuple[Build, list[str]]] = {
    "prelu, greater": (lambda net, x: prelu(net, x, "Greater", True), ["activation"]),
    "prelu, greater or equal": (lambda net, x: prelu(net, x, "GreaterOrEqual", True), ["activation"]),
    "prelu, less": (lambda net, x: prelu(net, x, "Less", False), ["activation"]),
    "prelu, less or equal": (lambda net, x: prelu(net, x, "LessOrEqual", False), ["activation"]),
    "leaky relu of a function": (cast_like, ["activation"]),
    "elu": (lambda net, x: elu(net, x, None), ["activation"]),
    "elu with alpha": (lambda net, x: elu(net, x, 0.5), ["activation"]),
    "selu": (selu, ["activation", "mul"]),
    "threshold": (lambda net, x: thresholded(net, x, "Greater", 0.5), ["activation"]),
    "threshold, the other way round": (lambda net, x: thresholded(net, x, "LessOrEqual", 0.5), ["activation"]),
    "threshold, swapped": (lambda net, x: thresholded(net, x, "Less", 0.5, True), ["activation"]),
    "threshold 0": (lambda net, x: thresholded(net, x, "GreaterOrEqual", 0.0), ["clip"]),
    "hard shrink": (lambda net, x: shrink(net, x, 0.5, 0.0), []),
    "soft shrink": (lambda net, x: shrink(net, x, 0.5, 0.5), []),
    "at least": (lambda net, x: larger(net, x, number(net, 0.3), "Greater", True), ["clip"]),
    "at most": (lambda net, x: larger(net, x, number(net, 0.3), "LessOrEqual", True), ["clip"]),
    "the larger one": (lambda net, x: larger(net, x, net.op("Sin", x), "Less", False), ["function", "maximum"]),
    "slopes": (lambda net, x: prelu(net, x, "Greater", True, net.weight(3, 1)), []),
}


@pytest.mark.parametrize("name", EQUAL)
def test_choices_that_are_activations(name: str, tmp_path: Path) -> None:
    build, kinds = EQUAL[name]
    net = Net(17)
    net.output(build(net, net.op("Round", net.op("Add", *[net.input("x", ("N", 3, 4))] * 2))))  # some are at thresholds
    made = check_import(net, tmp_path)
    found = [node.op.mnemonic for node in made.nodes][2:]
    assert found == kinds if kinds else all(kind != "where" for kind in found)


REFUSED: dict[str, Build] = {
    "another threshold": lambda net, x: net.op(
        "Where", net.op("Greater", x, number(net, 0.5)), x, net.op("Mul", number(net, 0.1), x)
    ),
    "x at a threshold": lambda net, x: thresholded(net, x, "GreaterOrEqual", 0.5),
    "a reset": lambda net, x: net.op("Where", net.op("GreaterOrEqual", x, number(net, 1)), number(net, 0), x),
    "a computed slope": lambda net, x: prelu(net, x, "Greater", True, net.op("Sin", x)),
    "another alpha": lambda net, x: selu(net, x, 1.5),
    "two widths": lambda net, x: shrink(net, x, 0.5, 0.0, 0.75),
    "spikes": lambda net, x: net.op("Cast", net.op("GreaterOrEqual", x, number(net, 1)), to=TensorProto.FLOAT),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_choices_are_refused(name: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(REFUSED[name](net, net.input("x", ("N", 3))))
    found = refusal(net.save(tmp_path))
    assert {d.code for d in found} == {"NMC-I010"} and all("unrolled spiking network" in d.hint for d in found)


class Chosen(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.where(x > 0, x, 0.1 * x)
        x = torch.where(x < 1, x, torch.ones(()))
        return torch.where(x > 0.2, x, torch.zeros(()))


@pytest.mark.filterwarnings("ignore")
def test_choices_that_pytorch_exports(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    path = tmp_path / "net.onnx"
    torch.onnx.export(Chosen(), (torch.randn(1, 3),), str(path), input_names=["x"], dynamo=False, opset_version=17)
    assert "Where" in {node.op_type for node in onnx.load(path).graph.node}
    assert_same(import_onnx(path), str(path))

"""Samples that are alone in another axis than the first: several at once give what onnxruntime gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from onnx_models import Net, refusal, session

Build = Callable[[Net, str], str]


def time_first(then: Build, *back: int) -> Build:
    """(N, T, C) as (T, N, C), and back by this permutation."""
    return lambda net, x: net.op(
        "Transpose", then(net, net.op("Transpose", x, perm=[1, 0, 2])), perm=list(back) or [1, 0, 2]
    )


def step(net: Net, x: str) -> str:
    return net.op("Gather", net.op("Transpose", x, perm=[1, 0, 2]), net.const(2), axis=0)


def beside_its_mean(net: Net, x: str) -> str:
    """(T, N, C) − (N, C)"""
    return net.op("Sub", x, net.reduce_mean(x, [0], keepdims=0))


ALONE: dict[str, Build] = {
    "one step": step,
    "Gather": time_first(lambda n, x: n.op("Gather", x, n.const([0, 2, 3]), axis=0)),
    "Concat": time_first(lambda n, x: n.op("Concat", x, n.op("Relu", x), axis=2)),
    "Concat of steps": time_first(lambda n, x: n.op("Concat", x, n.op("Relu", x), axis=0)),
    "Slice": time_first(lambda n, x: n.slice(x, [1, 0, 0], [4, 2**31 - 1, 3], [0, 1, 2])),
    "Split": time_first(lambda n, x: n.op("Split", x, n.const([2, 3]), axis=0, outputs=2)),
    "MatMul": time_first(lambda n, x: n.op("MatMul", x, n.weight(4, 3))),
    "MatMul of a matrix a step": time_first(lambda n, x: n.op("MatMul", x, n.weight(5, 4, 3))),
    "MatMul of a vector": time_first(lambda n, x: n.op("MatMul", x, n.weight(4)), 1, 0),
    "LayerNormalization": time_first(lambda n, x: n.op("LayerNormalization", x, n.weight(4), n.weight(4))),
    "Pad": time_first(lambda n, x: n.pad(x, [2, 0, 0, 0, 0, 1])),
    "Unsqueeze, Squeeze": time_first(lambda n, x: n.squeeze(n.op("Neg", n.unsqueeze(x, [0, 3])), [0, 3])),
    "Softmax": time_first(lambda n, x: n.op("Softmax", x, axis=0)),
    "ReduceMean": lambda n, x: n.reduce_mean(n.op("Transpose", x, perm=[1, 2, 0]), [0, 1], keepdims=0),
    "Where": time_first(lambda n, x: n.op("Where", n.const(np.eye(5, 4)[:, None] > 0, np.bool_), x, n.op("Neg", x))),
    "Add of constants": time_first(lambda n, x: n.op("Add", n.op("Add", x, n.weight(5, 1, 1)), n.weight(2, 1, 1, 4)),
                                   2, 0, 1, 3),
    "PRelu": time_first(lambda n, x: n.op("PRelu", x, n.weight(4))),
    "less axes": time_first(beside_its_mean),
    "Expand": time_first(lambda n, x: n.op("Expand", n.reduce_mean(x, [2]), n.const([2, 5, 1, 3])), 2, 0, 1, 3),
    "Reshape that copies": time_first(lambda n, x: n.reshape(n.unsqueeze(x, [2]), [0, 0, -1])),
    "Reshape with open samples": time_first(lambda n, x: n.reshape(n.reshape(x, [5, -1, 2, 2]), [5, -1, 4])),
    "Flatten": time_first(lambda n, x: n.reshape(n.op("Relu", n.op("Flatten", x, axis=1)), [5, -1, 4])),
    "GlobalAveragePool": time_first(lambda n, x: n.op("GlobalAveragePool", x)),
    "Shape": time_first(lambda n, x: n.op("Mul", x, n.op("Cast", n.op("Gather", n.op("Shape", x), n.const(0)), to=1))),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_several_samples_that_are_alone_in_another_axis(name: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(ALONE[name](net, net.input("x", ("N", 5, 4))))
    check_batch(net, tmp_path, (5, 4))


@pytest.mark.parametrize("steps", [1, 5])
def test_one_step_of_time_is_not_taken_for_the_samples(steps: int, tmp_path: Path) -> None:
    net = Net(17)
    net.output(ALONE["Reshape that copies"](net, net.input("x", ("N", steps, 4))))
    check_batch(net, tmp_path, (steps, 4))


def check_batch(net: Net, folder: Path, shape: tuple[int, ...]) -> None:
    """The graph gives for three samples what onnxruntime gives for them at once."""
    path = net.save(folder)
    graph = import_onnx(path)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    (found,), wanted = evaluate(graph, {"x": x}).values(), session(str(path)).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_samples_between_others(tmp_path: Path) -> None:
    """(T, N, C) as (T·N, C): for several samples they would not be the outer factor of axis 0."""
    for form in (lambda n, x: n.reshape(x, [-1, 4]), lambda n, x: n.op("Flatten", x, axis=2)):
        net = Net(17)
        net.output(
            time_first(lambda n, x, form=form: n.reshape(form(n, x), [5, -1, 4]))(net, net.input("x", ("N", 5, 4)))
        )
        (problem,) = refusal(net.save(tmp_path))
        assert problem.code == "NMC-I015" and problem.hint

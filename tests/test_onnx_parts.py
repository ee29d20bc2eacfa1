"""Operators that are imported as several ops: sums, maxima, repetition, elements in another order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_onnx_ops import IMAGE, OPSETS, Row

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from onnx_models import Net, check_import, feeds_for, refusal

CLIP = (1, 2, 3, 4, 5)


def reduced(kind: str, axes: list[int], since: int = 18, shape: tuple[int, ...] = IMAGE, **attributes: int) -> Row:
    """A reduction whose axes become an operand in opset `since`."""
    return Row(shape, lambda n, x: n._axes(f"Reduce{kind}", x, axes, since, **attributes))


def summed(n: Net, x: str) -> str:
    return n.op("Sum", x, n.op("Relu", x), n.weight(1, 3, 1, 1))


ROWS = {
    "ReduceSum": reduced("Sum", [2, 3], 13),
    "ReduceSum of channels": reduced("Sum", [1], 13, keepdims=0),
    "ReduceSum of one": reduced("Sum", [1], 13, (1, 1, 4)),
    "ReduceL1": reduced("L1", [3, 1], keepdims=0),
    "ReduceSumSquare": reduced("SumSquare", [2]),
    "ReduceMax": reduced("Max", [2, 3]),
    "ReduceMax, one axis": reduced("Max", [3], keepdims=0),
    "ReduceMax, rank 5": reduced("Max", [2, 4], shape=CLIP, keepdims=0),
    "ReduceMax of channels": reduced("Max", [1]),
    "ReduceMax of channels and space": reduced("Max", [1, 3], keepdims=0),
    "ReduceMax of everything": reduced("Max", [1, 2, 3]),
    "ReduceMax, rank 2": reduced("Max", [1], shape=(1, 7)),
    "ReduceMin": reduced("Min", [2, 3], keepdims=0),
    "ReduceMin of channels": reduced("Min", [1], shape=(1, 3, 4)),
    "ReduceMax behind a transpose": Row(
        (1, 5, 4), lambda n, x: n._axes("ReduceMax", n.op("Transpose", x, perm=[0, 2, 1]), [2], 18, keepdims=0)
    ),
    "GlobalMaxPool": Row(CLIP, lambda n, x: n.op("GlobalMaxPool", x)),
    "Abs": Row(IMAGE, lambda n, x: n.op("Abs", x)),
    "Sum": Row(IMAGE, summed),
    "Sum of one": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Sum", x))),
    "Mean": Row(IMAGE, lambda n, x: n.op("Mean", n.weight(1, 3, 1, 8), x, x)),
    "Max with a number": Row(IMAGE, lambda n, x: n.op("Max", x, n.const(np.float32(-0.25)))),
    "Max with numbers": Row(IMAGE, lambda n, x: n.op("Max", n.const([0.25]), x, n.const([[0.5]]))),
    "Min with a number": Row(IMAGE, lambda n, x: n.op("Min", x, n.const([0.25, 0.25, 0.25, 0.25] * 2))),
    "Expand": Row((1, 3, 1, 4), lambda n, x: n.op("Expand", x, n.const([1, 3, 5, 1]))),
    "Expand, shorter shape": Row((1, 3, 1, 4), lambda n, x: n.op("Expand", x, n.const([2, 4]))),
    "Expand to itself": Row((1, 3, 1), lambda n, x: n.op("Relu", n.op("Expand", x, n.const([1, 1])))),
    "Tile": Row((1, 3, 2, 4), lambda n, x: n.op("Tile", x, n.const([1, 2, 1, 3]))),
    "DepthToSpace": Row((1, 12, 2, 3), lambda n, x: n.op("DepthToSpace", x, blocksize=2)),
    "DepthToSpace CRD": Row((1, 12, 2, 3), lambda n, x: n.op("DepthToSpace", x, blocksize=2, mode="CRD"), since=11),
    "SpaceToDepth": Row((1, 2, 4, 6), lambda n, x: n.op("SpaceToDepth", x, blocksize=2)),
    "Gather in another order": Row((1, 6, 3), lambda n, x: n.op("Gather", x, n.const([0, 2, 4, 1, 3, 5, 5]), axis=1)),
    "Gather a table": Row((1, 6, 3), lambda n, x: n.op("Gather", x, n.const([[0, 3], [2, 2]]), axis=1)),
    "Pad edge": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 1, 0, 0, 0, 2, 3], mode="edge")),
    "Pad reflect": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 2, 1, 0, 0, 0, 3], mode="reflect")),
    "Pad wrap": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 2, 1, 0, 0, 0, 3], mode="wrap"), since=19),
}
CASES = [(name, opset) for name, row in ROWS.items() for opset in OPSETS if row.since <= opset <= row.until]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(("name", "opset"), CASES, ids=[f"{name}, opset {opset}" for name, opset in CASES])
def test_equals_onnxruntime(name: str, opset: int, folder: Path) -> None:
    net = Net(opset)
    net.output(ROWS[name].build(net, net.input("x", ROWS[name].shape)))
    check_import(net, folder)


REFUSED = {
    "ReduceSum over samples": ("NMC-I015", lambda n, x: n._axes("ReduceSum", x, [0], 13)),
    "ReduceMax over all": ("NMC-I015", lambda n, x: n.op("ReduceMax", x)),
    "Max of other ranks": ("NMC-I015", lambda n, x: n.op("Max", x, n.op("Flatten", x))),
    "Max with numbers a sample": ("NMC-I015", lambda n, x: n.op("Max", x, n.weight(2, 3, 1, 1))),
    "Expand samples": ("NMC-I015", lambda n, x: n.op("Expand", x, n.const([2, 3, 9, 8]))),
    "Expand in front": ("NMC-I015", lambda n, x: n.op("Expand", x, n.const([1, 1, 3, 9, 8]))),
    "Expand, no fit": ("NMC-I012", lambda n, x: n.op("Expand", x, n.const([2, 1, 1]))),
    "Tile samples": ("NMC-I015", lambda n, x: n.op("Tile", x, n.const([2, 1, 1, 1]))),
    "Tile, number": ("NMC-I012", lambda n, x: n.op("Tile", x, n.const([1, 1]))),
    "Tile, often": ("NMC-I011", lambda n, x: n.op("Tile", x, n.const([1, 1, 1, 2**40]))),
    "Tile to nothing": ("NMC-I012", lambda n, x: n.op("Tile", x, n.const([1, 0, 1, 1]))),
    "DepthToSpace, channels": ("NMC-I012", lambda n, x: n.op("DepthToSpace", x, blocksize=2)),
    "DepthToSpace, mode": ("NMC-I011", lambda n, x: n.op("DepthToSpace", x, blocksize=1, mode="X")),
    "SpaceToDepth, pixels": ("NMC-I012", lambda n, x: n.op("SpaceToDepth", x, blocksize=2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, folder: Path) -> None:
    code, build = REFUSED[name]
    net = Net(17)
    net.output(build(net, net.input("x", IMAGE)))
    (found,) = refusal(net.save(folder, "refused.onnx"))
    assert found.code == code and found.why and found.where, found


def test_swiglu(folder: Path) -> None:
    net = Net(28)
    x = net.input("x", IMAGE)
    net.output(net.op("SwiGLU", x, net.op("Relu", x), alpha=0.5))
    graph = import_onnx(net.save(folder))
    a = feeds_for(graph)["x"].astype(np.float64)
    expected = a / (1 + np.exp(-0.5 * a)) * np.maximum(a, 0)
    assert np.allclose(evaluate(graph, feeds_for(graph))[net.outputs[0].name], expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("batch", ["N", 4])
def test_what_concerns_axis_0_of_a_batch_is_refused(batch: str | int, folder: Path) -> None:
    """At batch 1 these look as if they left the samples alone; at the file's own batch they do not."""
    for build in (
        lambda n, x: n.op("Flatten", x, axis=0),
        lambda n, x: n.slice(x, [0], [1], [0]),
        lambda n, x: n.slice(x, [0], [3], [0]),
    ):
        net = Net(17)
        net.output(net.op("Relu", build(net, net.input("x", (batch, 3, 4)))))
        (found,) = refusal(net.save(folder, "batch.onnx"), input_shapes={"x": (1, 3, 4)})
        assert found.code == "NMC-I015"


def test_a_slice_that_takes_the_whole_batch_is_imported(folder: Path) -> None:
    net = Net(17)
    net.output(net.op("Relu", net.slice(net.input("x", (4, 3)), [0], [4], [0])))
    assert len(list(import_onnx(net.save(folder), {"x": (1, 3)}).nodes)) == 1


def test_a_model_with_operators_of_other_domains_only_is_refused_and_not_called_damaged(folder: Path) -> None:
    net = Net(17)
    net.output(net.op("Normalizer", net.input("x", (1, 3)), domain="ai.onnx.ml"))
    model = net.proto()
    model.opset_import[0].domain = "ai.onnx.ml"
    path = folder / "ml.onnx"
    path.write_bytes(model.SerializeToString())
    (found,) = refusal(path)
    assert found.code == "NMC-I010" and "ai.onnx.ml" in found.why

"""Hints of import and target diagnostics work: a model that is refused compiles once its hint is followed.

Each case builds a model that is refused and the same model after the hint; `text` is a part of the hint that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmc.compiler import compile_model
from nmc.compiler.diagnostics import NmcError
from onnx_models import Net

Options = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Two models, what each is compiled with, and what the diagnostic of the first says."""

    code: str
    text: str
    refused: Callable[[], Net | onnx.ModelProto]
    followed: Callable[[], Net | onnx.ModelProto]
    target: str = "akida"
    before: Options = field(default_factory=dict)
    after: Options = field(default_factory=dict)


def dense(shape: tuple[int | str, ...] = (1, 4), opset: int = 17) -> Net:
    net = Net(opset)
    net.output(net.op("Relu", net.op("Gemm", net.input("x", shape), net.weight(4, 3), net.weight(3))))
    return net


def with_softmax(softmax: bool) -> Net:
    net = Net()
    y = net.op("Relu", net.op("Gemm", net.input("x", (1, 64)), net.weight(64, 256)))
    y = net.op("Gemm", y, net.weight(256, 3))
    net.output(net.op("Softmax", y, axis=1) if softmax else y)
    return net


def normed(training: int) -> Net:
    net = Net()
    x = net.op("Conv", net.input("x", (1, 2, 4, 4)), net.weight(3, 2, 3, 3))
    norm = [net.const(np.full(3, number, np.float32)) for number in (1.0, 0.5, 0.1, 2.0)]
    net.output(net.op("BatchNormalization", x, *norm, training_mode=training))
    return net


def chosen(constant: bool) -> Net:
    """An If whose condition depends on the data, and one whose condition does not."""
    net = Net()
    x = net.input("x", (1, 4))
    made = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branch = [helper.make_graph([helper.make_node(op, [x], ["z"])], op, [], [made]) for op in ("Relu", "Sigmoid")]
    largest = "" if constant else net.op("ReduceMax", x, axes=[1], keepdims=0)
    condition = net.const(np.array(True), bool) if constant else largest
    y = net.op("If", condition, then_branch=branch[0], else_branch=branch[1])
    net.output(net.op("MatMul", y, net.weight(4, 2)))
    return net


def classified(cut: bool) -> onnx.ModelProto:
    """A classifier that ends in its class, and the same, cut as the hint says."""
    net = Net()
    y = net.op("MatMul", net.op("Relu", net.op("MatMul", net.input("x", (1, 4)), net.weight(4, 8))), net.weight(8, 3))
    made = net.proto()
    made.graph.node.append(helper.make_node("ArgMax", [y], ["class"], axis=1))
    made.graph.output.append(helper.make_tensor_value_info("class", TensorProto.INT64, (1, 1)))
    return onnx.utils.Extractor(onnx.shape_inference.infer_shapes(made)).extract_model(["x"], [y]) if cut else made


def weights(sparse: bool) -> onnx.ModelProto:
    model = dense().proto()
    if sparse:
        tensor = model.graph.initializer.pop(0)
        values = numpy_helper.from_array(np.ones(1, np.float32), tensor.name)
        made = onnx.SparseTensorProto(dims=tensor.dims, values=values)
        made.indices.CopyFrom(numpy_helper.from_array(np.zeros(1, np.int64), "at"))
        model.graph.sparse_initializer.append(made)
    return model


def integers(cast: bool) -> Net:
    net = Net()
    x = net.input("x", (1, 4), TensorProto.INT32)
    x = net.op("Cast", x, to=TensorProto.FLOAT) if cast else net.op("Abs", x)
    net.output(net.op("Relu", net.op("MatMul", x, net.weight(4, 2)) if cast else x))
    return net


def old(opset: int) -> onnx.ModelProto:
    net = Net(opset)
    net.output(net.op("Relu", net.op("Conv", net.input("x", (1, 2, 4, 4)), net.weight(2, 2, 3, 3))))
    model = net.proto()
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(net.outputs[0].name, TensorProto.FLOAT, (1, 2, 2, 2)))
    return model


def clipped(low: float) -> Net:
    net = Net()
    x = net.op("Conv", net.input("x", (1, 2, 4, 4)), net.weight(2, 2, 3, 3))
    net.output(net.op("Gemm", net.op("Flatten", net.clip(x, low, 6.0)), net.weight(8, 2)))
    return net


def pooled(relu_first: bool) -> Net:
    net = Net()
    x = net.op("Conv", net.input("x", (1, 2, 6, 6)), net.weight(2, 2, 3, 3))
    x = net.op("Relu", x) if relu_first else x
    x = net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = x if relu_first else net.op("Sub", x, net.const(np.float32(0.1)))
    net.output(net.op("Gemm", net.op("Flatten", net.op("Relu", x)), net.weight(8, 2)))
    return net


def averaged(counted: int) -> Net:
    net = Net()
    x = net.op("Relu", net.op("Conv", net.input("x", (1, 2, 6, 6)), net.weight(2, 2, 3, 3)))
    x = net.op("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2], count_include_pad=counted)
    net.output(net.op("Relu", net.op("Conv", x, net.weight(2, 2, 1, 1))))
    return net


def over_time(before: int) -> Net:
    """A layer over three frames, some of them before and some after the frame in question."""
    net = Net()
    x = net.op(
        "Conv", net.input("clip", (1, 2, 8, 4, 4)), net.weight(2, 2, 3, 1, 1), pads=[before, 0, 0, 2 - before, 0, 0]
    )
    net.output(net.op("Relu", x))
    return net


def scaled(from_input: bool) -> Net:
    """A weight that is computed from the input, and one that is a parameter."""
    net = Net()
    x = net.input("x", (1, 2, 4, 4))
    kernel = (
        net.op("Reshape", net.input("k", (1, 18)), net.const([1, 2, 3, 3])) if from_input else net.weight(1, 2, 3, 3)
    )
    net.output(net.op("Relu", net.op("Conv", x, kernel)))
    return net


def expanded(stored: bool) -> Net:
    """A constant that is computed in the file, beyond what nmc computes, and one that is stored."""
    net = Net()
    x = net.op("Relu", net.op("MatMul", net.input("x", (1, 4)), net.weight(4, 2)))
    if stored:
        net.output(net.op("Add", x, net.const(np.zeros((1, 2), np.float32))))
        return net
    big = net.op("ConstantOfShape", net.const([2**14, 2**14]))
    net.output(net.op("Add", x, net.op("ReduceSum", big, net.const([0, 1]), keepdims=1)))
    return net


CASES: dict[str, Case] = {
    "open dimensions": Case(
        "NMC-I004", "give --input-shape", lambda: dense((1, "w")), lambda: dense((1, "w")),
        after={"input_shapes": {"x": (1, 4)}},
    ),
    "fixed batch, shape given": Case(
        "NMC-I017", "give --input-shape x=1,4", lambda: dense((8, 4)), lambda: dense((8, 4)),
        after={"input_shapes": {"x": (1, 4)}},
    ),
    "fixed batch, exported again": Case(
        "NMC-I017", "export with a dynamic batch axis or with batch 1", lambda: dense((8, 4)), lambda: dense(("N", 4)),
    ),
    "no batch": Case(
        "NMC-I017", "export the model with a batch axis in front", lambda: dense((4,)), dense,
    ),
    "training mode": Case("NMC-I011", "model.eval()", lambda: normed(1), lambda: normed(0)),
    "condition on data": Case("NMC-I013", "without control flow", lambda: chosen(False), lambda: chosen(True)),
    "class": Case("NMC-I010", "onnx.utils.extract_model", lambda: classified(False), lambda: classified(True)),
    "sparse weights": Case("NMC-I011", "dense weights", lambda: weights(True), lambda: weights(False)),
    "integers": Case("NMC-I011", "cast it to float first thing", lambda: integers(False), lambda: integers(True)),
    "opset": Case(
        "NMC-I007", "convert_version(model, 17)", lambda: old(8),
        lambda: onnx.version_converter.convert_version(old(8), 17),
    ),
    "computed weight": Case("NMC-I013", "parameter or buffer", lambda: scaled(True), lambda: scaled(False)),
    "computed constant": Case("NMC-I016", "store the result", lambda: expanded(False), lambda: expanded(True)),
    "softmax left to the host": Case(
        "NMC-A001", "--host-fallback", lambda: with_softmax(True), lambda: with_softmax(True),
        after={"host_fallback": True},
    ),
    "causal": Case(
        "NMC-V002", "pad on the left only", lambda: over_time(1), lambda: over_time(2), before={"causal": "strict"},
        after={"causal": "strict"},
    ),
    "clip below 0": Case("NMC-C001", "ReLU or ReLU6", lambda: clipped(-1.0), lambda: clipped(0.0), "cri"),
    "max pool": Case("NMC-C001", "put the ReLU before", lambda: pooled(False), lambda: pooled(True), "cri"),
    "average at the border": Case(
        "NMC-C001", "count_include_pad=True", lambda: averaged(0), lambda: averaged(1), "cri"
    ),
}  # fmt: skip


def saved(made: Net | onnx.ModelProto, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes((made.proto() if isinstance(made, Net) else made).SerializeToString())
    return path


@pytest.mark.parametrize("name", CASES)
def test_following_the_hint_works(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    with pytest.raises(NmcError) as caught:
        compile_model(saved(case.refused(), tmp_path, "refused.onnx"), case.target, **case.before)
    hints = [problem.hint for problem in caught.value.diagnostics if problem.code == case.code]
    assert any(case.text in hint for hint in hints), caught.value
    assert compile_model(saved(case.followed(), tmp_path, "followed.onnx"), case.target, **case.after)

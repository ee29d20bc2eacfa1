"""What is not imported is refused by name, all of it at once, and nothing that merely follows from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmc.compiler.codes import CODES
from nmc.compiler.diagnostics import Exit
from nmc.compiler.frontends.common.problems import WHAT
from nmc.compiler.frontends.onnx.handlers import HANDLERS
from onnx_models import Net, codes, refusal

IMAGE = (1, 3, 8, 8)


def test_all_problems_at_once_without_their_consequences(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", ("batch", 3, 8, 8))
    y = net.op("Conv", x, net.weight(4, 3, 3, 3, name="stem.weight"), name="/stem/Conv")
    y = net.op("Hardmax", y, name="/attention/Hardmax")
    for key, value in (
        ("name_scopes", ["", "head", "head.attn", "softmax"]),
        ("class_hierarchy", ["Net", "Head", "x.Attn", "a"]),
    ):
        net.nodes[-1].metadata_props.add(key=f"pkg.torch.onnx.{key}", value=repr(value))
    y = net.op("Conv", y, net.weight(5, 99, 3, 3), name="follows")  # 99 channels: wrong or not, nobody can say
    size = net.op("Gather", net.op("Shape", y), net.const(0), name="follows too")
    y = net.op(
        "Reshape", y, net.op("Where", net.op("Equal", size, net.const(1)), net.const([1, -1]), net.const([2, -1]))
    )
    y = net.op("Fused", net.op("Relu", y), domain="com.microsoft", name="fused")
    y = net.op("BatchNormalization", y, *(net.weight(4) for _ in range(4)), training_mode=1, name="norm")
    net.output(net.op("TopK", y, net.const([1]), outputs=2))
    net.output(net.op("Transpose", x, perm=[1, 0, 2, 3], name="late"))
    net.output(net.op("Conv", net.op("Mul", x, x, name="square"), x, name="dynamic"))
    found = refusal(net.save(tmp_path))
    assert [(d.code, d.what.split()[0]) for d in found] == [
        ("NMC-I010", "Hardmax"),
        ("NMC-I010", "Fused"),
        ("NMC-I011", "BatchNormalization"),
        ("NMC-I010", "TopK"),
        ("NMC-I013", "Conv"),
        ("NMC-I015", "output"),
    ]
    assert found[0].where == "layer 'head.attn' (Attn), node '/attention/Hardmax'"
    assert found[3].where == f"node {net.outputs[0].name!r}"
    assert all(d.code in CODES and d.what and d.where and d.why and d.hint for d in found[:5])


def test_codes_are_documented() -> None:
    assert set(WHAT) <= set(CODES)


def test_handlers_are_sorted_and_named_after_their_operators() -> None:
    names = list(HANDLERS)
    assert names == sorted(names, key=str.lower)
    for name, handler in HANDLERS.items():
        assert handler.__name__.replace("_", "") in (
            name.lower(),
            name.lower() + "_",
            name.lower().replace("normalization", "norm"),
        )


Build = Callable[[Net, str], str]


def _branch(net: Net, name: str, x: str) -> object:
    output = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node("Relu", [x], [f"{name}_out"])], name, [], [output])


def _weights(net: Net) -> list[str]:
    return [net.weight(4, 3, 3, 3), net.weight(4)]


# code, opset, shape, how to build
REFUSED: dict[str, tuple[str, int, tuple[int, ...], Build]] = {
    "unknown op": ("NMC-I010", 17, IMAGE, lambda n, x: n.op("Frobnicate", x)),
    "op of another domain": ("NMC-I010", 17, IMAGE, lambda n, x: n.op("Relu", x, domain="ai.onnx.ml")),
    "op without operands": ("NMC-I010", 17, (1, 3), lambda n, x: n.op("Add", x, n.op("RandomNormal", shape=[3]))),
    "comparison of values": ("NMC-I010", 17, (1, 3), lambda n, x: n.op("GreaterOrEqual", x, n.const(0.5))),
    "Loop": ("NMC-I012", 17, (1, 3), lambda n, x: n.op("Loop", n.const(3), "", x, body=_branch(n, "body", x))),
    "sequence": ("NMC-I010", 17, (1, 3), lambda n, x: n.op("Relu", n.op("SequenceConstruct", x))),
    "attribute unknown": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Relu", x, alpha=0.5)),
    "attribute of a later opset": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("AveragePool", x, kernel_shape=[2, 2], dilations=[2, 2]),
    ),
    "attribute of an earlier opset": ("NMC-I011", 18, IMAGE, lambda n, x: n.op("ReduceMean", x, axes=[2])),
    "attribute of the wrong kind": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("MaxPool", x, kernel_shape=2)),
    "attribute that is no flag": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("MaxPool", x, kernel_shape=[2, 2], ceil_mode=2),
    ),
    "operand too many": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Relu", x, n.const(1.0))),
    "operand missing": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Conv", x)),
    "no operand": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Relu")),
    "Conv, computed weight": ("NMC-I013", 17, (1, 1, 3, 3), lambda n, x: n.op("Conv", x, n.op("Relu", x))),
    "Conv, computed bias": (
        "NMC-I013",
        17,
        (1, 3),
        lambda n, x: n.op("Conv", x, n.weight(3, 3, 1), n.op("Flatten", x)),
    ),
    "Conv, whole numbers": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Conv", x, n.const(np.ones((4, 3, 3, 3), int)))),
    "Conv, kernel_shape": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), kernel_shape=[5, 5])),
    "Conv, channels": ("NMC-I012", 17, (1, 2, 8, 8), lambda n, x: n.op("Conv", x, *_weights(n))),
    "Conv, groups": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), group=3)),
    "Conv, rank": ("NMC-I012", 17, (1, 3, 8), lambda n, x: n.op("Conv", x, *_weights(n))),
    "Conv, small input": ("NMC-I012", 17, (1, 3, 2, 8), lambda n, x: n.op("Conv", x, *_weights(n))),
    "Conv, stride 0": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), strides=[0, 1])),
    "Conv, pads": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), pads=[1, 1])),
    "Conv, negative pads": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), pads=[0, -1, 0, 0])),
    "Conv, huge pads": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), pads=[2**60] * 4)),
    "Conv, auto_pad": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("Conv", x, *_weights(n), auto_pad="SAME")),
    "Conv, auto_pad and pads": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("Conv", x, *_weights(n), auto_pad="VALID", pads=[1] * 4),
    ),
    "Conv, SAME that cuts": (
        "NMC-I011",
        17,
        (1, 3, 10, 8),
        lambda n, x: n.op("Conv", x, *_weights(n), auto_pad="SAME_UPPER", strides=[5, 1]),
    ),
    "Gemm, transA": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Gemm", x, n.weight(1, 3), transA=1)),
    "Gemm, a bias a sample": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Gemm", x, n.weight(4, 3), n.weight(2, 3))),
    "Gemm, computed": ("NMC-I013", 17, (1, 1), lambda n, x: n.op("Gemm", x, x)),
    "Gemm, infinite alpha": ("NMC-I011", 17, (1, 4), lambda n, x: n.op("Gemm", x, n.weight(4, 3), alpha=float("inf"))),
    "MatMul, sizes": ("NMC-I012", 17, (1, 4), lambda n, x: n.op("MatMul", x, n.weight(5, 3))),
    "MatMul of samples": ("NMC-I015", 17, (1, 1), lambda n, x: n.op("MatMul", x, x)),
    "MatMul of values, other ranks": (
        "NMC-I015",
        17,
        (1, 4, 4),
        lambda n, x: n.op("MatMul", n.unsqueeze(x, [1]), x),
    ),
    "MatMul, a matrix a sample": ("NMC-I015", 17, (1, 2, 4), lambda n, x: n.op("MatMul", x, n.weight(2, 4, 3))),
    "Add, one number a sample": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Add", x, n.weight(5, 4))),
    "Add, an axis in front": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Add", x, n.weight(1, 1, 4))),
    "Add, samples on an axis": (
        "NMC-I015",
        17,
        IMAGE,
        lambda n, x: n.op("Add", x, n.op("Flatten", n.reduce_mean(x, [1, 2]))),
    ),
    "Add, shapes": ("NMC-I012", 17, (1, 4), lambda n, x: n.op("Add", x, n.weight(3))),
    "Div by zero": ("NMC-I011", 17, (1, 2), lambda n, x: n.op("Div", x, n.const([1.0, 0.0]))),
    "BatchNormalization, opset 9 training": (
        "NMC-I011",
        9,
        IMAGE,
        lambda n, x: n.op("BatchNormalization", x, *(n.weight(3) for _ in range(4)), outputs=5),
    ),
    "BatchNormalization, variance": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("BatchNormalization", x, *(n.weight(3) for _ in range(3)), n.const([-1.0, 1.0, 1.0])),
    ),
    "Clip, computed": ("NMC-I013", 17, (1, 4), lambda n, x: n.op("Clip", x, n.op("Relu", x))),
    "Clip, NaN": ("NMC-I011", 9, (1, 4), lambda n, x: n.clip(x, float("nan"), None)),
    "Dropout in training": (
        "NMC-I011",
        17,
        (1, 4),
        lambda n, x: n.op("Dropout", x, n.const(0.5), n.const(np.array(True))),
    ),
    "Dropout, mask": ("NMC-I011", 17, (1, 4), lambda n, x: n.op("Cast", f"{n.op('Dropout', x, outputs=2)}.1", to=1)),
    "Cast to whole numbers": ("NMC-I011", 17, (1, 4), lambda n, x: n.op("Cast", x, to=TensorProto.INT32)),
    "MaxPool, indices": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("Cast", f"{n.op('MaxPool', x, outputs=2, kernel_shape=[2, 2])}.1", to=1),
    ),
    "MaxPool without kernel_shape": ("NMC-I011", 17, IMAGE, lambda n, x: n.op("MaxPool", x)),
    "MaxPool, pads as wide as the kernel": (
        "NMC-I012",
        17,
        IMAGE,
        lambda n, x: n.op("MaxPool", x, kernel_shape=[2, 2], pads=[2, 0, 0, 0]),
    ),
    "ReduceMean over samples": ("NMC-I015", 17, IMAGE, lambda n, x: n.reduce_mean(x, [0, 2])),
    "ReduceMean over all": ("NMC-I015", 18, IMAGE, lambda n, x: n.op("ReduceMean", x)),
    "ReduceMean, axis twice": ("NMC-I012", 17, IMAGE, lambda n, x: n.reduce_mean(x, [2, -2])),
    "ReduceMean, no such axis": ("NMC-I012", 17, IMAGE, lambda n, x: n.reduce_mean(x, [4])),
    "Concat of samples": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Concat", x, x, axis=0)),
    "Concat without axis": ("NMC-I011", 17, (1, 4), lambda n, x: n.op("Concat", x, x)),
    "Concat, shapes": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Concat", x, n.reduce_mean(x, [2]), axis=1)),
    "Flatten all": ("NMC-I015", 17, (1, 4, 4), lambda n, x: n.op("Flatten", x, axis=2)),
    "Reshape, size": ("NMC-I012", 17, (1, 4), lambda n, x: n.reshape(x, [1, 5])),
    "Reshape, two open": ("NMC-I012", 17, (1, 4), lambda n, x: n.reshape(x, [-1, -1])),
    "Reshape, -1 does not divide": ("NMC-I012", 17, (1, 4), lambda n, x: n.reshape(x, [1, 3, -1])),
    "Reshape, allowzero": ("NMC-I012", 17, (1, 4), lambda n, x: n.reshape(x, [0, 4], allowzero=1)),
    "Reshape, copies too much": ("NMC-I012", 17, (1, 4), lambda n, x: n.reshape(x, [1, 4, 0])),
    "Reshape mixes time into samples": ("NMC-I015", 17, (1, 4, 6), lambda n, x: n.reshape(x, [-1, 6])),
    "Reshape drops the samples": ("NMC-I015", 17, (1, 4), lambda n, x: n.reshape(x, [4])),
    "Reshape, computed shape": ("NMC-I013", 17, (1, 4), lambda n, x: n.op("Reshape", x, n.op("Relu", x))),
    "Squeeze samples": ("NMC-I015", 17, (1, 1, 4), lambda n, x: n.squeeze(x, [0])),
    "Squeeze everything": ("NMC-I015", 17, (1, 1, 4), lambda n, x: n.squeeze(x, None)),
    "Squeeze, empty axes": ("NMC-I011", 17, (1, 1, 4), lambda n, x: n.squeeze(x, [])),
    "Squeeze, longer axis": ("NMC-I012", 17, (1, 2, 4), lambda n, x: n.squeeze(x, [1])),
    "Unsqueeze in front": ("NMC-I015", 17, (1, 4), lambda n, x: n.unsqueeze(x, [0])),
    "Transpose of samples": ("NMC-I015", 17, (1, 4, 4), lambda n, x: n.op("Transpose", x)),
    "Transpose, negative perm": ("NMC-I012", 17, (1, 4, 4), lambda n, x: n.op("Transpose", x, perm=[0, -1, 1])),
    "Pad, mode": ("NMC-I011", 17, IMAGE, lambda n, x: n.pad(x, [0, 0, 1, 1, 0, 0, 1, 1], mode="mirror")),
    "Pad, reflect too far": ("NMC-I011", 17, (1, 4), lambda n, x: n.pad(x, [0, 4, 0, 0], mode="reflect")),
    "Pad, reflect and cut": ("NMC-I011", 17, (1, 4), lambda n, x: n.pad(x, [0, 1, 0, -1], mode="reflect")),
    "Pad samples": ("NMC-I015", 17, IMAGE, lambda n, x: n.pad(x, [1, 0, 0, 0, 0, 0, 0, 0])),
    "Pad, number of pads": ("NMC-I012", 17, IMAGE, lambda n, x: n.pad(x, [1, 1])),
    "Pad, NaN": ("NMC-I011", 9, IMAGE, lambda n, x: n.pad(x, [0] * 8, float("nan"))),
    "Pad, cut to nothing": ("NMC-I012", 17, (1, 3), lambda n, x: n.pad(x, [0, -2, 0, -1])),
    "Slice of nothing": ("NMC-I012", 17, (1, 4), lambda n, x: n.slice(x, [2], [2], [1])),
    "Slice of samples": ("NMC-I015", 17, (1, 4), lambda n, x: n.slice(x, [1], [2], [0])),
    "Slice, lengths": ("NMC-I012", 17, (1, 4), lambda n, x: n.slice(x, [0, 1], [2], [0])),
    "Split, sizes": ("NMC-I012", 17, (1, 4), lambda n, x: n.op("Split", x, n.const([1, 2]), axis=1, outputs=2)),
    "Split of samples": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Split", x, axis=0)),
    "Gather, many runs": (
        "NMC-I011",
        17,
        (1, 99),
        lambda n, x: n.op("Gather", x, n.const(list(range(98, 0, -1))), axis=1),
    ),
    "Gather, out of range": ("NMC-I012", 17, (1, 4), lambda n, x: n.op("Gather", x, n.const(4), axis=1)),
    "Gather samples": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Gather", x, n.const(0))),
    "PRelu, slopes a sample": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("PRelu", x, n.weight(2, 4))),
    "Pow, an axis in front": ("NMC-I015", 17, (1, 4), lambda n, x: n.op("Pow", x, n.const([[[2.0]]]))),
    "Celu, alpha": ("NMC-I011", 17, (1, 4), lambda n, x: n.op("Celu", x, alpha=-1.0)),
    "Resize, infinite": ("NMC-I011", 18, IMAGE, lambda n, x: n.resize(x, [np.inf], axes=[3])),
    "Resize, whole scales": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.op("Resize", x, "", n.const([1, 1, 2, 2])),
    ),
    "Resize, size 0": ("NMC-I012", 17, IMAGE, lambda n, x: n.resize(x, sizes=[1, 3, 0, 8])),
    "Resize, samples": ("NMC-I015", 17, IMAGE, lambda n, x: n.resize(x, [2, 1, 1, 1])),
    "Resize, computed scales": ("NMC-I013", 17, (1, 3, 4), lambda n, x: n.op("Resize", x, "", n.op("Flatten", x))),
    "Resize, neither": ("NMC-I012", 17, IMAGE, lambda n, x: n.resize(x)),
    "Resize, both": ("NMC-I012", 17, IMAGE, lambda n, x: n.resize(x, [1, 1, 2, 2], [1, 3, 16, 16])),
    "Resize, count": ("NMC-I012", 17, IMAGE, lambda n, x: n.resize(x, [2, 2])),
    "Resize, axis twice": ("NMC-I012", 18, IMAGE, lambda n, x: n.resize(x, [2, 2], axes=[2, -2])),
    "Resize, no such axis": ("NMC-I012", 18, IMAGE, lambda n, x: n.resize(x, [2], axes=[4])),
    "Resize, axes too early": ("NMC-I011", 17, IMAGE, lambda n, x: n.resize(x, [1, 1, 2, 2], axes=range(4))),
    "Resize, scales no list": ("NMC-I012", 17, IMAGE, lambda n, x: n.op("Resize", x, "", n.const([[1.0, 1.0]]))),
    "Resize, crop": (
        "NMC-I011",
        17,
        IMAGE,
        lambda n, x: n.resize(x, [1, 1, 2, 2], coordinate_transformation_mode="tf_crop_and_resize"),
    ),
    "Resize, rounding": ("NMC-I011", 17, IMAGE, lambda n, x: n.resize(x, [1, 1, 2, 2], nearest_mode="simple")),
    "Resize, antialias": ("NMC-I011", 18, IMAGE, lambda n, x: n.resize(x, [1, 1, 2, 2], antialias=1)),
    "Resize, policy": (
        "NMC-I011",
        18,
        IMAGE,
        lambda n, x: n.resize(x, sizes=[1, 3, 16, 32], keep_aspect_ratio_policy="other"),
    ),
    "Resize, large kernel": ("NMC-I016", 17, (1, 3, 1, 1), lambda n, x: n.resize(x, [1, 1, 2048, 2048])),
    "Resize, long axis": ("NMC-I012", 17, (1, 1, 8), lambda n, x: n.resize(x, [1, 1, 2**22])),
    "Resize in opset 9": ("NMC-I011", 9, IMAGE, lambda n, x: n.op("Resize", x, n.const([1.0, 1.0, 2.0, 2.0]))),
    "Upsample in opset 10": ("NMC-I011", 10, IMAGE, lambda n, x: n.op("Upsample", x, n.const([1.0, 1.0, 2.0, 2.0]))),
    "Gelu, form": ("NMC-I011", 20, (1, 4), lambda n, x: n.op("Gelu", x, approximate="cubic")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    code, opset, shape, build = REFUSED[case]
    net = Net(opset)
    net.output(build(net, net.input("x", shape)))
    (found,) = refusal(net.save(tmp_path_factory.getbasetemp(), "refused.onnx"))
    assert found.code == code and found.why and found.where, found


@pytest.mark.parametrize(("compared", "threshold"), [("x", 5.0), ("y", 20.0), ("x", float("-inf")), ("x", None)])
def test_what_only_looks_like_a_softplus_with_a_threshold(
    compared: str, threshold: float | None, tmp_path: Path
) -> None:
    """The threshold is so low that it shows, belongs to another value, or is no single number."""
    net = Net()
    net.input("x", (1, 2))
    net.input("y", (1, 2))
    limit = net.const([20.0, 20.0] if threshold is None else threshold)
    net.output(net.op("Where", net.op("Greater", compared, limit), "x", net.op("Softplus", "x")))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I010"]


def test_part_of_an_open_batch_is_refused(tmp_path: Path) -> None:
    net = Net()
    net.output(net.slice(net.input("x", ("N", 4)), [0], [1], [0]))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I015"]


@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.UINT8, TensorProto.STRING, TensorProto.COMPLEX64])
def test_inputs_that_are_no_floats(dtype: int, tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", (1, 4), dtype)))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I011" and TensorProto.DataType.Name(dtype) in found.why


def test_a_sequence_as_input(tmp_path: Path) -> None:
    net = Net()
    net.inputs.append(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1, 4]))
    net.output(net.op("SequenceAt", "x", net.const(0)))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I011", "NMC-I010"]


def test_sparse_initializers(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("MatMul", net.input("x", (1, 2)), "w"))
    model = net.proto()
    values, indices = (
        numpy_helper.from_array(np.ones(1, np.float32), "w"),
        numpy_helper.from_array(np.zeros(1, np.int64), "i"),
    )
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 2]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (found,) = refusal(tmp_path / "m.onnx")
    assert found.code == "NMC-I011" and found.where == "'w'"


def test_constants_of_other_types(tmp_path: Path) -> None:
    net = Net()
    net.initializers.append(helper.make_tensor("text", TensorProto.STRING, [1], ["a"]))
    net.initializers.append(helper.make_tensor("minifloats", TensorProto.FLOAT8E4M3FN, [2], [1, 2]))
    x = net.input("x", (1, 2))
    net.output(net.op("Add", x, "text"))
    net.output(net.op("Add", x, "minifloats"))
    assert sorted(d.where for d in refusal(net.save(tmp_path))) == ["1 tensor: 'minifloats'", "1 tensor: 'text'"]


def test_an_output_of_whole_numbers(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Shape", net.input("x", (1, 2))))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I011" and "output" in found.what


@pytest.mark.parametrize("opset", [8, 99])
def test_opsets_beyond_the_known(opset: int, tmp_path: Path) -> None:
    net = Net(opset)
    net.output(net.op("Relu", net.input("x", (1, 2))))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I007" and str(opset) in found.what


def test_ir_versions_beyond_the_known(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", (1, 2))))
    model = net.proto()
    model.ir_version = 99
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert codes(refusal(tmp_path / "m.onnx")) == ["NMC-I007"]


def _cycle(net: Net) -> None:
    net.nodes.append(helper.make_node("Add", ["x", "b"], ["a"], name="first"))
    net.nodes.append(helper.make_node("Relu", ["a"], ["b"], name="second"))
    net.output("b")


def _undefined(net: Net) -> None:
    net.output(net.op("Add", "x", "nowhere"))


def _twice(net: Net) -> None:
    net.output(net.op("Relu", "x"))
    net.nodes.append(net.nodes[-1])


def _output_of_nothing(net: Net) -> None:
    net.output("nothing")


def _two_inputs_of_one_name(net: Net) -> None:
    net.input("x", (1, 2))
    net.output(net.op("Relu", "x"))


@pytest.mark.parametrize("build", [_cycle, _undefined, _twice, _output_of_nothing, _two_inputs_of_one_name])
def test_broken_wiring(build: Callable[[Net], None], tmp_path: Path) -> None:
    net = Net()
    net.input("x", (1, 2))
    build(net)
    found = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert set(codes(found)) == {"NMC-I014"}
    if build is _cycle:
        assert "Add 'first'" in found[0].why and "Relu 'second'" in found[0].why

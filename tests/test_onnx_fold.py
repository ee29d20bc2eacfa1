"""What is computed from constants and shapes is computed at import, within bounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from nmc.compiler.diagnostics import Exit
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir.ops import Pad, Reshape
from onnx_models import Net, assert_same, check_import, codes, refusal


def constant(net: Net, **value: object) -> str:
    return net.op("Constant", **value)


def shape_item(net: Net, x: str, index: int) -> str:
    return net.op("Gather", net.op("Shape", x), constant(net, value_int=index), axis=0)


@pytest.mark.parametrize("opset", [11, 13, 17])
def test_view_by_batch_size(opset: int, tmp_path: Path) -> None:
    """x.view(x.size(0), -1) as the legacy exporter writes it."""
    net = Net(opset)
    x = net.input("x", ("batch", 3, 4, 4))
    size = net.op("Gather", net.op("Shape", x), net.const(0), axis=0)
    shape = net.op("Concat", net.unsqueeze(size, [0]), net.const([-1]), axis=0)
    net.output(net.op("Gemm", net.op("Reshape", x, shape), net.weight(48, 5), net.weight(5)))
    graph = check_import(net, tmp_path)
    assert [node.op.mnemonic for node in graph.nodes] == ["reshape", "dense"]
    assert graph.nodes[0].result.type.axes == "NC"


def legacy_pad(net: Net, x: str, pads: list[int]) -> str:
    """F.pad as the legacy exporter writes it: pads of the last axis first, extended by zeros, then turned round."""
    zeros = net.op(
        "ConstantOfShape", net.const([8 - len(pads)]), value=helper.make_tensor("v", TensorProto.INT64, [1], [0])
    )
    grid = net.reshape(net.op("Concat", net.const(pads), zeros, axis=0), [-1, 2])
    back = net.slice(grid, [-1], [-(2**63) + 1], [0], [-1])
    flat = net.reshape(net.op("Transpose", back, perm=[1, 0]), [-1])
    return net.op("Pad", x, net.op("Cast", flat, to=TensorProto.INT64), "", mode="constant")


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_legacy_pad(opset: int, tmp_path: Path) -> None:
    net = Net(opset)
    padded = legacy_pad(net, net.input("x", ("N", 3, 5, 5)), [2, 0, 1, 3])
    net.output(net.op("Conv", padded, net.weight(2, 3, 3, 3)))
    graph = check_import(net, tmp_path)
    assert graph.nodes[0].op == Pad(((0, 0), (0, 0), (1, 3), (2, 0)))


def test_chunk_by_shape_arithmetic(tmp_path: Path) -> None:
    """x.chunk(2, 1)[1] as the legacy exporter writes it."""
    net = Net(17)
    x = net.input("x", ("N", 6, 4, 4))
    size = shape_item(net, x, 1)
    half = net.op("Div", net.op("Add", size, net.const(1)), net.const(2))
    start, end = (net.unsqueeze(net.op("Mul", half, net.const(k)), [0]) for k in (1, 2))
    net.output(net.op("Slice", x, start, end, net.const([1])))
    check_import(net, tmp_path)


def test_expand_where_equal_mod_range(tmp_path: Path) -> None:
    """Zeros of a computed shape in front of the input, the shape chosen by Equal and Where, times an even index."""
    net = Net(17)
    x = net.input("x", ("N", 4, 6))
    wanted = net.op("Concat", net.const([-1, -1]), net.op("Reshape", shape_item(net, x, 1), net.const([1])), axis=0)
    shape = net.op("Where", net.op("Equal", wanted, net.const([-1, -1, 4])), net.const([1, 4, 2]), wanted)
    zeros = net.op("Expand", net.const(np.zeros((1, 1, 1), np.float32)), shape)
    ramp = net.op("Range", net.const(0), shape_item(net, x, 2), net.const(1))
    even = net.op("Cast", net.op("Mod", ramp, net.const(2)), to=TensorProto.FLOAT)
    scaled = net.op("Mul", x, net.op("Tile", net.op("Sqrt", even), net.const([1])))
    net.output(net.op("Concat", net.op("Slice", zeros, net.const([0]), net.const([2]), net.const([2])), scaled, axis=2))
    graph = check_import(net, tmp_path)
    assert [node.op.mnemonic for node in graph.nodes] == ["mul", "concat"]


def branch(net: Net, name: str, op: str, *operands: str) -> object:
    node = helper.make_node(op, operands, [f"{name}_out"], name=f"{name}_{op}")
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)])


@pytest.mark.parametrize("last", [1, 5])
def test_if_over_a_shape(last: int, tmp_path: Path) -> None:
    """x.squeeze(3) of a size unknown to the exporter: If(size == 1) {Squeeze} else {Identity}."""
    net = Net(13)
    x = net.op("Relu", net.input("x", ("N", 3, 5, "W")))
    condition = net.op("Equal", shape_item(net, x, 3), constant(net, value_int=1))
    axes = net.const([3], name="axes")
    branches = {
        "then_branch": branch(net, "then", "Squeeze", x, axes),
        "else_branch": branch(net, "else", "Identity", x),
    }
    net.output(net.op("Relu", net.op("If", condition, **branches)))
    graph = check_import(net, tmp_path, input_shapes={"x": (1, 3, 5, last)})
    assert graph.outputs[net.outputs[0].name].type.rank == (3 if last == 1 else 4)


def test_if_in_an_if_with_initializers_of_their_own(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 4))
    info = helper.make_tensor_value_info
    three = numpy_helper.from_array(np.float32(3), "three")
    inner = helper.make_graph(
        [helper.make_node("Mul", [x, "three"], ["p"])], "inner", [], [info("p", TensorProto.FLOAT, None)], [three]
    )
    other = branch(net, "other", "Tanh", x)
    yes = net.const(np.array([True]), name="yes")
    nested = helper.make_node("If", [yes], ["q"], then_branch=inner, else_branch=other)
    outer = helper.make_graph([nested], "outer", [], [info("q", TensorProto.FLOAT, None)])
    net.output(net.op("If", yes, then_branch=outer, else_branch=branch(net, "no", "Sigmoid", x)))
    graph = check_import(net, tmp_path)
    assert [node.op.mnemonic for node in graph.nodes] == ["mul"]


def test_if_over_data_is_refused(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 4))
    condition = net.op("Cast", net.op("Relu", x), to=TensorProto.FLOAT)
    net.output(
        net.op("If", condition, then_branch=branch(net, "a", "Relu", x), else_branch=branch(net, "b", "Tanh", x))
    )
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I013" and "depends on the data" in found.why


SPELLINGS = {
    "value": {"value": numpy_helper.from_array(np.array([[1.5, -2.0]], np.float32))},
    "value_float": {"value_float": 2.5},
    "value_floats": {"value_floats": [0.5, 3.0]},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_constant_nodes(spelling: str, tmp_path: Path) -> None:
    net = Net(13)
    net.output(net.op("Add", net.input("x", ("N", 2)), net.op("Identity", constant(net, **SPELLINGS[spelling]))))
    check_import(net, tmp_path)


def test_constant_nodes_of_whole_numbers(tmp_path: Path) -> None:
    net = Net(13)
    index = net.op("Sub", constant(net, value_int=3), constant(net, value_int=1))
    shape = net.op("Concat", constant(net, value_ints=[0, -1]), net.unsqueeze(index, [0]), axis=0)
    net.output(net.op("Reshape", net.input("x", ("N", 2, 4)), shape))
    graph = check_import(net, tmp_path)
    assert graph.nodes[0].op == Reshape((1, 4, 2), "N__")


def test_constants_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    net = Net(13)
    x = net.input("x", ("N", 2))
    y = net.op("Add", x, constant(net, value_string="text"))
    net.output(net.op("Add", y, constant(net, value_floats=[1.0], value_int=2)))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I011", "NMC-I011"]


def test_weights_computed_from_weights(tmp_path: Path) -> None:
    """Weight standardisation, a transposed weight, a product of two matrices, dequantized int8 weights."""
    net = Net(17)
    w = net.weight(4, 3, 3, 3)
    centred = net.op("Sub", w, net.reduce_mean(w, [1, 2, 3]))
    y = net.op("Conv", net.input("x", ("N", 3, 3, 3)), centred)
    y = net.op("MatMul", net.op("Flatten", y), net.op("Transpose", net.weight(5, 4), perm=[1, 0]))
    y = net.op("MatMul", y, net.op("MatMul", net.weight(5, 2), net.weight(2, 6)))
    codes8 = net.const(net.rng.integers(-128, 128, (7, 6)), np.int8)
    scale, zero = net.const(net.rng.uniform(0.01, 0.1, 7)), net.const(np.zeros(7), np.int8)
    rows = net.op("DequantizeLinear", codes8, scale, zero, axis=0)
    net.output(net.op("Gemm", y, rows, net.weight(7), transB=1))
    graph = check_import(net, tmp_path)
    assert [node.op.mnemonic for node in graph.nodes] == ["conv", "reshape", "dense", "dense", "dense"]


def test_weights_that_are_written_into(tmp_path: Path) -> None:
    """Masks that exporters fill in place."""
    net = Net(17)
    rows = net.op("ScatterND", net.weight(4, 3), net.const([[0], [2]]), net.weight(2, 3))
    mask = net.op("ScatterElements", rows, net.const([[1, 0, 2]]), net.weight(1, 3), axis=0)
    net.output(net.op("Mul", net.input("x", ("N", 4, 3)), mask))
    assert [node.op.mnemonic for node in check_import(net, tmp_path).nodes] == ["mul"]


def test_integer_division_truncates(tmp_path: Path) -> None:
    net = Net(17)
    quotient = net.op("Div", net.const([-7, 7]), net.const([2, 2]))
    net.output(net.op("Mul", net.input("x", ("N", 2)), net.op("Cast", quotient, to=TensorProto.FLOAT)))
    graph = check_import(net, tmp_path)
    assert [v.data.tolist() for v in graph.constants()] == [[-3.0, 3.0]]


LARGE = {
    "Expand": lambda n: n.op("Expand", n.const([1.0]), n.const([2**40])),
    "ConstantOfShape": lambda n: n.op("ConstantOfShape", n.const([2**20, 2**20, 2**20, 2**20])),
    "Tile": lambda n: n.op("Tile", n.const([1.0, 2.0]), n.const([2**40])),
    "Range": lambda n: n.op("Range", n.const(0), n.const(2**62), n.const(1)),
    "Pad": lambda n: n.op("Pad", n.const([1.0]), n.const([2**40, 0])),
    "Add, outer": lambda n: n.op("Add", n.const(np.zeros((1 << 14, 1), "f")), n.const(np.zeros((1, 1 << 14), "f"))),
    "MatMul, outer": lambda n: n.op(
        "MatMul", n.const(np.zeros((1 << 14, 1), "f")), n.const(np.zeros((1, 1 << 14), "f"))
    ),
    "Gather": lambda n: n.op("Gather", n.const(np.zeros((1, 1 << 14), "f")), n.const(np.zeros(1 << 14, int))),
}


@pytest.mark.parametrize("case", LARGE)
def test_large_constants_are_refused_before_they_are_made(case: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(net.op("Add", net.input("x", ("N", 2)), LARGE[case](net)))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I016" and str(1 << 27) in found.why


@pytest.mark.slow
def test_doubling_has_an_end(tmp_path: Path) -> None:
    net = Net(17)
    value = net.const(np.zeros(1 << 10, np.float32))
    for _ in range(40):
        value = net.op("Concat", value, value, axis=0)
    net.output(net.op("Add", net.input("x", ("N", 2)), value))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I016"]


BROKEN = {
    "Reshape": lambda n: n.op("Reshape", n.const([1.0, 2.0]), n.const([3])),
    "Gather": lambda n: n.op("Gather", n.const([1.0, 2.0]), n.const([7])),
    "Range of 0": lambda n: n.op("Range", n.const(0), n.const(5), n.const(0)),
    "Add": lambda n: n.op("Add", n.const([1.0, 2.0]), n.const([1.0, 2.0, 3.0])),
    "Div by 0": lambda n: n.op("Cast", n.op("Div", n.const([1]), n.const([0])), to=TensorProto.FLOAT),
    "ConstantOfShape negative": lambda n: n.op("ConstantOfShape", n.const([-5])),
    "Squeeze": lambda n: n.op("Squeeze", n.const([1.0, 2.0]), n.const([0])),
    "Where without operands": lambda n: n.op("Where", n.const(np.array([True]))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_constants_that_cannot_be_computed(case: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(net.op("Add", net.input("x", ("N", 2)), BROKEN[case](net)))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I012"]


def test_nan_that_is_computed(tmp_path: Path) -> None:
    net = Net(17)
    net.output(net.op("Add", net.input("x", ("N", 2)), net.op("Log", net.const([-1.0, 1.0]))))
    (found,) = refusal(net.save(tmp_path), Exit.BAD_FILE)
    assert found.code == "NMC-I006" and "Add" in found.what


def test_the_evaluator_is_loaded_only_when_something_is_folded(tmp_path: Path) -> None:
    net = Net(17)
    net.output(net.op("Relu", net.input("x", ("N", 2))))
    script = f"""if True:
        import sys
        from nmc.compiler.frontends.onnx import import_onnx
        import_onnx({str(net.save(tmp_path))!r})
        assert not {{"onnx.reference", "onnx.inliner", "onnxruntime", "torch"}} & set(sys.modules)"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_output_that_is_constant(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", ("N", 2))
    net.output(net.op("Relu", x), "y")
    net.output(net.op("Sqrt", net.const([4.0, 9.0])), "grid")
    net.output(x, "same")
    graph = import_onnx(net.save(tmp_path))
    assert list(graph.outputs) == ["y", "grid", "same"]
    assert graph.outputs["grid"].data.tolist() == [2.0, 3.0] and graph.outputs["same"] is graph.inputs[0]
    assert_same(graph, net.proto().SerializeToString())

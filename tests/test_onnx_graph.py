"""What the imported graph is called and how its axes are named: names, samples axis, letters, wiring."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from nmc.compiler.diagnostics import Exit
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph
from onnx_models import Net, assert_same, check_import, codes, feeds_for, refusal


def names(graph: Graph) -> list[str]:
    return [node.result.name for node in graph.nodes]


def constants(graph: Graph) -> list[str]:
    return [value.name for value in graph.constants()]


def scopes(net: Net, *paths: str, classes: tuple[str, ...] = ()) -> None:
    """Give the last node the metadata that the dynamo exporter writes."""
    kinds = classes or (
        "Net",
        *("torch.nn.modules.container.Sequential" for _ in paths[2:]),
        "torch.nn.modules.conv.Conv2d",
    )
    node = net.nodes[-1]
    for key, items in (("name_scopes", [*paths, "aten"]), ("class_hierarchy", [*kinds, "aten.op"])):
        node.metadata_props.add(key=f"pkg.torch.onnx.{key}", value=repr(items))


# --- names ---


def test_names_from_weights(tmp_path: Path) -> None:
    net = Net()
    y = net.op("Conv", net.input("x", (1, 2, 5, 5)), net.weight(3, 2, 3, 3, name="features.0.weight"), net.weight(3))
    net.output(net.op("Gemm", net.op("Flatten", y, name="flat"), net.weight(27, 4, name="fc.weight"), net.weight(4)))
    graph = check_import(net, tmp_path)
    assert names(graph) == ["features.0", "flat", "fc"]
    assert constants(graph) == ["features.0.weight", "features.0.bias", "fc.weight", "fc.bias"]
    assert [node.result.origin for node in graph.nodes] == [("features.0",), ("flat",), ("fc",)]


def test_names_from_dynamo_metadata(tmp_path: Path) -> None:
    net = Net()
    block = ("__main__.Net", "torch.nn.modules.container.Sequential", "__main__.Block")
    y = net.op(
        "Conv",
        net.input("x", (1, 2, 5, 5)),
        net.weight(2, 2, 3, 3, name="layer1.0.conv1.weight"),
        net.weight(2),
        pads=[1] * 4,
    )
    scopes(net, "", "layer1", "layer1.0", "layer1.0.bn1", classes=(*block, "torch.nn.modules.batchnorm.BatchNorm2d"))
    y = net.op("Relu", y)
    scopes(net, "", "layer1", "layer1.0", "layer1.0.relu", classes=(*block, "torch.nn.modules.activation.ReLU"))
    y = net.op("Add", y, "x")
    scopes(net, "", "layer1", "layer1.0", classes=block)
    y = net.op("Relu", y)
    scopes(net, "", "layer1", "layer1.0", "layer1.0.relu", classes=(*block, "torch.nn.modules.activation.ReLU"))
    net.output(net.op("Flatten", y))
    scopes(net, "", classes=("__main__.Net",))
    graph = check_import(net, tmp_path)
    assert names(graph) == ["layer1.0.conv1", "layer1.0.relu", "layer1.0.add", "layer1.0.relu.2", "flatten"]
    assert graph.nodes[2].result.origin == ("layer1.0",)


def test_names_from_legacy_node_names(tmp_path: Path) -> None:
    net = Net()
    y = net.op(
        "Conv",
        net.input("x", (1, 2, 5, 5)),
        net.weight(2, 2, 3, 3, name="onnx::Conv_9"),
        name="/layer1/layer1.0/conv1/Conv",
        pads=[1] * 4,
    )
    y = net.op("Add", y, "x", name="/layer1/layer1.0/Add")
    y = net.op("MaxPool", y, kernel_shape=[2, 2], name="/pool/MaxPool")
    net.output(net.op("Relu", net.op("Relu", y, name="/Relu"), name="/Relu_1"))
    assert names(check_import(net, tmp_path)) == ["layer1.0.conv1", "layer1.0.add", "pool", "relu", "relu.2"]


def test_names_of_other_exporters_and_without_any(tmp_path: Path) -> None:
    net = Net()
    y = net.op("Relu", net.input("x", (1, 2)), name="model/act (1)/Relu:0")
    y = net.op("Sigmoid", y)
    net.output(net.op("Tanh", y, name="x"))
    assert names(check_import(net, tmp_path)) == ["model.act_1.Relu_0", y, "x.tanh"]


def test_tied_weights_get_two_names(tmp_path: Path) -> None:
    net = Net()
    w = net.weight(2, 2, name="fc.weight")
    y = net.op("MatMul", net.op("MatMul", net.input("x", (1, 2)), w), net.op("Identity", w))
    net.output(net.op("Gemm", y, w, net.weight(2)))
    graph = check_import(net, tmp_path)
    assert names(graph) == ["fc", "v3", "fc.gemm"] and constants(graph)[-1] == "fc.gemm.bias"


def test_strange_metadata_does_no_harm(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", (1, 2)), name="act"))
    for value in ("[", "'" * 99, "[" * 9999, "['\\d', '']"):
        net.nodes[-1].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=value)
        assert len(import_onnx(net.save(tmp_path)).nodes) == 1


# --- letters ---

CONV1 = {3: "NCW", 4: "NCHW", 5: "NCTHW"}


@pytest.mark.parametrize(
    ("shape", "letters"),
    [((1, 5), "NC"), ((1, 2, 5), "NCW"), ((1, 2, 5, 5), "NCHW"), ((1, 2, 5, 5, 5), "NCTHW"), ((1,) * 6, "N_____")],
)
def test_usual_letters(shape: tuple[int, ...], letters: str, tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", shape)))
    graph = import_onnx(net.save(tmp_path))
    assert graph.inputs[0].type.axes == graph.nodes[0].result.type.axes == letters


def test_letters_through_a_transpose(tmp_path: Path) -> None:
    """A clip (N, T, C, H, W) that the model transposes before its first 3-D convolution, after a normalisation."""
    net = Net()
    x = net.op("Div", net.op("Sub", net.input("x", (1, 4, 2, 5, 5)), net.const(0.5)), net.const(2.0))
    y = net.op("Transpose", x, perm=[0, 2, 1, 3, 4])
    net.output(net.op("Conv", y, net.weight(3, 2, 3, 3, 3)))
    graph = check_import(net, tmp_path)
    assert graph.inputs[0].type.axes == "NTCHW" and graph.nodes[-1].result.type.axes == "NCTHW"


def test_letters_through_unsqueeze(tmp_path: Path) -> None:
    """Grey frames (N, T, H, W) that get their channel axis in the model."""
    net = Net()
    y = net.unsqueeze(net.input("x", (1, 4, 5, 5)), [1])
    net.output(net.op("Conv", y, net.weight(3, 1, 3, 3, 3)))
    graph = check_import(net, tmp_path)
    assert graph.inputs[0].type.axes == "NTHW" and graph.nodes[-1].result.type.axes == "NCTHW"


def test_letters_of_channels_last(tmp_path: Path) -> None:
    net = Net()
    y = net.op("MaxPool", net.op("Transpose", net.input("x", (1, 6, 5, 3)), perm=[0, 3, 1, 2]), kernel_shape=[2, 2])
    net.output(net.op("Transpose", y, perm=[0, 2, 3, 1]))
    graph = check_import(net, tmp_path)
    assert [v.type.axes for v in (*graph.inputs, *graph.outputs.values())] == ["NHWC", "NHWC"]


def test_time_used_as_channels_loses_its_name(tmp_path: Path) -> None:
    net = Net()
    y = net.op("Conv", net.input("x", (1, 2, 3, 4, 4)), net.weight(2, 2, 3, 3, 3, name="c.weight"), pads=[1] * 6)
    y = net.op("Transpose", y, perm=[0, 2, 1, 3, 4])
    net.output(net.op("Conv", y, net.weight(2, 3, 1, 1, 1, name="d.weight")))
    graph = check_import(net, tmp_path)
    assert [node.result.type.axes for node in graph.nodes] == ["NCTHW", "NTCHW", "NC_HW", "NC_HW"]
    assert names(graph)[2:] == ["d.input", "d"]


# --- samples ---


@pytest.mark.parametrize("batch", [1, "batch", None])
def test_one_sample_or_a_free_batch(batch: int | str | None, tmp_path: Path) -> None:
    net = Net()
    net.output(net.reshape(net.input("x", (batch, 2, 3)), [-1, 6]))
    assert check_import(net, tmp_path).inputs[0].type.shape == (1, 2, 3)


def test_a_fixed_batch_is_refused(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("image", (8, 2, 3))))
    (found,) = refusal(net.save(tmp_path))
    assert found.code == "NMC-I017" and "fixes it to 8" in found.why and "image=1,2,3" in found.hint


@pytest.mark.parametrize("target", [[8, 6], [8, -1], [-1, 6], [0, 6]])
def test_a_fixed_batch_is_one_where_the_caller_says_so(target: list[int], tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("MatMul", net.reshape(net.input("x", (8, 2, 3)), target), net.weight(6, 4)))
    graph = import_onnx(net.save(tmp_path), {"x": (1, 2, 3)})
    feeds = feeds_for(graph, samples=8)
    from nmc.compiler.ir import evaluate
    from onnx_models import session

    (got,), wanted = evaluate(graph, feeds).values(), session(net.proto().SerializeToString()).run(None, feeds)[0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (7,), ("N",)])
def test_inputs_without_samples(shape: tuple[int, ...], tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", shape)))
    assert codes(refusal(net.save(tmp_path))) == ["NMC-I017"]


# --- shapes the file leaves open ---


def open_net() -> Net:
    net = Net()
    net.output(net.op("Relu", net.input("a", ("N", 3, "H", None))))
    net.output(net.op("Relu", net.input("b", None)))
    net.output(net.op("Relu", net.input("c", ("N", 4))))
    return net


def test_open_dimensions_are_listed_together(tmp_path: Path) -> None:
    path = open_net().save(tmp_path)
    a, b = refusal(path, Exit.USAGE)
    assert (a.code, b.code) == ("NMC-I004", "NMC-I004")
    assert "axis 2 (H), axis 3 (?)" in a.what and "--input-shape a=1,3,H,?" in a.hint and "'b'" in b.what
    graph = import_onnx(path, {"a": (1, 3, 8, 9), "b": (1, 2)})
    assert [v.type.shape for v in graph.inputs] == [(1, 3, 8, 9), (1, 2), (1, 4)]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"z": (1, 2)}, "no input 'z'"),
        ({"": (1, 2)}, "no input ''"),
        ({"a": (1, 3, 8)}, "3 axes, not 4"),
        ({"a": (1, 4, 8, 8)}, "contradicts the file at axis 1"),
        ({"a": (2, 3, 8, 8)}, "does not start with 1"),
        ({"a": (1, 3, 0, 8)}, "positive whole numbers"),
        ({"a": (1, 3, 8.0, 8)}, "positive whole numbers"),
    ],
)
def test_given_shapes_that_do_not_fit(given: dict[str, tuple[int, ...]], text: str, tmp_path: Path) -> None:
    found = refusal(open_net().save(tmp_path), Exit.USAGE, input_shapes={"b": (1, 2), **given})
    assert found[0].code == "NMC-I005" and text in found[0].what


def test_one_symbol_has_one_size(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Add", net.input("a", ("N", "H")), net.input("b", ("N", "H"))))
    (found,) = refusal(net.save(tmp_path), Exit.USAGE, input_shapes={"a": (1, 3), "b": (1, 4)})
    assert found.code == "NMC-I005" and "'H'" in found.what


def test_a_nameless_shape_is_for_the_only_input(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Relu", net.input("x", ("N", "F"))))
    assert import_onnx(net.save(tmp_path), {"": (1, 5)}).inputs[0].type.shape == (1, 5)


# --- element types ---


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_other_floats_become_float32(dtype: int, tmp_path: Path) -> None:
    net = Net()
    weight = np.array([[0.1, -2.5], [3.0, 1e-3]])
    net.initializers.append(helper.make_tensor("w", dtype, [2, 2], weight.ravel().tolist()))
    net.output(net.op("Cast", net.op("MatMul", net.input("x", ("N", 2), dtype), "w"), to=TensorProto.FLOAT))
    graph = import_onnx(net.save(tmp_path))
    stored = onnx.numpy_helper.to_array(net.initializers[0]).astype(np.float32)
    (constant,) = graph.constants()
    assert constant.type.dtype == "f32" and np.array_equal(constant.data, stored.T)


def test_bytes_that_are_cast_at_once(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Cast", net.input("image", ("N", 3, 4, 4), TensorProto.UINT8), to=TensorProto.FLOAT)
    net.output(net.op("Mul", x, net.const(1 / 255)))
    graph = import_onnx(net.save(tmp_path))
    assert graph.inputs[0].type.dtype == "f32" and names(graph) == [net.outputs[0].name]


# --- wiring ---


def test_unsorted_nodes_are_sorted(tmp_path: Path) -> None:
    net = Net()
    y = net.op("Conv", net.op("Relu", net.input("x", (1, 2, 5, 5)), name="r"), net.weight(2, 2, 3, 3, name="c.weight"))
    net.output(net.op("Flatten", y, name="f"))
    in_order = check_import(net, tmp_path)
    net.nodes.reverse()
    assert import_onnx(net.save(tmp_path)) == in_order


def test_what_no_output_needs_is_not_looked_at(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", (1, 2))
    net.op("NonMaxSuppression", x)
    net.op("Shape", net.op("Sigmoid", x))
    net.const([np.nan, 1.0])
    net.input("label", (3,), TensorProto.INT64)
    net.output(net.op("Relu", x))
    graph = import_onnx(net.save(tmp_path))
    assert len(graph.nodes) == len(graph.inputs) == 1 and not constants(graph)


def test_values_used_for_their_shape_only_leave_no_nodes(tmp_path: Path) -> None:
    net = Net()
    x = net.input("x", (1, 4, 4, 4))
    shape = net.op("Shape", net.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    grid = net.op("Expand", net.const([[[[1.0]]]]), shape)
    net.output(net.op("Concat", net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]), grid, axis=1))
    assert [node.op.mnemonic for node in check_import(net, tmp_path).nodes] == ["avg_pool", "concat"]


def test_an_input_that_is_also_an_initializer_is_a_constant(tmp_path: Path) -> None:
    net = Net(9)
    w = net.weight(3, 2)
    net.input(w, (3, 2))
    net.output(net.op("MatMul", net.input("x", (1, 3)), w))
    graph = import_onnx(net.save(tmp_path))
    assert [v.name for v in graph.inputs] == ["x"]
    assert_same(graph, net.proto().SerializeToString())


def _function(name: str, calls: list[tuple[str, str]]) -> onnx.FunctionProto:
    """f(x) = the calls one after the other."""
    nodes = [helper.make_node(op, [f"t{i}"], [f"t{i + 1}"], domain=domain) for i, (op, domain) in enumerate(calls)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    return helper.make_function("local", name, ["t0"], [f"t{len(calls)}"], nodes, opsets)


def _with_functions(net: Net, folder: Path, *functions: onnx.FunctionProto) -> Path:
    model = net.proto()
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("local", 1))
    path = folder / "functions.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_local_functions_are_expanded(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Outer", net.input("x", (1, 4)), domain="local"))
    inner, outer = (
        _function("Inner", [("Relu", ""), ("Tanh", "")]),
        _function("Outer", [("Inner", "local"), ("Sigmoid", "")]),
    )
    path = _with_functions(net, tmp_path, inner, outer)
    graph = import_onnx(path)
    assert [getattr(node.op, "kind", "relu") for node in graph.nodes] == ["relu", "tanh", "sigmoid"]
    assert_same(graph, path.read_bytes())


def test_local_functions_that_never_end(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("A", net.input("x", (1, 4)), domain="local"))
    (found,) = refusal(
        _with_functions(net, tmp_path, _function("A", [("B", "local")]), _function("B", [("A", "local")]))
    )
    assert found.code == "NMC-I010" and "in a circle" in found.why


def test_local_functions_that_explode(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("F40", net.input("x", (1, 4)), domain="local"))
    doubled = [_function(f"F{i}", [(f"F{i - 1}", "local")] * 2) for i in range(1, 41)]
    (found,) = refusal(_with_functions(net, tmp_path, _function("F0", [("Relu", "")]), *doubled))
    assert found.code == "NMC-I010" and "nodes" in found.why


def test_the_graph_holds_no_protobuf(tmp_path: Path) -> None:
    net = Net()
    net.output(net.op("Conv", net.input("x", (1, 2, 5, 5)), net.weight(2, 2, 3, 3), pads=[1] * 4, strides=[2, 1]))
    graph = import_onnx(net.save(tmp_path))
    open_objects: list[object] = [graph]
    seen: set[int] = set()
    while open_objects:
        found = open_objects.pop()
        if id(found) in seen or isinstance(found, type) or type(found).__name__ == "module":
            continue
        seen.add(id(found))
        assert "google" not in type(found).__module__ and "onnx_" not in type(found).__module__, found
        open_objects += gc.get_referents(found) if not callable(found) else []
    for node in graph.nodes:
        for attribute in vars(node.op).values():
            assert isinstance(attribute, int | tuple)

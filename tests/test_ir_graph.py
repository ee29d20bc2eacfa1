"""Wiring, stages and the interpreter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir_text import graph_of
from nmc.compiler.analysis.view import to_dot, to_networkx
from nmc.compiler.ir import Graph, IllegalOp, TensorType, evaluate, trace
from nmc.compiler.ir.interpret import BATCH_ELEMENTS
from nmc.compiler.ir.ops import Add, Conv, ConvTranspose, Mul, Relu, Reshape, Transpose
from nmc.compiler.ir.ops.base import REGISTRY
from nmc.compiler.ir.ops.linear import output_first
from nmc.compiler.ir.stages import STAGES, verify

CHAIN = """
input %x: f32[1,4]NC
%a = relu(%x)
%b = add(%a, %x)
output "out" = %b
"""


def test_uses_follow_every_rewiring() -> None:
    graph = graph_of(CHAIN)
    x, (a, b) = graph.inputs[0], graph.nodes
    assert [(node.op.mnemonic, index) for node, index in x.uses] == [("relu", 0), ("add", 1)]
    graph.replace_uses(a.result, x)
    graph.erase(a)
    assert [index for _, index in x.uses] == [0, 1]
    assert graph.readers(b.result) == 1
    verify(graph)
    with pytest.raises(IllegalOp, match="still used"):
        graph.erase(b)


def test_the_public_name_of_an_output_survives_replacement() -> None:
    graph = graph_of(CHAIN)
    twice = graph.add(Mul(), graph.nodes[0].result, graph.constant("two", np.full((1, 1), 2.0, np.float32)), name="m")
    graph.replace(graph.nodes[1], twice)
    assert list(graph.outputs) == ["out"] and graph.outputs["out"] is twice


def test_names_are_unique_and_derived() -> None:
    graph = graph_of(CHAIN)
    again = graph.add(Relu(), graph.inputs[0], name="a")
    assert again.name == "a.2"
    graph.rename(again, "fresh")
    assert graph.add(Relu(), graph.inputs[0], name="a.2").name == "a.2"


def test_a_rewrite_that_changes_the_shape_is_refused() -> None:
    graph = graph_of(CHAIN)
    with pytest.raises(IllegalOp, match="changes"):
        graph.rewrite(graph.nodes[0], Reshape((1, 2, 2), "NCW"), graph.inputs[0])


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda g: g.nodes.reverse(), "before it is made"),
        (lambda g: g.nodes[0].result.uses.clear(), "not recorded"),
        (lambda g: setattr(g, "stage", "quantized"), "not legal in stage"),
        (lambda g: setattr(g.nodes[0].result, "name", "x"), "share a name"),
        (lambda g: setattr(g.nodes[0].result, "type", TensorType((1, 5), "f32", "NC")), "should be|broadcast"),
    ],
)
def test_verify_finds_broken_graphs(break_it, message: str) -> None:
    graph = graph_of(CHAIN)
    verify(graph)
    break_it(graph)
    with pytest.raises(IllegalOp, match=message):
        verify(graph)


def test_every_op_is_legal_in_some_stage_and_documented() -> None:
    allowed = set().union(*(stage.ops for stage in STAGES.values()))
    assert allowed == set(REGISTRY)
    assert all(op.__doc__ and "Example: %" in op.__doc__ for op in REGISTRY.values())


def test_axes_are_asked_for_by_name_and_follow_moves() -> None:
    graph = Graph("t")
    x = graph.add_input("x", TensorType((1, 5, 3, 8, 9), "f32", "NTCHW"))
    y = graph.add(Transpose((0, 2, 1, 3, 4)), x, name="y")
    assert (x.type.axis("T"), y.type.axis("T"), y.type.axis("D")) == (1, 2, None)
    assert y.type.axes == "NCTHW"
    with pytest.raises(ValueError, match="named twice"):
        TensorType((1, 2), "f32", "NN")


def test_samples_never_mix() -> None:
    graph = Graph("t")
    x = graph.add_input("x", TensorType((1, 4), "f32", "NC"))
    for op in (Reshape((4, 1), "NC"), Reshape((2, 2), "__"), Transpose((1, 0))):
        with pytest.raises(IllegalOp, match="samples"):
            graph.add(op, x, name="y")


@pytest.mark.slow
def test_interpreter_runs_any_number_of_samples_in_batches() -> None:
    graph = graph_of(CHAIN)
    x = np.random.default_rng(0).normal(size=(BATCH_ELEMENTS // 2, 4)).astype(np.float32)
    assert len(x) > BATCH_ELEMENTS // 4
    out = evaluate(graph, {"x": x})["out"]
    np.testing.assert_array_equal(out, np.maximum(x, 0).astype(np.float64) + x)
    assert set(trace(graph, {"x": x[:2]})) == {"x", "a", "b"}


@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(0, 1), st.integers(0, 10**6)
)
def test_conv_transpose_is_the_adjoint_of_conv(groups, kernel, stride, dilation, pad, seed) -> None:
    """⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩ with the same weight."""
    rng = np.random.default_rng(seed)
    pads, size = ((pad, pad),) * 2, 9
    weight = rng.normal(size=(2 * groups, 3, kernel, kernel))
    conv = Conv((stride,) * 2, pads, (dilation,) * 2, groups)
    x = rng.normal(size=(2, 3 * groups, size, size))
    y = conv.evaluate(x, weight)
    extra = size - ((y.shape[2] - 1) * stride + dilation * (kernel - 1) + 1 - 2 * pad)
    back = ConvTranspose((stride,) * 2, pads, (dilation,) * 2, (extra,) * 2, groups)
    z = rng.normal(size=y.shape)
    np.testing.assert_allclose((y * z).sum(), (x * back.evaluate(z, weight)).sum(), rtol=1e-9)
    np.testing.assert_array_equal(output_first(back, output_first(back, weight)), weight)


def test_networkx_view_has_values_as_edges() -> None:
    graph = graph_of(CHAIN)
    view = to_networkx(graph)
    assert sorted(view.nodes) == ["a", "b", "output out", "x"]
    assert sorted((u, v, d["type"]) for u, v, d in view.edges(data=True)) == [
        ("a", "b", "f32[1,4]NC"),
        ("b", "output out", "f32[1,4]NC"),
        ("x", "a", "f32[1,4]NC"),
        ("x", "b", "f32[1,4]NC"),
    ]
    assert 'digraph "test"' in to_dot(graph) and "relu" in to_dot(graph)


def test_broadcasting_constants_take_the_axes_of_the_tensor() -> None:
    graph = Graph("t")
    x = graph.add_input("x", TensorType((1, 3, 4), "f32", "NCW"))
    y = graph.add(Add(), graph.constant("c", np.ones((3, 1), np.float32)), x, name="y")
    assert str(y.type) == "f32[1,3,4]NCW"

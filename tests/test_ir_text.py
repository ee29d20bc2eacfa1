"""The text form round-trips, and says which line is wrong when it is not a graph."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ir_text import graph_of
from nmc.compiler.ir import Graph, TensorType, constant_bank, parse_graph, print_graph
from nmc.compiler.ir.ops import Add, Clip, Concat, Conv, Pad, Relu, Reshape, Transpose
from nmc.compiler.ir.text import TextError

NAMES = st.text(min_size=1, max_size=8)
FLOATS = st.floats(width=32, allow_nan=False)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random graphs of elementwise ops and moves, with awkward names and constants."""
    graph = Graph(draw(NAMES), "imported")
    shape = (1, draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    values = [graph.add_input(draw(NAMES), TensorType(shape, "f32", "NCW"))]
    for _ in range(draw(st.integers(0, 6))):
        x = draw(st.sampled_from(values))
        origin = tuple(draw(st.lists(NAMES, max_size=2)))
        kind = draw(st.sampled_from(["relu", "clip", "add", "const", "transpose", "pad", "concat"]))
        if kind == "const":
            data = draw(hnp.arrays(np.float32, x.type.shape, elements=FLOATS))
            op, operands = Add(), (x, graph.constant(draw(NAMES), data))
        else:
            bound = draw(FLOATS)
            op, operands = {
                "relu": (Relu(), (x,)),
                "clip": (Clip(None, bound), (x,)),
                "add": (Add(), (x, x)),
                "transpose": (Transpose((0, 2, 1)), (x,)),
                "pad": (Pad(((0, 0), (1, 0), (0, 2)), bound), (x,)),
                "concat": (Concat(1), (x, x, x)),
            }[kind]
        values.append(graph.add(op, *operands, name=draw(NAMES), origin=origin))
    graph.outputs[draw(NAMES)] = values[-1]
    return graph


@given(graphs())
def test_print_then_parse_gives_an_equal_graph(graph: Graph) -> None:
    text = print_graph(graph)
    again = parse_graph(text, constant_bank(graph))
    assert print_graph(again) == text
    assert again == graph
    assert graph.copy() == graph


def test_text_reads_like_the_network() -> None:
    weight = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    graph = graph_of(
        """
        input %x: f32[1,1,4,4]NCHW
        %y = conv(%x, @w) {stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}: f32[1,1,4,4]NCHW from "net.conv"
        output "y" = %y
        """,
        {"w": weight},
    )
    assert print_graph(graph) == (
        'graph "test" stage imported\n'
        "input %x: f32[1,1,4,4]NCHW\n"
        "const @w: f32[1,1,3,3]____ = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]\n"
        '%y = conv(%x, @w) {stride=(1, 1), pads=((1, 1), (1, 1)), dilation=(1, 1)}: f32[1,1,4,4]NCHW from "net.conv"\n'
        'output "y" = %y\n'
    )


def test_large_constants_are_named_by_digest_and_looked_up() -> None:
    graph = Graph("big")
    x = graph.add_input("x", TensorType((1, 20), "f32", "NC"))
    graph.outputs["y"] = graph.add(Add(), x, graph.constant("c", np.arange(20, dtype=np.float32)[None]), name="y")
    assert "sha256:" in print_graph(graph)
    with pytest.raises(TextError, match="no array for constant @c"):
        parse_graph(print_graph(graph))
    other = graph.copy()
    next(iter(other.constants()))._data = np.ones((1, 20), np.float32)
    assert other != graph


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%y = relu(%z)", "%z is not defined above"),
        ("%y = frobnicate(%x)", "unknown op"),
        ("%y = relu(%x) {slope=1}", "slope"),
        ("%y = relu(%x): f32[2,4]NC", "is declared"),
        ("%y = relu(%x, %x)", "takes x"),
        ("%y = clip(%x) {low=__import__('os')}", "malformed"),
        ("nonsense", "not a graph"),
        ("const @x: f32[1]_ = [1.0]", "defined twice"),
        ("const @c: f32[2]_ = [1.0]", "cannot reshape"),
        ("input %q: f99[2]_", "unknown dtype"),
        ("%y = relu(x)", "cannot read the operands"),
    ],
)
def test_errors_name_the_line(line: str, message: str) -> None:
    with pytest.raises(TextError, match="line 3") as caught:
        parse_graph(f'graph "t" stage imported\ninput %x: f32[1,4]NC\n{line}\n')
    assert message in str(caught.value)


def test_attributes_at_their_default_are_left_out() -> None:
    graph = Graph("t")
    x = graph.add_input("x", TensorType((1, 2, 4), "f32", "NCW"))
    weight = graph.constant("w", np.ones((2, 2, 1), np.float32))
    graph.outputs["y"] = graph.add(Conv.plain(1), x, weight, name="y")
    graph.add(Reshape((1, 8), "NC"), x, name="unused")
    assert "groups" not in print_graph(graph)
    assert parse_graph(print_graph(graph)) == graph

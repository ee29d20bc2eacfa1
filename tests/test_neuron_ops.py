"""Spiking neurons in the IR: their equations over six steps, frame graphs with feedback, the text form."""

from __future__ import annotations

import numpy as np
import pytest

from nmc.compiler.ir import FrameSession, Graph, IllegalOp, Timing, evaluate, parse_graph, print_graph, trace
from nmc.compiler.ir.ops import Add, Dense, Li, Lif, Potential, Spike, Threshold
from nmc.compiler.ir.stages import verify
from nmc.compiler.ir.text import constant_bank
from nmc.compiler.ir.types import DTYPES, TensorType

STEPS = 6


def stepped(dtype: str = "f32", features: int = 1) -> Graph:
    graph = Graph("net")
    x = graph.add_input("x", TensorType((1, features), dtype, "NC"))
    graph.timing["x"] = graph.timing["y"] = Timing(0, length=STEPS, axis=1)
    graph.outputs["y"] = x
    return graph


def run(op, given, *constants, dtype: str = "f32") -> list[float]:
    """Six steps of one neuron."""
    graph = stepped(dtype)
    kind = DTYPES[dtype]
    values = [None if c is None else graph.constant(f"c{i}", np.array(c, kind)) for i, c in enumerate(constants)]
    graph.outputs["y"] = graph.add(op, graph.inputs[0], *values, name="n")
    feed = np.array(given, np.float64 if dtype == "f32" else np.int64).reshape(1, -1, 1)
    return evaluate(graph, {"x": feed})["y"].reshape(-1).tolist()


@pytest.mark.parametrize(
    ("op", "constants", "given", "expected"),
    [
        (Lif(), (1.0, 1.0), (0.5, 0.5, 0.75, 0.25, 0.5, 0.25), (0, 1, 0, 1, 0, 0)),
        (Lif(strict=True), (1.0, 1.0), (0.5, 0.5, 0.75, 0.25, 0.5, 0.25), (0, 0, 1, 0, 0, 0)),
        (Lif(reset="subtract"), (1.0, 1.0), (1.5, 0.5, 0.0, 2.0, 0.0, 0.0), (1, 1, 0, 1, 1, 0)),
        (Lif(reset="none"), (0.5, 1.0), (1.0, 0.5, 0.5, 0.25, 0.0, 0.0), (1, 1, 1, 0, 0, 0)),
        (Lif(), (0.5, 1.0, 0.5), (1.0, 1.0, 1.25, 2.0, 0.0, 0.0), (0, 0, 1, 1, 0, 0)),
        (Lif(), (1.0, 1.0, None, 0.5), (0, 0, 0, 0, 0, 0), (0, 1, 0, 1, 0, 1)),
        (Lif(), (1.0, 1.0, None, None, 0.75), (1.0, 0.25, 0.25, 0.0, 0.5, 0.0), (1, 1, 1, 0, 1, 0)),
        (Lif(), (1.0, 1.0, None, None, None, 0.5), (0.5, 0.5, 0.5, 0, 0, 0), (1, 0, 1, 0, 0, 0)),
        (Lif(reset="subtract", delayed=True), (0.5, 1.0), (1.5, 1.5, 0.5, 0.0, 2.0, 0.0), (1, 1, 0, 0, 1, 0)),
        (Lif(delayed=True), (1.0, 1.0), (1.0, 5.0, 0.5, 0.5, 0.5, 1.0), (1, 0, 0, 1, 0, 1)),
    ],
)  # fmt: skip
def test_lif_over_six_steps(op: Lif, constants, given, expected) -> None:
    assert run(op, given, *constants) == list(expected)


def test_li_integrates_and_leaks() -> None:
    assert run(Li(), (1, 0, 0, 1, 0, 0), 0.5) == [1, 0.5, 0.25, 1.125, 0.5625, 0.28125]
    assert run(Li(), (1, 0, 0, 0, 0, 0), 0.5, 2.0, 1.0, 4.0) == [5, 3.5, 2.75, 2.375, 2.1875, 2.09375]


def test_threshold_has_no_memory() -> None:
    assert run(Threshold(), (0.5, 1.0, 0.5, 2.0, 1.0, 0.0), 1.0) == [0, 1, 0, 1, 1, 0]
    assert run(Threshold(strict=True), (0.5, 1.0, 0.5, 2.0, 1.0, 0.0), 1.0) == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("op", "leak", "given", "expected"),
    [
        (Spike(), 64, (5, 5, 5, -30, 25, 9), (0, 1, 0, 0, 0, 0)),
        (Spike(soft=True), 64, (25, 0, 0, 5, 0, 0), (1, 1, 0, 1, 0, 0)),
        (Spike(), 1, (8, 5, 0, 8, -9, 10), (0, 0, 0, 1, 0, 0)),
        (Spike(), 1, (9, 5, 1, 8, -9, 12), (0, 1, 0, 0, 0, 1)),
        (Spike(), 0, (9, 9, 10, 9, 9, 9), (0, 0, 1, 0, 0, 0)),
        (Spike(soft=True), 2, (25, 0, 4, 0, 0, 0), (1, 1, 0, 0, 0, 0)),
    ],
)
def test_integer_neurons_over_six_steps(op: Spike, leak: int, given, expected) -> None:
    assert run(op, given, 10, leak, dtype="i64") == list(expected)


@pytest.mark.parametrize(
    ("leak", "expected"), [(0, (5, -3, 0, 2, 0, 9)), (1, (5, 0, 0, 2, 1, 10)), (64, (5, 2, 2, 4, 4, 13))]
)
def test_potentials_add_up_and_leak(leak: int, expected) -> None:
    assert run(Potential(), (5, -3, 0, 2, 0, 9), leak, dtype="i64") == list(expected)


def recurrent() -> Graph:
    """y[t] = lif(x[t] + W y[t − 1])"""
    graph = stepped(features=2)
    state = graph.add_state("y.before", TensorType((1, 2), "f32", "NC"))
    weight = graph.constant("w", np.array([[0.0, 1.0], [1.0, 0.0]], np.float32))
    back = graph.add(Dense(), state, weight, name="back")
    total = graph.add(Add(), graph.inputs[0], back, name="total")
    one = graph.constant("one", np.array(1.0, np.float32))
    graph.outputs["y"] = graph.add(Lif(), total, one, one, name="y")
    graph.close(state, graph.outputs["y"])
    return graph


def test_feedback_carries_the_step_before() -> None:
    graph = recurrent()
    verify(graph)
    feed = np.zeros((1, STEPS, 2))
    feed[0, 0] = (1, 0)
    found = evaluate(graph, {"x": feed})["y"][0]
    np.testing.assert_array_equal(found, [[1, 0], [0, 1]] * 3)
    before = trace(graph, {"x": feed}, {"y.before"})["y.before"][0]
    np.testing.assert_array_equal(before, [[0, 0], *found[:-1]])


def test_feedback_survives_text_copy_and_rewiring() -> None:
    graph = recurrent()
    again = parse_graph(print_graph(graph), constant_bank(graph))
    assert again == graph
    copy = graph.copy()
    assert copy == graph
    (state,) = copy.feedback
    assert copy.feedback[state] is copy.outputs["y"]
    assert copy.readers(copy.outputs["y"]) == 2
    copy.replace_uses(copy.outputs["y"], copy.inputs[0])
    assert copy.feedback[state] is copy.inputs[0]
    assert graph.feedback[next(iter(graph.feedback))] is graph.outputs["y"]


def test_a_state_holds_a_value_of_the_graph_with_its_shape() -> None:
    graph = recurrent()
    (state,) = graph.feedback
    with pytest.raises(IllegalOp, match="cannot hold"):
        graph.close(state, graph.constant("long", np.zeros((1, 3), np.float32)))
    graph.close(state, recurrent().outputs["y"])
    with pytest.raises(IllegalOp, match="not in the graph"):
        verify(graph)


def test_trains_may_have_any_number_of_timesteps() -> None:
    graph, rng = recurrent(), np.random.default_rng(0)
    feed = (rng.random((3, 2 * STEPS, 2)) < 0.5).astype(np.float64)
    whole = evaluate(graph, {"x": feed})["y"]
    assert whole.shape == (3, 2 * STEPS, 2)
    np.testing.assert_array_equal(whole[:, :STEPS], evaluate(graph, {"x": feed[:, :STEPS]})["y"])


def test_a_held_input_is_the_same_in_every_step() -> None:
    graph = stepped()
    graph.timing["x"] = Timing(0)
    one = graph.constant("one", np.array(1.0, np.float32))
    graph.outputs["y"] = graph.add(Lif(), graph.inputs[0], one, one, name="y")
    found = FrameSession(graph).run({"x": np.array([[0.5], [0.25]])})["y"]
    np.testing.assert_array_equal(found[..., 0], [[0, 1, 0, 1, 0, 1], [0, 0, 0, 1, 0, 0]])


def test_parameters_broadcast_to_a_frame() -> None:
    graph = stepped(features=2)
    decay, long = (graph.constant(f"c{n}", np.ones(n, np.float32)) for n in (2, 3))
    assert graph.add(Lif(), graph.inputs[0], decay, decay, name="y").type.shape == (1, 2)
    with pytest.raises(IllegalOp, match="broadcast"):
        graph.add(Lif(), graph.inputs[0], decay, long, name="z")

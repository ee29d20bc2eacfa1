"""make-causal and stream: rewrites as text, exact edge frames, random temporal networks against their clips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ir_text import graph_of, skeleton
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.ir import FrameSession, Graph, TensorType, Value, evaluate, parse_graph, print_graph
from nmc.compiler.ir.ops import Add, AvgPool, Concat, Conv, MaxPool, Mean, Pad, Relu, Reshape, Slice
from nmc.compiler.ir.stages import verify
from nmc.compiler.manager import Manager, without_edges
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.canonicalize import Canonicalize
from nmc.compiler.passes.make_causal import MakeCausal
from nmc.compiler.passes.stream import Stream

RNG = np.random.default_rng(11)
W = {
    "w5": RNG.normal(size=(3, 2, 5, 1, 1)).astype(np.float32),
    "w3": RNG.normal(size=(3, 3, 3, 1, 1)).astype(np.float32),
    "ws": RNG.normal(size=(3, 2, 1, 3, 3)).astype(np.float32),
    "wf": RNG.normal(size=(3, 2, 3, 3, 3)).astype(np.float32),
    "b": np.array([0.5, -1.0, 2.0], np.float32),
    "d": RNG.normal(size=(4, 3)).astype(np.float32),
    "k": RNG.normal(size=(1, 2, 1, 1, 1)).astype(np.float32),
    "kt": RNG.normal(size=(1, 1, 12, 1, 1)).astype(np.float32),
    "big": RNG.normal(size=(4, 2 * 12 * 4 * 4)).astype(np.float32),
}
CLIP = "input %x: f32[1,2,12,4,4]NCTHW"


def attributes(t: tuple[int, int] = (0, 0), stride: int = 1, dilation: int = 1, space: int = 0) -> str:
    return (
        f"{{stride=({stride}, 1, 1), pads=({t}, ({space}, {space}), ({space}, {space})), dilation=({dilation}, 1, 1)}}"
    )


def clip_graph(body: str) -> Graph:
    last = body.strip().splitlines()[-1].split(" = ")[0].strip()
    used = {name: data for name, data in W.items() if f"@{name}" in body.replace(",", " ").replace(")", " ").split()}
    return graph_of(f'{CLIP}\n{body}\noutput "y" = {last}', used, "canonical")


def clips(graph: Graph, samples: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {v.name: rng.normal(size=(samples, *v.type.shape[1:])) for v in graph.inputs}


def different(expected: np.ndarray, found: np.ndarray, axis: int) -> list[int]:
    """Elements along `axis` at which two outputs differ by more than rounding."""
    gap = np.abs(found - expected) > 1e-9 * (1 + np.abs(expected).max())
    if axis < 0:
        return [0] if gap.any() else []
    return np.flatnonzero(np.moveaxis(gap, axis, 0).reshape(gap.shape[axis], -1).any(axis=1)).tolist()


def check_streaming(graph: Graph, exact_edges: bool = True, causal: str = "delay", **options) -> Graph:
    """Make the clip graph causal, then a stream; both must give the clip's outputs except at the named edges."""
    x = clips(graph)
    expected = evaluate(graph, x)
    made = graph.copy()
    context = Context(samples=x)
    Manager(True, x).run(made, [MakeCausal(causal)], context)
    assert parse_graph(print_graph(made), {v.name: v.data for v in made.constants()}) == made
    found = evaluate(made, x)
    Manager(True, x).run(made, [Stream(**options)], context)
    streamed = FrameSession(made).run(x)
    for name, array in expected.items():
        timing = made.timing[name]
        assert found[name].shape == streamed[name].shape == array.shape
        np.testing.assert_allclose(streamed[name], found[name], rtol=1e-9, atol=1e-9)
        wrong = different(array, streamed[name], timing.axis)
        assert set(wrong) <= set(timing.edges)
        if exact_edges:
            assert wrong == list(timing.edges)
    return made


CASES = {
    # body, skeleton of the causal graph, latency, edges
    "causal already": (
        f"%c = conv(%x, @w5, @b) {attributes((4, 0))}\n%y = relu(%c)",
        "%c = conv(%x, @w5, @b)\n%y = relu(%c)\n%y.clip = slice(%y)\nreturn %y.clip",
        0,
        (),
    ),
    "looks ahead": (
        f"%y = conv(%x, @w5, @b) {attributes((2, 2))}",
        "%x.tail = pad(%x)\n%y = conv(%x.tail, @w5, @b)\n%y.clip = slice(%y)\nreturn %y.clip",
        2,
        (),
    ),
    "stacked symmetric layers have edges": (
        f"%c = conv(%x, @w5, @b) {attributes((2, 2))}\n%r = relu(%c)\n%y = conv(%r, @w3) {attributes((1, 1))}",
        "%x.tail = pad(%x)\n%c = conv(%x.tail, @w5, @b)\n%r = relu(%c)\n%y = conv(%r, @w3)\n%y.clip = slice(%y)\n"
        "return %y.clip",
        3,
        (0, 11),
    ),
    "pad on both sides, then chop": (
        f"%c = conv(%x, @w5, @b) {attributes((4, 4))}\n%y = slice(%c) {{ranges=((0, 1, 1), (0, 3, 1), (0, 12, 1), "
        "(0, 4, 1), (0, 4, 1))}",
        "%c = conv(%x, @w5, @b)\n%y.clip = slice(%c)\nreturn %y.clip",
        0,
        (),
    ),
    "valid padding shortens": (
        f"%y = conv(%x, @w5, @b) {attributes((0, 0))}",
        "%y = conv(%x, @w5, @b)\n%y.clip = slice(%y)\nreturn %y.clip",
        4,
        (),
    ),
    "more padding than the kernel needs": (
        f"%y = conv(%x, @w5, @b) {attributes((6, 0))}",
        "%x.tail = pad(%x)\n%x.tail.delay = delay(%x.tail)\n%y = conv(%x.tail.delay, @w5, @b)\n%y.clip = slice(%y)\n"
        "return %y.clip",
        0,
        (),
    ),
    "stride becomes dilation": (
        f"%c = conv(%x, @w5, @b) {attributes((4, 0), stride=2)}\n%y = conv(%c, @w3) {attributes((2, 0))}",
        "%c = conv(%x, @w5, @b)\n%y = conv(%c, @w3)\n%y.clip = slice(%y)\nreturn %y.clip",
        0,
        (),
    ),
    "branches meet": (
        f"%a = conv(%x, @w5) {attributes((2, 2))}\n%b2 = conv(%x, @ws) {attributes(space=1)}\n%y = add(%a, %b2)",
        "%x.tail = pad(%x)\n%a = conv(%x.tail, @w5)\n%b2 = conv(%x.tail, @ws)\n%b2.delay = delay(%b2)\n"
        "%y = add(%a, %b2.delay)\n%y.clip = slice(%y)\nreturn %y.clip",
        2,
        (),
    ),
    "mean over time": (
        "%y = mean(%x) {dims=(2, 3, 4)}",
        "%y.frame = mean(%x)\n%y.clip = slice(%y.frame)\n%y = mean(%y.clip)\nreturn %y",
        0,
        (),
    ),
    "flatten over time": (
        "%f = reshape(%x) {shape=(1, 384), axes='NC'}\n%y = dense(%f, @big)",
        "%f.clip = slice(%x)\n%f = reshape(%f.clip)\n%y = dense(%f, @big)\nreturn %y",
        0,
        (),
    ),
    "maximum over time": (
        "%y = max_pool(%x) {kernel=(3, 1, 1), stride=(2, 1, 1), pads=((1, 1), (0, 0), (0, 0)), dilation=(1, 1, 1)}",
        "%y = max_pool(%x)\n%y.clip = slice(%y)\nreturn %y.clip",
        1,
        (),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rewrite(case: str) -> None:
    body, after, latency, edges = CASES[case]
    graph = clip_graph(body)
    made = graph.copy()
    context = Context()
    MakeCausal().run(made, context)
    made.stage = "causal"
    verify(made)
    assert skeleton(made) == after
    (report,) = context.reports["make-causal"]
    assert (report.latency, report.edges) == (latency, edges)
    check_streaming(graph)


REFUSED = {
    "constant that changes": ("%y = mul(%x, @kt)", "differs from frame to frame"),
    "rates that differ": (
        f"%a = conv(%x, @w5) {attributes((4, 0), stride=2)}\n%s = slice(%x) {{ranges=((0, 1, 1), (0, 1, 1), (0, 6, 1), "
        "(0, 4, 1), (0, 4, 1))}\n%y = add(%a, %s)",
        "different rates",
    ),
    "concat in time": ("%y = concat(%x, %x) {dim=2}", "one after the other in time"),
    "dense over time": (
        "%t = transpose(%x) {perm=(0, 1, 3, 4, 2)}\n%y = dense(%t, @dt)",
        "mixes all frames",
    ),
    "average over what is there": (
        "%y = avg_pool(%x) {kernel=(3, 1, 1), stride=(1, 1, 1), pads=((1, 1), (0, 0), (0, 0)), dilation=(1, 1, 1)}",
        "averages over fewer frames",
    ),
    "padding with ones": (
        "%y = pad(%x) {pads=((0, 0), (0, 0), (2, 0), (0, 0), (0, 0)), value=1.0}",
        "pads time with 1.0",
    ),
    "reshape that mixes time": ("%y = reshape(%x) {shape=(1, 4, 12, 2, 4), axes='NCTHW'}", "mixes time"),
    "clip result back into the stream": (
        "%m = mean(%x) {dims=(2, 3, 4)}\n%y = mul(%x, %m)",
        "known only at the end of the clip",
    ),
}
W["dt"] = RNG.normal(size=(4, 12)).astype(np.float32)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_streamed_is_refused_by_name(case: str) -> None:
    body, why = REFUSED[case]
    with pytest.raises(NmcError, match="NMC-V001") as caught:
        MakeCausal().run(clip_graph(body), Context())
    assert caught.value.exit_code == 3 and why in str(caught.value) and "%y" in str(caught.value)


def test_all_refusals_come_at_once_and_a_net_without_time_is_one() -> None:
    pads = "{pads=((0, 0), (0, 0), (2, 0), (0, 0), (0, 0)), value=1.0}"
    body = f"%a = mul(%x, @kt)\n%b2 = concat(%a, %a) {{dim=2}}\n%c = pad(%x) {pads}\n%y = add(%c, %c)"
    with pytest.raises(NmcError) as caught:
        MakeCausal().run(clip_graph(body), Context())
    assert [d.what.split()[0] for d in caught.value.diagnostics] == ["%a", "%b2", "%c"]
    with pytest.raises(NmcError) as caught:
        MakeCausal().run(clip_graph("%a = mul(%x, @kt)\n%b2 = add(%a, %x)\n%y = relu(%b2)"), Context())
    assert [d.what.split()[0] for d in caught.value.diagnostics] == ["%a"]
    image = graph_of('input %x: f32[1,2,4,4]NCHW\n%y = relu(%x)\noutput "y" = %y', None, "canonical")
    with pytest.raises(NmcError, match="NMC-V004"):
        MakeCausal().run(image, Context())


@pytest.mark.parametrize("case", ["looks ahead", "branches meet", "maximum over time", "valid padding shortens"])
def test_strict_refuses_any_shift(case: str) -> None:
    with pytest.raises(NmcError, match="NMC-V002"):
        MakeCausal("strict").run(clip_graph(CASES[case][0]), Context())


@pytest.mark.parametrize("case", ["causal already", "pad on both sides, then chop", "stride becomes dilation"])
def test_strict_accepts_what_is_causal(case: str) -> None:
    check_streaming(clip_graph(CASES[case][0]), causal="strict")


def test_frame_graph_as_text() -> None:
    made = check_streaming(clip_graph(CASES["stacked symmetric layers have edges"][0]))
    assert skeleton(made) == (
        "%c.fifo = fifo(%x)\n%c.window = conv(%c.fifo, @w5, @b)\n%c = reshape(%c.window)\n%r = relu(%c)\n"
        "%y.fifo = fifo(%r)\n%y.window = conv(%y.fifo, @w3)\n%y = reshape(%y.window)\nreturn %y"
    )
    text = print_graph(made)
    assert "input %x: f32[1,2,4,4]NCHW at {offset=0, length=12, axis=2}" in text
    assert 'output "y" = %y at {offset=3, length=12, axis=2, edges=(0, 11)}' in text
    assert "{taps=(4, 3, 2, 1, 0)}" in text


def test_spatial_layers_lose_their_time_axis() -> None:
    made = check_streaming(clip_graph(f"%y = conv(%x, @ws) {attributes(space=1)}"))
    assert skeleton(made) == "%y = conv(%x, @ws)\nreturn %y"
    assert made.nodes[0].operands[1].type.shape == (3, 2, 3, 3)


def test_dilation_can_be_filled_with_zeros_and_long_fifos_chained() -> None:
    graph = clip_graph(f"%y = conv(%x, @w5, @b) {attributes((8, 0), dilation=2)}")
    filled = check_streaming(graph, zero_fill=True)
    assert "taps=(8, 7, 6, 5, 4, 3, 2, 1, 0)" in print_graph(filled)
    for limit in (2, 3, 4, 8):
        chained = check_streaming(graph, max_fifo=limit)
        fifos = [node.op for node in chained.nodes if node.op.mnemonic == "fifo"]
        assert max(max(op.taps) for op in fifos) < limit
    assert [n.op.mnemonic for n in check_streaming(graph, max_fifo=9).nodes].count("fifo") == 1
    with pytest.raises(NmcError, match="NMC-V003"):
        check_streaming(graph, max_fifo=4, chain=False)


def test_a_mean_over_time_can_be_a_window() -> None:
    made = check_streaming(clip_graph(CASES["mean over time"][0]), mean="window")
    assert [n.op.mnemonic for n in made.nodes] == ["mean", "fifo", "mean"]


def test_all_elements_of_a_settled_tensor_are_edges_together() -> None:
    pool = "{kernel=(3, 1, 1), stride=(1, 1, 1), pads=((2, 0), (0, 0), (0, 0)), dilation=(1, 1, 1)}"
    made = check_streaming(
        clip_graph(
            f"%c = conv(%x, @w5, @b) {attributes()}\n%p = max_pool(%c) {pool}\n%m = mean(%p) {{dims=(2, 3, 4)}}\n"
            "%y = pad(%m) {pads=((0, 0), (0, 0), (1, 0), (0, 0), (0, 0))}"
        ),
        exact_edges=False,
    )
    assert made.timing["y"].edges == (0, 1)


def test_a_session_steps_and_resets() -> None:
    graph = clip_graph(CASES["causal already"][0])
    expected = evaluate(graph, clips(graph))["y"]
    made = check_streaming(graph)
    session, x = FrameSession(made), clips(graph)["x"]
    for _ in range(2):
        outputs = [session.step({"x": x[:, :, t]})["y"] for t in range(12)]
        np.testing.assert_allclose(np.stack(outputs, axis=2), expected, rtol=1e-12)
        session.reset()
    with pytest.raises(ValueError, match="not clip graphs"):
        FrameSession(graph)


# --- random temporal networks ---


@st.composite
def temporal_networks(draw: st.DrawFn) -> Graph:
    """Kernels 1–7, strides 1–3, dilations 1–3, any padding, residuals of unequal depth, concats, pools, slices."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    graph = Graph("random", "imported")
    values = [graph.add_input("x", TensorType((1, 2, draw(st.integers(14, 30)), 1, 1), "f32", "NCTHW"))]

    def conv(x: Value, out: int) -> Value:
        kernel, dilation = draw(st.integers(1, 7)), draw(st.integers(1, 3))
        stride = draw(st.sampled_from([1, 1, 1, 2, 3]))
        reach = dilation * (kernel - 1)
        same = (reach - reach // 2, reach // 2)
        pads = draw(st.sampled_from([(reach, 0), same, same, (0, 0), (reach, reach), (reach + 2, 1), (0, reach)]))
        if x.type.shape[2] + sum(pads) <= reach:
            pads = (reach, 0)
        weight = graph.constant("w", rng.normal(size=(out, x.type.shape[1], kernel, 1, 1)).astype(np.float32))
        bias = graph.constant("b", rng.normal(size=out).astype(np.float32)) if draw(st.booleans()) else None
        op = Conv((stride, 1, 1), (pads, (0, 0), (0, 0)), (dilation, 1, 1))
        return graph.add(op, x, weight, *(() if bias is None else (bias,)), name="conv")

    for _ in range(draw(st.integers(1, 6))):
        x = values[-1]
        kind = draw(st.sampled_from(["conv", "conv", "residual", "concat", "relu", "max", "avg", "pad", "slice"]))
        time = x.type.shape[2]
        if kind == "conv":
            values.append(conv(x, 2))
        elif kind == "relu":
            values.append(graph.add(Relu(), x, name="relu"))
        elif kind in ("residual", "concat"):
            partners = [v for v in values if v.type.shape[2] == time and (kind == "concat" or v.type == x.type)]
            partner = draw(st.sampled_from(partners))
            values.append(graph.add(Add() if kind == "residual" else Concat(1), x, partner, name=kind))
        elif kind in ("max", "avg") and time >= 3:
            pads = (draw(st.sampled_from([(0, 0), (2, 0), (1, 1)])), (0, 0), (0, 0))
            window = ((3, 1, 1), (draw(st.integers(1, 2)), 1, 1), pads, (1, 1, 1))
            pool = MaxPool(*window) if kind == "max" else AvgPool(*window, include_pad=True)
            values.append(graph.add(pool, x, name=kind))
        elif kind == "pad":
            pads = ((0, 0), (0, 0), (draw(st.integers(0, 3)), draw(st.integers(0, 3))), (0, 0), (0, 0))
            values.append(graph.add(Pad(pads), x, name="pad"))
        elif kind == "slice" and time >= 4:
            start, step = draw(st.integers(0, 2)), draw(st.integers(1, 2))
            ranges = [(0, n, 1) for n in x.type.shape]
            ranges[2] = (start, time - draw(st.integers(0, 1)), step)
            values.append(graph.add(Slice(tuple(ranges)), x, name="slice"))
    graph.outputs["y"] = values[-1]
    if draw(st.booleans()):
        mean = graph.add(Mean((2, 3, 4)), values[-1], name="mean")
        graph.outputs["z"] = graph.add(Reshape((1, mean.type.shape[1]), "NC"), mean, name="flat")
    return graph


@pytest.mark.slow
@settings(max_examples=150)
@given(temporal_networks())
def test_random_temporal_networks_stream_like_their_clips_or_are_refused(graph: Graph) -> None:
    Canonicalize().run(graph, Context())
    graph.stage = "canonical"
    try:
        made = graph.copy()
        MakeCausal().run(made, Context())
    except NmcError as error:
        assert {d.code for d in error.diagnostics} == {"NMC-V001"}
        assert all(d.what.startswith("%") and d.why for d in error.diagnostics)
        return
    check_streaming(graph, exact_edges=False)


LAYERS = st.tuples(st.integers(1, 5), st.integers(0, 3), st.integers(0, 3), st.booleans())


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(LAYERS, min_size=1, max_size=4))
def test_edges_are_exactly_the_frames_that_differ(layers) -> None:
    """Convolutions with random weights and biases, any padding: nothing is equal by accident."""
    rng = np.random.default_rng(len(layers))
    graph = Graph("edges", "canonical")
    value = graph.add_input("x", TensorType((1, 1, 24, 1, 1), "f32", "NCTHW"))
    for kernel, before, after, bias in layers:
        weight = graph.constant("w", rng.normal(size=(1, 1, kernel, 1, 1)).astype(np.float32))
        rest = (graph.constant("b", rng.normal(size=1).astype(np.float32)),) if bias else ()
        op = Conv((1, 1, 1), ((before, after), (0, 0), (0, 0)), (1, 1, 1))
        value = graph.add(op, value, weight, *rest, name="conv")
    graph.outputs["y"] = value
    check_streaming(graph, exact_edges=True)


def test_without_edges_removes_them() -> None:
    made = check_streaming(clip_graph(CASES["stacked symmetric layers have edges"][0]))
    shape = made.outputs["y"].type.shape
    array = np.zeros((*shape[:2], 12, *shape[2:]))
    assert without_edges(array, made.timing["y"]).shape[2] == 10

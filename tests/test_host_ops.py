"""Ops that only a host runs: their values, what they refuse, how they stream, and that targets refuse them by name."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ir_text import graph_of
from nmc.compiler import compile_model
from nmc.compiler.diagnostics import Exit, NmcError
from nmc.compiler.ir import FrameSession, Graph, TensorType, evaluate
from nmc.compiler.ir.ops import (
    Activation,
    Divide,
    Function,
    IllegalOp,
    Mask,
    MatMul,
    Maximum,
    Minimum,
    Normalize,
    Op,
    Power,
    Softmax,
)
from nmc.compiler.ir.ops.host import FUNCTIONS
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.passes.canonicalize import Canonicalize
from nmc.compiler.passes.make_causal import MakeCausal
from nmc.compiler.passes.stream import Stream
from onnx_models import Net

RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 3, 4))


def test_softmax_and_its_logarithm() -> None:
    y = Softmax(1).evaluate(X)
    np.testing.assert_allclose(y, np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), rtol=1e-14)
    np.testing.assert_allclose(Softmax(1, log=True).evaluate(X), np.log(y), rtol=1e-12)


def test_softmax_of_large_numbers() -> None:
    x = np.array([[1000.0, 0.0, -1000.0]])
    assert Softmax(1).evaluate(x).tolist() == [[1.0, 0.0, 0.0]]
    assert Softmax(1, log=True).evaluate(x).tolist() == [[0.0, -1000.0, -2000.0]]


def test_masked_elements_have_no_weight() -> None:
    masked = Mask(-math.inf).evaluate(X, np.array([1.0, 0.0, 1.0, 0.0]))
    y = Softmax(2).evaluate(masked)
    assert not y[:, :, [1, 3]].any()
    np.testing.assert_allclose(y[:, :, [0, 2]], Softmax(2).evaluate(X[:, :, [0, 2]]), rtol=1e-14)


def test_a_mask_replaces_whatever_is_there() -> None:
    x = np.array([[math.nan, math.inf, 3.0]])
    assert Mask(0.5).evaluate(x, np.array([0.0, 0.0, 1.0])).tolist() == [[0.5, 0.5, 3.0]]


def test_normalize() -> None:
    y = Normalize((1, 2), epsilon=0.0).evaluate(X)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-15)
    np.testing.assert_allclose(y.std(axis=(1, 2)), 1, rtol=1e-14)
    root = Normalize((2,), epsilon=0.25, centered=False).evaluate(X)
    np.testing.assert_allclose(root, X / np.sqrt((X**2).mean(axis=2, keepdims=True) + 0.25), rtol=1e-14)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions(name: str) -> None:
    x = np.array([[0.25, 1.0, 2.5]])
    for got, number in zip(Function(name).evaluate(x)[0], x[0], strict=True):
        rounded = {"round": round(number), "sign": 1.0, "reciprocal": 1 / number}
        given = {"acos": math.acos, "asin": math.asin, "atanh": math.atanh, "acosh": math.acosh}
        try:
            expected = rounded[name] if name in rounded else given.get(name, getattr(math, name, None))(number)  # type: ignore[misc]
        except ValueError:
            assert not np.isfinite(got)
            continue
        assert got == pytest.approx(expected, rel=1e-14)


def test_binary_ops() -> None:
    a, b = np.array([[2.0, 3.0]]), np.array([[4.0], [0.5]])
    assert Divide().evaluate(a, b).tolist() == [[0.5, 0.75], [4.0, 6.0]]
    assert Power().evaluate(a, b).tolist() == [[16.0, 81.0], [math.sqrt(2), math.sqrt(3)]]
    assert Maximum().evaluate(a, b).tolist() == [[4.0, 4.0], [2.0, 3.0]]
    assert Minimum().evaluate(a, b).tolist() == [[2.0, 3.0], [0.5, 0.5]]


def kind(text: str) -> TensorType:
    shape, axes = text.split()
    return TensorType(tuple(map(int, shape.split("x"))), "f32", axes)


PRODUCTS = {
    ("1x2x5x4 NTC_", "1x2x4x3 NT_W"): "1x2x5x3 NTCW",
    ("1x2x5x4 NC_T", "1x2x4x5 NCT_"): "1x2x5x5 NC__",
    ("1x5x4 NTC", "1x4x5 NCT"): "1x5x5 NT_",
    ("1x2x5x4 NC__", "4x3 __"): "1x2x5x3 NC__",
    ("3x5 __", "1x2x5x4 NCHW"): "1x2x3x4 NC_W",
}


@pytest.mark.parametrize(("a", "b"), PRODUCTS)
def test_types_of_products(a: str, b: str) -> None:
    assert MatMul().infer(kind(a), kind(b)) == kind(PRODUCTS[a, b])


ILLEGAL: dict[str, tuple[Op, tuple[str, ...]]] = {
    "samples are kept apart": (Softmax(0), ("1x3 NC",)),
    "axes (3,) of an input": (Softmax(3), ("1x3x4 NCW",)),
    "given once": (Normalize((2, 2)), ("1x3x4 NCW",)),
    "must not be negative": (Normalize((2,), epsilon=-1.0), ("1x3x4 NCW",)),
    "no axis of a matrix": (MatMul(), ("1x3 NC", "3x3 __")),
    "4 columns for 3 rows": (MatMul(), ("1x3x4 NCW", "1x3x4 NCW")),
    "takes matrices": (MatMul(), ("1x3x4 NCW", "4 _")),
    "do not broadcast": (Divide(), ("1x3 NC", "1x4 NC")),
    "does not broadcast": (Mask(0.0), ("1x1 NC", "4 _")),
    "unknown function": (Function("cbrt"), ("1x3 NC",)),
}


@pytest.mark.parametrize("rule", ILLEGAL)
def test_illegal(rule: str) -> None:
    op, types = ILLEGAL[rule]
    with pytest.raises(IllegalOp) as caught:
        op.infer(*map(kind, types))
    assert rule in str(caught.value)


def test_thresholded_relu() -> None:
    assert Activation("thresholded_relu", 1.0).evaluate(np.array([0.5, 1.0, 2.0])).tolist() == [0.0, 0.0, 2.0]


# --- time ---

WEIGHTS = {
    "w": RNG.normal(size=(2, 2, 3, 1, 1)).astype(np.float32),
    "s": RNG.normal(size=(1, 2, 1, 1, 1)).astype(np.float32) ** 2 + 1,
    "keep": np.array([1, 0, 1, 1], np.float32),
    "left": RNG.normal(size=(2, 1, 5, 3)).astype(np.float32),
}
CONV = "{stride=(1, 1, 1), pads=((2, 0), (0, 0), (0, 0)), dilation=(1, 1, 1)}"
STREAMED = {
    "softmax over channels": "%y = softmax(%c) {axis=1}",
    "softmax over space": "%y = softmax(%c) {axis=4, log=True}",
    "normalize each frame": "%y = normalize(%c) {axes=(1, 3, 4), epsilon=0.001}",
    "rms norm": "%y = normalize(%c) {axes=(1,), centered=False}",
    "functions": '%e = function(%c) {name="exp"}\n%y = function(%e) {name="log"}',
    "divide by a constant": "%y = divide(%c, @s)",
    "divide a constant": "%y = divide(@s, %c)",
    "divide two streams, one late": '%e = function(%x) {name="exp"}\n%y = divide(%c, %e)',
    "power": "%r = relu(%c)\n%y = power(%r, @s)",
    "the larger and the smaller": "%m = maximum(%c, @s)\n%y = minimum(%m, %x)",
    "mask": "%y = mask(%c, @keep) {value=-2.0}",
    "attention within each frame": "%t = transpose(%c) {perm=(0, 1, 2, 4, 3)}\n%q = matmul(%t, %x)\n"
    "%p = softmax(%q) {axis=4}\n%y = matmul(%x, %p)",
    "a matrix a channel": "%y = matmul(@left, %c)",
}


def clip(body: str) -> Graph:
    used = {name: data for name, data in WEIGHTS.items() if f"@{name}" in body or name == "w"}
    head = f"input %x: f32[1,2,6,3,4]NCTHW\n%c = conv(%x, @w) {CONV}"
    return graph_of(f'{head}\n{body}\noutput "y" = %y', used, "canonical")


@pytest.mark.parametrize("name", STREAMED)
def test_ops_that_look_at_one_frame_stream(name: str) -> None:
    graph = clip(STREAMED[name])
    x = {"x": np.random.default_rng(2).normal(size=(2, 2, 6, 3, 4))}
    expected = evaluate(graph, x)["y"]
    Manager(True, x).run(graph, [MakeCausal(), Stream()], Context(samples=x))
    assert graph.timing["y"].edges == ()
    np.testing.assert_allclose(FrameSession(graph).run(x)["y"], expected, rtol=1e-9, atol=1e-12)


MIXED = {
    "%y = softmax(%c) {axis=2}": "it divides by a sum over all frames of the clip",
    "%y = normalize(%c) {axes=(2, 3, 4)}": "it divides by a sum over all frames of the clip",
    "%t = transpose(%c) {perm=(0, 1, 3, 2, 4)}\n%k = transpose(%t) {perm=(0, 1, 2, 4, 3)}\n%y = matmul(%t, %k)": (
        "it multiplies all frames of the clip by one another"
    ),
    "%y = mask(%c, @frames) {value=0.0}": "its mask differs from frame to frame",
}


@pytest.mark.parametrize("body", MIXED)
def test_ops_that_mix_frames_are_refused_by_name(body: str) -> None:
    WEIGHTS["frames"] = np.ones((6, 1, 1), np.float32)
    with pytest.raises(NmcError) as caught:
        Manager().run(clip(body), [MakeCausal()], Context())
    (found,) = caught.value.diagnostics
    assert found.code == "NMC-V001" and found.why == MIXED[body] and "%y" in found.what


def test_constants_fold_through_host_ops() -> None:
    body = (
        'input %x: f32[1,2]NC\n%r = function(@a) {name="sqrt"}\n%q = divide(@a, %r)\n%y = add(%x, %q)\noutput "y" = %y'
    )
    graph = graph_of(body, {"a": np.array([4.0, 9.0], np.float32)})
    Manager(True).run(graph, [Canonicalize()], Context())
    (constant,) = graph.constants()
    assert len(graph.nodes) == 1 and constant.data.tolist() == [2.0, 3.0]


# --- targets ---

NETS = {
    "softmax": ("Softmax", (), {"axis": 1}),
    "normalize": ("InstanceNormalization", (4, 4), {}),
    "matmul": ("MatMul", ("x",), {}),
    "divide": ("Div", ("x",), {}),
    "power": ("Pow", ("x",), {}),
    "maximum": ("Max", ("x",), {}),
    "minimum": ("Min", ("x",), {}),
    "function": ("Exp", (), {}),
    "mask": ("Where", (), {}),
}


@pytest.mark.parametrize("target", ["akida", "cri"])
@pytest.mark.parametrize("op", NETS)
def test_targets_refuse_them_by_name(op: str, target: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    net = Net(17)
    x = net.op("Relu", net.op("Conv", net.input("x", (1, 3, 8, 8)), net.weight(4, 3, 3, 3), pads=[1] * 4))
    kind, operands, attributes = NETS[op]
    if op == "mask":
        keep = net.const(np.tri(8, dtype=np.bool_))
        y = net.op("Softmax", net.op("Where", keep, x, net.const(-np.inf)))
    else:
        y = net.op(kind, x, *(x if o == "x" else net.weight(o) for o in operands), **attributes)
    net.output(net.op("Conv", y, net.weight(2, 4, 3, 3)))
    path = net.save(tmp_path_factory.getbasetemp(), f"{op}.onnx")
    with pytest.raises(NmcError) as caught:
        compile_model(path, target)
    assert caught.value.exit_code == Exit.UNSUPPORTED
    codes = {"akida": "NMC-A001", "cri": "NMC-C001"}
    assert codes[target] in {found.code for found in caught.value.diagnostics}

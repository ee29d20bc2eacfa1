"""Samples that a network joins with others, or moves: imported, equal to onnxruntime, or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.frontends.onnx.shifts import RULES, after_reshape
from nmc.compiler.ir.ops import Conv, Transpose
from onnx_models import Net, assert_same, check_import, refusal

Build = Callable[[Net, str], str]
FRAMES = (1, 6, 3, 8, 8)  # (N, T, C, H, W)


def joined(net: Net, x: str) -> str:
    """(N·T, C, H, W)"""
    return net.reshape(x, [6, 3, 8, 8])


def apart(net: Net, x: str) -> str:
    """Back to (N, T, …), whatever there is for each frame."""
    return net.op("Reshape", x, net.const([1, 6, -1], np.int64))


def conv(net: Net, x: str) -> str:
    w, b = net.weight(4, 3, 3, 3), net.weight(4)
    return net.op("Conv", x, w, b, pads=[1, 1, 1, 1], strides=[2, 2], kernel_shape=[3, 3], dilations=[1, 1])


def per_frame(build: Build) -> Build:
    return lambda net, x: apart(net, build(net, joined(net, x)))


def batch_norm(net: Net, x: str) -> str:
    ones = net.const(np.ones(3, np.float32))
    return net.op("BatchNormalization", x, ones, net.weight(3), net.weight(3), ones)


def flat(net: Net, x: str) -> str:
    return net.op("Flatten", x, axis=1)


def consensus(net: Net, x: str) -> str:
    """The mean over frames of what a 2-D network says about each."""
    y = net.op("Relu", conv(net, joined(net, x)))
    y = net.op("Flatten", net.op("GlobalAveragePool", y))
    y = net.op("Gemm", y, net.weight(4, 5), net.weight(5))
    return net.reduce_mean(net.reshape(y, [-1, 6, 5]), [1], keepdims=0)


def attention(net: Net, x: str) -> str:
    """(N·T, tokens, channels) with queries, keys and values in front, as vision transformers have it."""
    y = net.reshape(net.op("Transpose", net.reshape(x, [6, 3, 64]), perm=[0, 2, 1]), [6, 64, 3])
    y = net.op("Add", net.op("MatMul", y, net.weight(3, 12)), net.weight(12))
    y = net.op("Transpose", net.reshape(y, [6, 64, 3, 2, 2]), perm=[2, 0, 3, 1, 4])
    q, k, v = (net.op("Gather", y, net.const(np.int64(i)), axis=0) for i in range(3))
    scores = net.op("MatMul", q, net.op("Transpose", k, perm=[0, 1, 3, 2]))
    y = net.op("MatMul", net.op("Softmax", scores, axis=-1), v)
    return net.reshape(net.op("Transpose", y, perm=[0, 2, 1, 3]), [1, 6, 64, 4])


def moved(*perm: int, then: Build, back: tuple[int, ...] = ()) -> Build:
    """Transposed there and back."""
    back = back or tuple(int(i) for i in np.argsort(perm))
    return lambda net, x: net.op("Transpose", then(net, net.op("Transpose", x, perm=perm)), perm=back)


def squared(net: Net, x: str) -> str:
    return net.op("MatMul", x, net.op("Transpose", x, perm=[0, 1, 2, 4, 3]))


FORMS: dict[str, Build] = {
    "Conv": per_frame(conv),
    "ConvTranspose": per_frame(lambda n, x: n.op("ConvTranspose", x, n.weight(3, 2, 2, 2), strides=[2, 2])),
    "MaxPool": per_frame(lambda n, x: n.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 0])),
    "AveragePool": per_frame(lambda n, x: n.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])),
    "GlobalAveragePool": per_frame(lambda n, x: n.op("GlobalAveragePool", x)),
    "BatchNormalization": per_frame(batch_norm),
    "Flatten, Gemm": per_frame(lambda n, x: n.op("Gemm", flat(n, x), n.weight(192, 4), n.weight(4))),
    "MatMul": per_frame(lambda n, x: n.op("MatMul", flat(n, x), n.weight(192, 4))),
    "LayerNormalization": per_frame(lambda n, x: n.op("LayerNormalization", x, n.weight(8), n.weight(8))),
    "Softmax": per_frame(lambda n, x: n.op("Softmax", x, axis=1)),
    "ReduceMean": per_frame(lambda n, x: n.reduce_mean(x, [-1, 2], keepdims=0)),
    "Slice": per_frame(lambda n, x: n.slice(x, [1, 0], [3, 99], [1, 3])),
    "Slice of everything": per_frame(lambda n, x: n.slice(x, [0, 1], [99, 3])),
    "Pad": per_frame(lambda n, x: n.pad(x, [0, 0, 1, 0, 0, 0, 2, 0])),
    "Concat": per_frame(lambda n, x: n.op("Concat", x, n.op("Relu", x), n.weight(6, 1, 8, 8), axis=1)),
    "Split": per_frame(lambda n, x: n.op("Split", x, n.const([1, 2]), axis=1, outputs=2)),
    "Unsqueeze, Squeeze": per_frame(lambda n, x: n.squeeze(n.op("Neg", n.unsqueeze(x, [2])), [2])),
    "Expand": per_frame(lambda n, x: n.op("Expand", n.reduce_mean(x, [1]), n.const([6, 2, 8, 8]))),
    "Add of a constant": per_frame(lambda n, x: n.op("Add", x, n.weight(3, 1, 1))),
    "Where": per_frame(lambda n, x: n.op("Where", n.const(np.arange(8) > 3, np.bool_), x, n.op("Neg", x))),
    "Shape": per_frame(lambda n, x: n.op("Reshape", n.op("Relu", x), n.op("Shape", x))),
    "a value that is not joined": lambda n, x: apart(
        n, n.op("Mul", joined(n, x), n.op("Sigmoid", n.reshape(n.reduce_mean(x, [1]), [1, 3, 8, 8])))
    ),
    "a mean over frames": consensus,
    "attention": attention,
    "samples second": moved(1, 0, 2, 3, 4, then=lambda n, x: n.op("Relu", n.op("Add", x, n.weight(6, 1, 3, 1, 8)))),
    "samples last": moved(1, 2, 3, 4, 0, then=lambda n, x: n.reduce_mean(x, [0]), back=(4, 0, 1, 2, 3)),
    "product with samples second": moved(1, 0, 2, 3, 4, then=squared),
    "samples joined second": moved(
        1, 0, 2, 3, 4, then=lambda n, x: n.reshape(n.op("Softmax", n.reshape(x, [6, 3, 64]), axis=2), [6, 1, 3, 8, 8])
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_equals_onnxruntime(name: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(FORMS[name](net, net.input("x", FRAMES)))
    check_import(net, tmp_path)


def test_a_layer_per_frame_keeps_the_axis_of_time(tmp_path: Path) -> None:
    net = Net(17)
    x = net.op("Transpose", net.input("x", (1, 3, 6, 8, 8)), perm=[0, 2, 1, 3, 4])
    net.output(apart(net, conv(net, joined(net, net.op("Conv", x, net.weight(6, 6, 1, 1, 1))))))
    graph = check_import(net, tmp_path)
    kernels = [node.operands[1].type.shape[2:] for node in graph.nodes if isinstance(node.op, Conv)]
    assert kernels == [(1, 1, 1), (1, 3, 3)]
    assert sum(isinstance(node.op, Transpose) for node in graph.nodes) == 3


@pytest.mark.parametrize("batch", [2, "batch"])
def test_files_for_several_samples(batch: int | str, tmp_path: Path) -> None:
    net = Net(17)
    x = net.op("Reshape", net.input("x", (batch, *FRAMES[1:])), net.const([-1, 3, 8, 8]))
    y = net.op("Flatten", net.op("GlobalAveragePool", conv(net, x)))
    net.output(net.reshape(y, [-1, 6, 4]))
    path = net.save(tmp_path)
    graph = import_onnx(path, {"x": FRAMES})
    feeds = {"x": np.random.default_rng(0).normal(size=(2, *FRAMES[1:])).astype(np.float32)}
    if batch == "batch":
        assert_same(graph, str(path), feeds)
    assert graph.inputs[0].type.shape == FRAMES


REFUSED: dict[str, Build] = {
    "ReduceMean": lambda n, x: n.reduce_mean(joined(n, x), [0]),
    "ReduceMean of everything": lambda n, x: n.reduce_mean(joined(n, x), None),
    "Softmax": lambda n, x: n.op("Softmax", joined(n, x), axis=0),
    "LayerNormalization": lambda n, x: n.op("LayerNormalization", joined(n, x), n.weight(6, 3, 8, 8), axis=0),
    "Slice": lambda n, x: n.slice(joined(n, x), [1], [3], [0]),
    "Slice with a step": lambda n, x: n.slice(joined(n, x), [0], [99], [0], [4]),
    "Gather": lambda n, x: n.op("Gather", joined(n, x), n.const([0, 2]), axis=0),
    "Concat": lambda n, x: n.op("Concat", joined(n, x), joined(n, x), axis=0),
    "Pad": lambda n, x: n.pad(joined(n, x), [1, 0, 0, 0, 0, 0, 0, 0]),
    "Expand": lambda n, x: n.op("Expand", n.op("Transpose", x, perm=[1, 0, 2, 3, 4]), n.const([6, 2, 3, 8, 8])),
    "Conv over samples": lambda n, x: n.op(
        "Conv", n.op("Transpose", n.reshape(x, [6, 3, 64]), perm=[1, 0, 2]), n.weight(2, 6, 3)
    ),
    "MatMul": lambda n, x: n.op("MatMul", n.op("Transpose", flat(n, joined(n, x)), perm=[1, 0]), flat(n, joined(n, x))),
    "no rule": lambda n, x: n.op("DepthToSpace", n.op("Concat", *[joined(n, x)] * 4, axis=1), blocksize=2),
    "a constant a sample": lambda n, x: n.op("Add", n.op("Transpose", x, perm=[1, 0, 2, 3, 4]), n.weight(2, 3, 8, 8)),
    "codes": lambda n, x: n.op(
        "Transpose", n.op("QuantizeLinear", x, n.const(np.float32(0.1)), n.const(0, np.uint8)), perm=[1, 0, 2, 3, 4]
    ),
    "torn apart": lambda n, x: n.reshape(n.op("Transpose", x, perm=[1, 0, 2, 3, 4]), [2, 3, 3, 8, 8]),
    "an output": joined,
    "joined in front": lambda n, x: n.reshape(
        n.op("Transpose", n.op("Neg", n.reshape(joined(n, x), [2, 3, 192])), perm=[1, 0, 2]), [6, 192]
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_act_on_the_samples_is_refused(name: str, tmp_path: Path) -> None:
    net = Net(17)
    net.output(REFUSED[name](net, net.input("x", FRAMES)))
    (problem,) = refusal(net.save(tmp_path))
    assert problem.code == "NMC-I015"


def test_where_other_axes_would_grow_with_the_samples(tmp_path: Path) -> None:
    net = Net(17)
    y = net.op("Reshape", net.input("x", ("batch", 64)), net.const([8, -1]))
    net.output(net.reshape(net.op("Relu", y), [-1, 64]))
    (problem,) = refusal(net.save(tmp_path))
    assert problem.code == "NMC-I015" and "grow with the samples" in problem.why


def test_codes_beside_moved_samples(tmp_path: Path) -> None:
    net = Net(17)
    x = net.input("x", (1, 5, 4))
    codes = net.op("QuantizeLinear", x, net.const(np.float32(0.1)), net.const(0, np.uint8))
    net.output(net.op("Add", net.op("Transpose", x, perm=[1, 0, 2]), codes))
    (problem,) = refusal(net.save(tmp_path))
    assert problem.code == "NMC-I011" and "a quantizer gave" in problem.why


@given(st.data())
def test_samples_are_found_again_after_a_reshape(data: st.DataObject) -> None:
    """With several samples, the elements of each one lie where the axis that is found says."""
    front, rest = (data.draw(st.lists(st.integers(1, 3), max_size=2)) for _ in range(2))
    samples, before = len(front), (*front, 2, *rest)  # two samples, in an axis of their own
    lead, tail = int(np.prod(front)), int(np.prod(rest))
    after = (lead, 2, tail) if data.draw(st.booleans()) else (lead, 2 * tail)
    which = np.arange(2).reshape(*(1,) * samples, 2, *(1,) * len(rest)) * np.ones(before)
    one = tuple(1 if i == samples else size for i, size in enumerate(before))
    single = tuple(1 if size == 2 and i == 1 and len(after) == 3 else size for i, size in enumerate(after))
    single = (lead, tail) if len(after) == 2 else single
    axis = after_reshape(one, samples, single)
    ahead = int(np.prod(single[:axis]))
    found = which.reshape(ahead, 2, -1)
    assert np.array_equal(found, np.broadcast_to(np.arange(2)[None, :, None], found.shape))


def test_rules_are_for_operators_that_have_a_handler() -> None:
    from nmc.compiler.frontends.onnx.handlers import HANDLERS

    assert set(RULES) <= set(HANDLERS)

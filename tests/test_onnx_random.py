"""Random small networks compute the same after import as onnxruntime computes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmc.compiler.frontends.onnx import import_onnx
from onnx_models import Net, assert_same

OPSETS = (9, 11, 13, 17, 20)


@st.composite
def networks(draw: st.DrawFn) -> Net:
    """A chain of layers over an image with branches that join again, then a head."""
    net = Net(draw(st.sampled_from(OPSETS)), seed=draw(st.integers(0, 99)))
    size, channels = [draw(st.integers(6, 11)), draw(st.integers(6, 11))], draw(st.sampled_from((2, 4)))
    value = net.input("x", (draw(st.sampled_from((1, "N"))), channels, *size))
    for _ in range(draw(st.integers(1, 6))):
        layer = draw(st.sampled_from((_conv, _pool, _residual, _activation, _norm, _pad, _concat, _scale)))
        value, channels, size = layer(draw, net, value, channels, size)
    net.output(_head(draw, net, value, channels, size))
    return net


State = tuple[str, int, list[int]]


def _conv(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    outputs, kernel = groups * draw(st.integers(1, 3)), [draw(st.integers(1, min(3, n))) for n in size]
    stride, pads = [draw(st.integers(1, 2)) for _ in size], [draw(st.integers(0, 2)) for _ in range(4)]
    weight = net.weight(outputs, channels // groups, *kernel)
    operands = [weight, *([net.weight(outputs)] if draw(st.booleans()) else [])]
    y = net.op("Conv", x, *operands, group=groups, strides=stride, pads=pads)
    after = [(n + pads[i] + pads[i + 2] - kernel[i]) // stride[i] + 1 for i, n in enumerate(size)]
    return y, outputs, after


def _pool(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    kernel = [draw(st.integers(1, min(3, n))) for n in size]
    stride = [draw(st.integers(1, k)) for k in kernel]
    op = draw(st.sampled_from(("MaxPool", "AveragePool")))
    y = net.op(op, x, kernel_shape=kernel, strides=stride)
    return y, channels, [(n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True)]


def _residual(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    y, _, _ = _activation(
        draw, net, net.op("Conv", x, net.weight(channels, channels, 3, 3), pads=[1] * 4), channels, size
    )
    return net.op("Add", *draw(st.permutations((x, y)))), channels, size


def _activation(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    kind = draw(st.sampled_from(("Relu", "Sigmoid", "LeakyRelu", "Clip")))
    return net.clip(x, -0.5, 1.5) if kind == "Clip" else net.op(kind, x), channels, size


def _norm(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    variance = net.const(net.rng.uniform(0.2, 2, channels))
    return net.op("BatchNormalization", x, *(net.weight(channels) for _ in range(3)), variance), channels, size


def _pad(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    least = -1 if min(size) > 2 else 0
    pads = [draw(st.integers(least, 2)) for _ in range(4)]
    y = net.pad(x, [0, 0, *pads[:2], 0, 0, *pads[2:]], draw(st.sampled_from((None, 0.5))))
    return y, channels, [n + pads[i] + pads[i + 2] for i, n in enumerate(size)]


def _concat(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    other = net.op("Relu", x) if draw(st.booleans()) else net.weight(1, channels, *size)
    return net.op("Concat", x, other, axis=1), 2 * channels, size


def _scale(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> State:
    op = draw(st.sampled_from(("Add", "Sub", "Mul", "Div")))
    return net.op(op, x, net.const(net.rng.uniform(0.5, 2, (channels, 1, 1)))), channels, size


def _head(draw: st.DrawFn, net: Net, x: str, channels: int, size: list[int]) -> str:
    kind = draw(st.sampled_from(("mean", "global", "flatten", "none")))
    if kind == "none":
        return net.op("Transpose", x, perm=[0, 2, 3, 1])
    features = channels * size[0] * size[1] if kind == "flatten" else channels
    y = {"mean": lambda: net.reduce_mean(x, [2, 3], keepdims=0), "global": lambda: net.op("GlobalAveragePool", x)}.get(
        kind, lambda: x
    )()
    return net.op("Gemm", net.reshape(y, [-1, features]), net.weight(features, 3), net.weight(3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


@settings(max_examples=120)
@given(net=networks())
def test_random_networks(net: Net, folder: Path) -> None:
    graph = import_onnx(net.save(folder))
    assert_same(graph, net.proto().SerializeToString())

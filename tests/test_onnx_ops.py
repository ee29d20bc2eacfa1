"""Every supported operator and spelling against onnxruntime, over the opsets."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import evaluate
from onnx_models import Net, assert_same, check_import, feeds_for, newest_opset, session

OPSETS = (9, 10, 11, 13, 17, 20, newest_opset())
IMAGE = (1, 3, 9, 8)
BIG, INT_MAX = 2**63 - 1, 2**31 - 1


@dataclass(frozen=True)
class Row:
    """A spelling: the input shape, how to build the net, and the opsets it exists in."""

    shape: tuple[int, ...]
    build: Callable[[Net, str], str]
    since: int = 9
    until: int = 99


def conv(shape: tuple[int, ...], weight: tuple[int, ...], bias: bool = True, **attributes: object) -> Row:
    def build(net: Net, x: str) -> str:
        operands = [net.weight(*weight), *([net.weight(weight[0])] if bias else [])]
        return net.op("Conv", x, *operands, **attributes)

    return Row(shape, build)


def transposed(shape: tuple[int, ...], weight: tuple[int, ...], **attributes: object) -> Row:
    def build(net: Net, x: str) -> str:
        outputs = weight[1] * int(attributes.get("group", 1))  # type: ignore[call-overload]
        return net.op("ConvTranspose", x, net.weight(*weight), net.weight(outputs), **attributes)

    return Row(shape, build)


CONVS = {
    "1-D": conv((1, 3, 12), (4, 3, 5), pads=[2, 1], strides=[2]),
    "2-D, no kernel_shape": conv(IMAGE, (4, 3, 3, 2)),
    "no bias": conv(IMAGE, (4, 3, 3, 3), bias=False, kernel_shape=[3, 3]),
    "strides, dilations, asymmetric pads": conv(
        IMAGE, (4, 3, 3, 2), strides=[2, 1], dilations=[2, 3], pads=[1, 2, 0, 3]
    ),
    "depthwise": conv(IMAGE, (6, 1, 3, 3), group=3, pads=[1, 1, 1, 1]),
    "groups": conv((1, 4, 5, 5), (6, 2, 3, 3), group=2),
    "auto_pad NOTSET with pads": conv(IMAGE, (4, 3, 3, 3), auto_pad="NOTSET", pads=[1, 0, 1, 0]),
    "auto_pad VALID": conv(IMAGE, (4, 3, 3, 3), auto_pad="VALID", strides=[2, 2]),
    "auto_pad SAME_UPPER": conv(IMAGE, (4, 3, 4, 4), auto_pad="SAME_UPPER", strides=[2, 3]),
    "auto_pad SAME_LOWER": conv(IMAGE, (4, 3, 4, 4), auto_pad="SAME_LOWER", strides=[2, 3]),
    "auto_pad SAME_UPPER, wide stride": conv((1, 2, 7), (2, 2, 2), auto_pad="SAME_UPPER", strides=[5]),
    "3-D, causal": conv((1, 2, 4, 5, 5), (3, 2, 3, 3, 3), pads=[2, 1, 1, 0, 1, 1]),
    "transposed": transposed((1, 3, 5, 4), (3, 2, 3, 3), strides=[2, 2], pads=[1, 0, 1, 1]),
    "transposed, output_padding": transposed(
        (1, 3, 5, 4), (3, 2, 3, 3), strides=[2, 3], output_padding=[1, 2], pads=[1] * 4
    ),
    "transposed, groups, dilations": transposed((1, 4, 5), (4, 3, 3), group=2, dilations=[2]),
    "transposed, VALID": transposed((1, 2, 5), (2, 3, 2), auto_pad="VALID", kernel_shape=[2]),
}


def _gemm(shape: tuple[int, ...] = (7, 5), c: tuple[int, ...] | None = (5,), **attributes: object) -> Row:
    def build(net: Net, x: str) -> str:
        operands = [net.weight(*shape)] + ([] if c is None else [net.weight(*c)])
        return net.op("Gemm", x, *operands, **attributes)

    return Row((1, 7), build, since=9 if c is not None else 11)


DENSE = {
    "Gemm": _gemm(),
    "Gemm transB": _gemm((5, 7), transB=1),
    "Gemm alpha, beta": _gemm(alpha=0.5, beta=3.0),
    "Gemm beta 0": _gemm(beta=0.0),
    "Gemm without C": _gemm(c=None),
    "Gemm C scalar": _gemm(c=()),
    "Gemm C one": _gemm(c=(1,)),
    "Gemm C row": _gemm(c=(1, 5)),
    "Gemm C 1×1": _gemm(c=(1, 1)),
    "MatMul": Row((1, 7), lambda n, x: n.op("MatMul", x, n.weight(7, 5))),
    "MatMul rank 3": Row((1, 4, 7), lambda n, x: n.op("MatMul", x, n.weight(7, 5))),
    "MatMul rank 4": Row(IMAGE, lambda n, x: n.op("MatMul", x, n.weight(8, 2))),
    "MatMul 1×K×O": Row((1, 4, 7), lambda n, x: n.op("MatMul", x, n.weight(1, 7, 5))),
    "MatMul and Add": Row((1, 4, 7), lambda n, x: n.op("Add", n.weight(5), n.op("MatMul", x, n.weight(7, 5)))),
}


def _norm(net: Net, x: str, channels: int, **attributes: object) -> str:
    parameters = [net.weight(channels), net.weight(channels), net.weight(channels)]
    variance = net.const(np.abs(net.rng.normal(size=channels)).astype(np.float32) + 0.1)
    return net.op("BatchNormalization", x, *parameters, variance, **attributes)


def _binary(op: str, constant_first: bool, *shape: int) -> Row:
    def build(net: Net, x: str) -> str:
        c = net.const((net.rng.uniform(0.5, 2, size=shape) * net.rng.choice([-1, 1], size=shape)).astype(np.float32))
        return net.op(op, *((c, x) if constant_first else (x, c)))

    return Row(IMAGE, build)


ELEMENTWISE = {
    "Relu": Row(IMAGE, lambda n, x: n.op("Relu", x)),
    "Clip": Row(IMAGE, lambda n, x: n.clip(x, -0.5, 0.75)),
    "Clip min": Row(IMAGE, lambda n, x: n.clip(x, -0.5, None)),
    "Clip max": Row(IMAGE, lambda n, x: n.clip(x, None, 0.25)),
    "Clip without bounds": Row(IMAGE, lambda n, x: n.op("Clip", x)),
    "Clip to infinity": Row(IMAGE, lambda n, x: n.clip(x, 0.0, np.inf), since=11),
    "Clip with empty operands": Row(IMAGE, lambda n, x: n.op("Clip", x, "", ""), since=11),
    "Add of values": Row(IMAGE, lambda n, x: n.op("Add", x, n.op("Relu", x))),
    "Add twice the same": Row(IMAGE, lambda n, x: n.op("Add", x, x)),
    "Add, broadcasting values": Row(IMAGE, lambda n, x: n.op("Add", x, n.op("GlobalAveragePool", x))),
    "Add scalar": _binary("Add", False),
    "Add per channel": _binary("Add", True, 1, 3, 1, 1),
    "Add per channel, rank 3": _binary("Add", False, 3, 1, 1),
    "Add plane": _binary("Add", False, 9, 8),
    "Sub constant": _binary("Sub", False, 3, 1, 1),
    "Sub from constant": _binary("Sub", True, 3, 1, 1),
    "Sub from scalar": _binary("Sub", True),
    "Mul": _binary("Mul", False, 1, 3, 1, 1),
    "Mul scalar first": _binary("Mul", True),
    "Mul of values": Row(IMAGE, lambda n, x: n.op("Mul", x, n.op("Sigmoid", x))),
    "Mul of values, broadcasting": Row(IMAGE, lambda n, x: n.op("Mul", n.op("GlobalAveragePool", x), x)),
    "Sub of values": Row(IMAGE, lambda n, x: n.op("Sub", n.op("Relu", x), x)),
    "Div": _binary("Div", False, 3, 1, 1),
    "Div scalar": _binary("Div", False),
    "BatchNormalization": Row(IMAGE, lambda n, x: _norm(n, x, 3)),
    "BatchNormalization epsilon, momentum": Row(IMAGE, lambda n, x: _norm(n, x, 3, epsilon=0.01, momentum=0.5)),
    "BatchNormalization rank 2": Row((1, 6), lambda n, x: _norm(n, x, 6)),
    "BatchNormalization rank 3": Row((1, 6, 5), lambda n, x: _norm(n, x, 6)),
    "BatchNormalization training_mode 0": Row(IMAGE, lambda n, x: _norm(n, x, 3, training_mode=0), since=14),
    "Identity": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Identity", x))),
    "Dropout": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Dropout", x, outputs=2))),
    "Dropout ratio": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Dropout", x, ratio=0.3)), until=11),
    "Dropout operands": Row(
        IMAGE,
        lambda n, x: n.op("Relu", n.op("Dropout", x, n.const(np.float32(0.3)), n.const(np.array(False)), seed=3)),
        since=13,
    ),
    "Cast to float": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Cast", x, to=1))),
    "Neg": Row(IMAGE, lambda n, x: n.op("Neg", x)),
    "Pow 1": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Pow", x, n.const(1.0)))),
    "Pow 2": Row(IMAGE, lambda n, x: n.op("Pow", x, n.const(2.0))),
    "Pow 3": Row(IMAGE, lambda n, x: n.op("Pow", x, n.const([3.0]))),
    "Pow 3, a whole number": Row(IMAGE, lambda n, x: n.op("Pow", x, n.const(3)), since=13),
    "CastLike of a constant": Row(IMAGE, lambda n, x: n.op("Add", x, n.op("CastLike", n.const([3]), x)), since=17),
    "CastLike": Row(IMAGE, lambda n, x: n.op("Relu", n.op("CastLike", x, n.weight(1))), since=17),
}


def _softplus(beta: float | None = None, threshold: float = 20.0) -> Row:
    """As PyTorch's dynamo exporter writes it, on inputs beyond the threshold too."""

    def build(net: Net, x: str) -> str:
        x = net.op("Mul", x, net.const(threshold))
        scaled = x if beta is None else net.op("Mul", net.const(beta), x)
        smooth = net.op("Softplus", scaled)
        smooth = smooth if beta is None else net.op("Div", smooth, net.const(beta))
        return net.op("Where", net.op("Greater", scaled, net.const(threshold)), x, smooth)

    return Row(IMAGE, build)


def _softsign(turned: bool) -> Row:
    def build(net: Net, x: str) -> str:
        summands = (net.op("Abs", x), net.const(1.0))
        return net.op("Div", x, net.op("Add", *(summands[::-1] if turned else summands)))

    return Row(IMAGE, build)


PLAIN = ["Elu", "Erf", "HardSigmoid", "LeakyRelu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"]
ACTIVATIONS = {
    **{op: Row(IMAGE, lambda n, x, op=op: n.op(op, x)) for op in PLAIN},
    "Elu alpha": Row(IMAGE, lambda n, x: n.op("Elu", x, alpha=0.3)),
    "Celu": Row(IMAGE, lambda n, x: n.op("Celu", x), since=12),
    "Celu alpha": Row(IMAGE, lambda n, x: n.op("Celu", x, alpha=0.3), since=12),
    "Selu alpha, gamma": Row(IMAGE, lambda n, x: n.op("Selu", x, alpha=1.5, gamma=2.0)),
    "Mish": Row(IMAGE, lambda n, x: n.op("Mish", x), since=18),
    "Softplus of a constant": Row(IMAGE, lambda n, x: n.op("Mul", x, n.op("Softplus", n.weight(3, 1, 1)))),
    "Softplus with a threshold": _softplus(),
    "Softplus with beta and a threshold": _softplus(2.0, 15.0),
    "Softsign by Abs": _softsign(False),
    "Softsign by Abs, turned round": _softsign(True),
    "LeakyRelu alpha": Row(IMAGE, lambda n, x: n.op("LeakyRelu", x, alpha=0.3)),
    "PRelu, one slope": Row(IMAGE, lambda n, x: n.op("PRelu", x, n.weight(1))),
    "PRelu per channel": Row(IMAGE, lambda n, x: n.op("PRelu", x, n.weight(3, 1, 1))),
    "HardSigmoid as in PyTorch": Row(IMAGE, lambda n, x: n.op("HardSigmoid", x, alpha=1 / 6)),
    "HardSigmoid alpha, beta": Row(IMAGE, lambda n, x: n.op("HardSigmoid", x, alpha=0.3, beta=0.4)),
    "HardSwish": Row(IMAGE, lambda n, x: n.op("HardSwish", x), since=14),
    "Gelu": Row(IMAGE, lambda n, x: n.op("Gelu", x), since=20),
    "Gelu tanh": Row(IMAGE, lambda n, x: n.op("Gelu", x, approximate="tanh"), since=20),
}


def _resize(shape: tuple[int, ...] = IMAGE, since: int = 11, **given: Any) -> Row:
    return Row(shape, lambda n, x: n.resize(x, **given), since=since)


def _by_shape(net: Net, x: str) -> str:
    """The sizes computed from the input's own, as the legacy exporter writes them."""
    sizes = net.op("Mul", net.op("Shape", x), net.const([1, 1, 2, 3]))
    empty = net.const(np.zeros(0, np.float32))
    return net.op("Resize", x, empty, empty, sizes, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


ASYMMETRIC = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "cubic_coeff_a": -0.5}
RESIZES = {
    "factors 2": _resize(scales=[1, 1, 2, 2], since=9),
    "mode nearest, factors 1 and 3": _resize(scales=[1, 1, 1, 3], mode="nearest", since=9),
    "1-D": _resize((1, 3, 5), scales=[1, 1, 4], since=9),
    "3-D": _resize((1, 2, 3, 4, 2), scales=[1, 1, 2, 1, 3], since=9),
    "factors 1": Row(IMAGE, lambda n, x: n.op("Relu", n.resize(x, scales=[1, 1, 1, 1]))),
    "factors 1, rank 2": Row((1, 4), lambda n, x: n.op("Relu", n.resize(x, scales=[1, 1]))),
    "as PyTorch": _resize(scales=[1, 1, 2, 3], **ASYMMETRIC),
    "sizes": _resize(sizes=[1, 3, 18, 24], **ASYMMETRIC),
    "sizes by Shape": Row(IMAGE, _by_shape, since=11),
    "sizes of axes": _resize(sizes=[24, 9], axes=[-1, 2], since=18, keep_aspect_ratio_policy="stretch"),
    "scales of axes": _resize(scales=[2], axes=[3], since=18, antialias=0),
    "half_pixel_symmetric": _resize(
        scales=[1, 1, 5, 2], coordinate_transformation_mode="half_pixel_symmetric", since=19
    ),
}


def _max(shape: tuple[int, ...] = IMAGE, **attributes: object) -> Row:
    return Row(shape, lambda n, x: n.op("MaxPool", x, **attributes), since=11)


def _avg(since: int = 11, **attributes: object) -> Row:
    return Row(IMAGE, lambda n, x: n.op("AveragePool", x, **attributes), since=since)


POOLS = {
    "MaxPool": Row(IMAGE, lambda n, x: n.op("MaxPool", x, kernel_shape=[2, 3])),
    "MaxPool 1-D": _max((1, 3, 11), kernel_shape=[3], strides=[2], pads=[1, 0]),
    "MaxPool 3-D": _max((1, 2, 4, 5, 5), kernel_shape=[2, 2, 2], strides=[2, 1, 2]),
    "MaxPool pads": _max(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "MaxPool ceil_mode": _max(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    "MaxPool ceil_mode, pads": _max(kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 0, 1], ceil_mode=1),
    "MaxPool dilations": _max(kernel_shape=[3, 2], dilations=[2, 3], storage_order=1),
    "MaxPool SAME_UPPER": _max(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "MaxPool SAME_LOWER": _max(kernel_shape=[2, 2], strides=[2, 3], auto_pad="SAME_LOWER"),
    "MaxPool VALID": _max(kernel_shape=[2, 2], strides=[3, 3], auto_pad="VALID"),
    "MaxPool unused indices": Row(IMAGE, lambda n, x: n.op("MaxPool", x, outputs=2, kernel_shape=[2, 2])),
    "AveragePool": Row(IMAGE, lambda n, x: n.op("AveragePool", x, kernel_shape=[2, 3], strides=[2, 2])),
    "AveragePool pads not counted": _avg(kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "AveragePool pads counted": _avg(kernel_shape=[3, 3], pads=[1, 0, 1, 2], count_include_pad=1),
    "AveragePool ceil_mode": _avg(kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1),
    "AveragePool ceil_mode, pads": _avg(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
    "AveragePool ceil_mode, pads counted": _avg(
        since=20, kernel_shape=[3, 3], strides=[2, 3], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1
    ),
    "AveragePool SAME_UPPER": _avg(kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
    "AveragePool SAME_LOWER counted": _avg(
        kernel_shape=[2, 2], strides=[2, 3], auto_pad="SAME_LOWER", count_include_pad=1
    ),
    "AveragePool dilations": _avg(since=20, kernel_shape=[3, 2], dilations=[2, 3], pads=[1, 0, 1, 0]),
    "GlobalAveragePool": Row(IMAGE, lambda n, x: n.op("GlobalAveragePool", x)),
    "GlobalAveragePool rank 3": Row((1, 3, 7), lambda n, x: n.op("GlobalAveragePool", x)),
    "ReduceMean": Row(IMAGE, lambda n, x: n.reduce_mean(x, [2, 3])),
    "ReduceMean keepdims 0": Row(IMAGE, lambda n, x: n.reduce_mean(x, [2, 3], keepdims=0)),
    "ReduceMean negative, any order": Row(IMAGE, lambda n, x: n.reduce_mean(x, [-1, -2], keepdims=0), since=11),
    "ReduceMean channels": Row(IMAGE, lambda n, x: n.reduce_mean(x, [1])),
    "ReduceMean noop": Row(IMAGE, lambda n, x: n.op("Relu", n.reduce_mean(x, None, noop_with_empty_axes=1)), since=18),
    "ReduceMean noop, empty axes": Row(
        IMAGE, lambda n, x: n.op("Relu", n.reduce_mean(x, [], noop_with_empty_axes=1)), since=18
    ),
}


def _concat(net: Net, x: str) -> str:
    return net.op("Concat", x, net.op("Relu", x), net.weight(1, 2, 9, 8), axis=1)


SHAPES = {
    "Concat": Row(IMAGE, _concat),
    "Concat constant first": Row(IMAGE, lambda n, x: n.op("Concat", n.weight(1, 3, 2, 8), x, axis=2)),
    "Concat negative axis": Row(IMAGE, lambda n, x: n.op("Concat", x, x, axis=-1), since=11),
    "Concat with nothing": Row(
        IMAGE, lambda n, x: n.op("Relu", n.op("Concat", x, n.const(np.zeros((1, 0, 9, 8), "f")), axis=1))
    ),
    "Concat of one": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Concat", x, axis=1))),
    "Flatten": Row(IMAGE, lambda n, x: n.op("Flatten", x)),
    "Flatten axis 1": Row(IMAGE, lambda n, x: n.op("Flatten", x, axis=1)),
    "Flatten negative axis": Row(IMAGE, lambda n, x: n.op("Flatten", x, axis=-3), since=11),
    "Flatten axis 2 of one channel": Row((1, 1, 4, 4), lambda n, x: n.op("Flatten", x, axis=2)),
    "Reshape": Row(IMAGE, lambda n, x: n.reshape(x, [1, 9, 24])),
    "Reshape -1 last": Row(IMAGE, lambda n, x: n.reshape(x, [1, -1])),
    "Reshape -1 first": Row(IMAGE, lambda n, x: n.reshape(x, [-1, 216])),
    "Reshape 0": Row(IMAGE, lambda n, x: n.reshape(x, [0, 0, -1])),
    "Reshape allowzero": Row(IMAGE, lambda n, x: n.reshape(x, [1, 3, 72], allowzero=1), since=14),
    "Reshape allowzero 0": Row(IMAGE, lambda n, x: n.reshape(x, [0, 3, 72], allowzero=0), since=14),
    "Reshape to an image and Conv": Row(
        (1, 48), lambda n, x: n.op("Conv", n.reshape(x, [-1, 3, 4, 4]), n.weight(2, 3, 3, 3))
    ),
    "Squeeze": Row((1, 3, 1, 5), lambda n, x: n.squeeze(x, [2])),
    "Squeeze two, negative": Row((1, 3, 1, 1), lambda n, x: n.squeeze(x, [-1, -2]), since=11),
    "Unsqueeze": Row((1, 3), lambda n, x: n.unsqueeze(x, [2, 3])),
    "Unsqueeze negative": Row((1, 3), lambda n, x: n.unsqueeze(x, [-1]), since=11),
    "Unsqueeze in the middle and Conv": Row(
        (1, 6, 5), lambda n, x: n.op("Conv", n.unsqueeze(x, [1]), n.weight(2, 1, 3, 3))
    ),
    "Transpose": Row(IMAGE, lambda n, x: n.op("Transpose", x, perm=[0, 2, 3, 1])),
    "Transpose to itself": Row(IMAGE, lambda n, x: n.op("Relu", n.op("Transpose", x, perm=[0, 1, 2, 3]))),
    "Transpose and Conv": Row(
        (1, 9, 8, 3), lambda n, x: n.op("Conv", n.op("Transpose", x, perm=[0, 3, 1, 2]), n.weight(2, 3, 3, 3))
    ),
    "Pad": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 1, 2, 0, 1, 3, 0])),
    "Pad value": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 1, 2, 0, 1, 3, 0], 0.5)),
    "Pad mode constant": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, 1, 2, 0, 0, 0, 0], mode="constant")),
    "Pad nothing": Row(IMAGE, lambda n, x: n.op("Relu", n.pad(x, [0] * 8))),
    "Pad -inf and MaxPool": Row(
        IMAGE, lambda n, x: n.op("MaxPool", n.pad(x, [0, 0, 1, 1, 0, 0, 1, 1], -np.inf), kernel_shape=[3, 3])
    ),
    "Pad negative": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, -1, 2, 0, 0, 1, -3])),
    "Pad negative only": Row(IMAGE, lambda n, x: n.pad(x, [0, 0, -1, 0, 0, 0, 0, -3])),
    "Pad axes": Row(
        IMAGE,
        lambda n, x: n.op("Pad", x, n.const([1, 2, 3, 0]), n.const(np.float32(0)), n.const([-1, 2])),
        since=18,
    ),
    "Slice": Row(IMAGE, lambda n, x: n.slice(x, [1, 2], [7, 8], [2, 3])),
    "Slice without axes": Row(IMAGE, lambda n, x: n.slice(x, [0, 1], [INT_MAX, 3])),
    "Slice negative, to the end": Row(IMAGE, lambda n, x: n.slice(x, [-4, 1], [-1, BIG], [2, 3])),
    "Slice far out of range": Row(IMAGE, lambda n, x: n.slice(x, [-100], [100], [2])),
    "Slice negative axes, steps": Row(IMAGE, lambda n, x: n.slice(x, [1, 0], [8, BIG], [-2, -1], [3, 2]), since=11),
    "Slice steps without axes": Row(IMAGE, lambda n, x: n.slice(x, [0, 0], [1, 3], None, [1, 2]), since=10),
    "Split": Row(IMAGE, lambda n, x: n.op("Split", x, outputs=2, axis=3), until=17),
    "Split num_outputs": Row(
        IMAGE, lambda n, x: _second(n, n.op("Split", x, outputs=2, axis=2, num_outputs=2)), since=18
    ),
    "Split attribute": Row(IMAGE, lambda n, x: _second(n, n.op("Split", x, outputs=2, axis=2, split=[4, 5])), until=12),
    "Split operand": Row(
        IMAGE, lambda n, x: _second(n, n.op("Split", x, n.const([4, 5]), outputs=2, axis=2)), since=13
    ),
    "Gather one": Row(IMAGE, lambda n, x: n.op("Gather", x, n.const(2), axis=2)),
    "Gather the last": Row(IMAGE, lambda n, x: n.op("Gather", x, n.const(-1), axis=3), since=11),
    "Gather some": Row(IMAGE, lambda n, x: n.op("Gather", x, n.const([1, 3, 5]), axis=2)),
}


def _second(net: Net, first: str) -> str:
    return net.op("Concat", f"{first}.1", first, axis=2)


TABLES = {
    "conv": CONVS,
    "dense": DENSE,
    "elementwise": ELEMENTWISE,
    "activation": ACTIVATIONS,
    "pool": POOLS,
    "resize": RESIZES,
    "shape": SHAPES,
}
ROWS = {f"{table}: {name}": row for table, rows in TABLES.items() for name, row in rows.items()}
CASES = [(name, opset) for name, row in ROWS.items() for opset in OPSETS if row.since <= opset <= row.until]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all cases: a folder each would take longer than the tests."""
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(("name", "opset"), CASES, ids=[f"{name}, opset {opset}" for name, opset in CASES])
def test_equals_onnxruntime(name: str, opset: int, folder: Path) -> None:
    net = Net(opset)
    net.output(ROWS[name].build(net, net.input("x", ROWS[name].shape)))
    check_import(net, folder)


@pytest.mark.parametrize("opset", range(9, onnx.defs.onnx_opset_version() + 1))
def test_every_opset_that_onnx_knows(opset: int, folder: Path) -> None:
    net = Net(opset)
    y = net.op("Conv", net.input("x", ("N", 3, 6, 6)), net.weight(4, 3, 3, 3), pads=[1, 1, 1, 1])
    y = net.clip(net.pad(y, [0, 0, 1, 0, 0, 0, 0, 1]), 0.0, 6.0)
    net.output(net.op("Flatten", net.reduce_mean(y, [2, 3])))
    assert_equals_reference(net, folder)


@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_swish(alpha: float, folder: Path) -> None:
    net = Net(24)
    net.output(net.op("Swish", net.input("x", IMAGE), alpha=alpha))
    assert_equals_reference(net, folder)


TRANSFORMS = (
    "half_pixel",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "half_pixel_symmetric",
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_resize_takes_the_elements_that_onnxruntime_takes(transform: str, folder: Path) -> None:
    """Mode nearest, by every rounding; what lies between two elements is refused."""
    opset = 20 if transform == "half_pixel_symmetric" else 11
    for size, factor, rounding in itertools.product((1, 5), (0.4, 0.5, 1.5, 2, 3), ROUNDINGS):
        net = Net(opset)
        new = max(1, int(size * factor))
        given = {"sizes": [1, 1, new]} if factor < 2 else {"scales": [1, 1, factor]}
        y = net.resize(
            net.input("x", (1, 1, size)), **given, coordinate_transformation_mode=transform, nearest_mode=rounding
        )
        net.output(y)
        feed = {"x": np.arange(size, dtype=np.float32)[None, None]}
        (wanted,) = session(net.proto().SerializeToString()).run(None, feed)
        path = net.save(folder)
        try:
            graph = import_onnx(path)
        except NmcError as error:
            assert "just between two" in error.diagnostics[0].why
            continue
        (made,) = evaluate(graph, feed).values()
        assert np.array_equal(made, wanted), (size, factor, rounding)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_resize_interpolates_as_onnxruntime_does(transform: str, folder: Path) -> None:
    opset = 20 if transform == "half_pixel_symmetric" else 11
    for size, new, mode in itertools.product((2, 5), (1, 3, 10), ("linear", "cubic", "cubic, inside")):
        net = Net(opset)
        x = net.input("x", (1, 2, size, 3))
        attributes = {"exclude_outside": 1, "cubic_coeff_a": -0.5} if mode == "cubic, inside" else {}
        y = net.resize(
            x, sizes=[1, 2, new, 3], mode=mode.split(",")[0], coordinate_transformation_mode=transform, **attributes
        )
        net.output(net.op("Relu", y))
        graph = import_onnx(net.save(folder))
        assert_same(graph, net.proto().SerializeToString(), tolerance=3e-5)


def test_resize_keeps_the_letters_of_transposed_inputs(folder: Path) -> None:
    net = Net()
    y = net.resize(net.op("Transpose", net.input("x", (1, 4, 5, 3)), perm=[0, 3, 1, 2]), [1, 1, 2, 2])
    net.output(net.op("Conv", y, net.weight(2, 3, 3, 3)))
    graph = check_import(net, folder)
    assert graph.inputs[0].type.axes == "NHWC"
    assert [node.result.type.axes for node in graph.nodes] == ["NCHW"] * 3


def test_sizes_of_a_batch_that_input_shapes_replaced_stand_for_the_samples(folder: Path) -> None:
    net = Net()
    net.output(net.resize(net.input("x", (4, 3, 5, 5)), sizes=[4, 3, 10, 5]))
    graph = import_onnx(net.save(folder), {"x": (1, 3, 5, 5)})
    (y,) = graph.outputs.values()
    assert y.type.shape == (1, 3, 10, 5)


def assert_equals_reference(net: Net, folder: Path) -> None:
    """As `check_import`, against onnx's own evaluator, which knows ops and opsets that onnxruntime does not."""
    graph = import_onnx(net.save(folder))
    feeds = feeds_for(graph, samples=1)
    wanted = ReferenceEvaluator(net.proto()).run(None, feeds)
    for got, expected in zip(evaluate(graph, feeds).values(), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)

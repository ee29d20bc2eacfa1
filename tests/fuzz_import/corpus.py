"""Valid models that mutations start from: small ones made here, and the shipped examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from onnx_models import Net

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHIPPED = ("digits/digits.onnx", "digits/digits_residual.onnx", "gestures/gestures.onnx")


def _image() -> Net:
    net = Net(17)
    x = net.op("Conv", net.input("image", ("N", 2, 8, 8)), net.weight(4, 2, 3, 3), net.weight(4), pads=[1] * 4)
    x = net.op("MaxPool", net.op("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = net.op("Relu", net.op("Conv", x, net.weight(4, 2, 3, 3), group=2, strides=[2, 2], pads=[1] * 4))
    net.output(net.op("Gemm", net.op("Flatten", x), net.weight(3, 16), net.weight(3), transB=1), "classes")
    return net


def _residual() -> Net:
    net = Net(20)
    x = net.op("Relu", net.op("Conv", net.input("x", (1, 3, 6, 6)), net.weight(4, 3, 1, 1)))
    variance = net.const(net.rng.uniform(0.5, 2, 4))
    y = net.op("BatchNormalization", net.op("Conv", x, net.weight(4, 4, 3, 3), pads=[1] * 4),
               *(net.weight(4) for _ in range(3)), variance)  # fmt: skip
    x = net.op("Relu", net.op("Add", x, y))
    x = net.op("Concat", net.op("AveragePool", x, kernel_shape=[2, 2]), net.slice(x, [0, 0], [5, 5], [2, 3]), axis=1)
    net.output(net.op("MatMul", net.reduce_mean(x, [2, 3], keepdims=0), net.weight(8, 2)))
    return net


def _video() -> Net:
    net = Net(13)
    x = net.op("Conv", net.input("clip", (1, 2, 8, 6, 6)), net.weight(3, 2, 3, 1, 1), pads=[2, 0, 0, 0, 0, 0])
    x = net.op("Conv", net.op("Relu", x), net.weight(4, 3, 1, 3, 3), strides=[1, 2, 2])
    x = net.reduce_mean(net.clip(x, 0.0, 6.0), [3, 4], keepdims=0)
    x = net.op("Transpose", x, perm=[0, 2, 1])
    net.output(net.op("Add", net.op("MatMul", x, net.weight(4, 3)), net.weight(3)))
    return net


def _resized() -> Net:
    net = Net(11)
    x = net.op("ConvTranspose", net.input("x", (1, 2, 4, 4)), net.weight(2, 3, 2, 2), strides=[2, 2])
    x = net.resize(net.op("LeakyRelu", x, alpha=0.1), [1, 1, 2, 2], mode="nearest",
                   coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    x = net.pad(net.op("Sigmoid", x), [0, 0, 1, 1, 0, 0, 0, 2])
    net.output(net.op("HardSigmoid", net.op("GlobalAveragePool", x)), "a")
    net.output(net.op("Mul", x, net.const(np.full((1, 3, 1, 1), 0.5, np.float32))), "b")
    return net


def _shapes() -> Net:
    """A reshape whose target is computed from the input's shape."""
    net = Net(9)
    x = net.op("Tanh", net.op("Conv", net.input("x", ("N", 2, 5, 5)), net.weight(3, 2, 2, 2)))
    first = net.op("Gather", net.op("Shape", x), net.const(0, np.int64), axis=0)
    target = net.op("Concat", net.unsqueeze(first, [0]), net.const([48], np.int64), axis=0)
    x = net.op("Reshape", x, target)
    net.output(net.op("Gemm", x, net.weight(48, 2), net.weight(2), alpha=0.5, beta=2.0))
    return net


def _branch() -> Net:
    """An If with a constant condition around a Squeeze."""
    net = Net(17)
    x = net.op("Relu", net.op("MatMul", net.input("x", (1, 4)), net.weight(4, 6)))
    x = net.unsqueeze(x, [2])
    branches = {}
    for key, op in (("then_branch", "Squeeze"), ("else_branch", "Identity")):
        made = helper.make_tensor_value_info(key, TensorProto.FLOAT, None)
        axes = [numpy_helper.from_array(np.array([2]), "axes")] if op == "Squeeze" else []
        node = helper.make_node(op, [x, *(t.name for t in axes)], [key])
        branches[key] = helper.make_graph([node], key, [], [made], axes)
    x = net.op("If", net.op("Equal", net.const([1], np.int64), net.const([1], np.int64)), **branches)
    parts = net.op("Split", x, net.const([2, 4], np.int64), outputs=2, axis=1)
    net.output(net.op("Softplus", parts))
    net.output(net.op("Gemm", f"{parts}.1", net.weight(4, 2)))
    return net


def _function() -> ModelProto:
    net = Net(17)
    net.output(net.op("Flatten", net.op("Act", net.input("x", (1, 2, 4, 4)), domain="own")))
    model = net.proto()
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Act2", ["b"], ["c"], domain="own")]
    standard, own = helper.make_opsetid("", 17), helper.make_opsetid("own", 1)
    model.functions.append(helper.make_function("own", "Act", ["a"], ["c"], body, [standard, own]))
    inner = [helper.make_node("HardSwish", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Act2", ["a"], ["b"], inner, [standard]))
    model.opset_import.append(own)
    return model


def _quantized() -> Net:
    net = Net(13)
    x = net.input("x", (1, 2, 6, 6))
    scale, zero = net.const(np.float32(0.05)), net.const(np.int8(3), np.int8)
    x = net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale, zero), scale, zero)
    weight = net.const(net.rng.integers(-127, 128, (3, 2, 3, 3)), np.int8)
    scales, zeros = net.const(np.full(3, 0.01, np.float32)), net.const(np.zeros(3), np.int8)
    x = net.op("Conv", x, net.op("DequantizeLinear", weight, scales, zeros, axis=0))
    net.output(net.op("Flatten", net.op("Relu", x)))
    return net


def _gated() -> Net:
    """Ops that machines do not have."""
    net = Net(17)
    x = net.op("Conv", net.input("x", (1, 4, 5, 5)), net.weight(4, 4, 3, 3))
    x = net.op("Mul", x, net.op("Sigmoid", net.op("GlobalAveragePool", x)))
    net.output(net.op("Softmax", net.op("Flatten", x), axis=1))
    return net


def _stream() -> Net:
    """One frame a call; the FIFO is an input and an output."""
    net = Net(17)
    window = net.op("Concat", net.input("fifo", (1, 2, 3, 4, 4)), net.input("frame", (1, 2, 1, 4, 4)), axis=2)
    net.output(net.slice(window, [1], [4], [2]), "next")
    x = net.op("Relu", net.op("Conv", window, net.weight(3, 2, 4, 1, 1), net.weight(3)))
    net.output(net.op("Flatten", net.op("Conv", x, net.weight(2, 3, 1, 4, 4))), "y")
    return net


MADE: dict[str, Callable[[], Net | ModelProto]] = {
    "image": _image,
    "residual": _residual,
    "video": _video,
    "resized": _resized,
    "shapes": _shapes,
    "branch": _branch,
    "function": _function,
    "quantized": _quantized,
    "gated": _gated,
    "stream": _stream,
}


@cache
def corpus() -> dict[str, bytes]:
    """Every model's bytes by name."""
    found = {}
    for name, make in MADE.items():
        made = make()
        model = made.proto() if isinstance(made, Net) else made
        found[name] = model.SerializeToString()
    return found | {Path(name).stem: (EXAMPLES / name).read_bytes() for name in SHIPPED}

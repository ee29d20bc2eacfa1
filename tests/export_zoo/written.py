"""Models in the style of tf2onnx, written by hand: images with channels last, transposes around convolutions, constants
as initializers with slashes and colons in their names, shapes that are computed from shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PREFIX = "StatefulPartitionedCall/model"
TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]


class TfGraph:
    """A graph under construction; every value is called as TensorFlow calls it."""

    def __init__(self, opset: int) -> None:
        self.opset, self.rng = opset, np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []

    def const(self, array: Any, name: str = "Const") -> str:
        name = f"{PREFIX}/{name}_{len(self.initializers)}:0"
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape: int, fan_in: int = 1) -> str:
        data = self.rng.normal(size=shape) * np.sqrt(2 / fan_in)
        return self.const(data.astype(np.float32), "ReadVariableOp")

    def op(self, kind: str, *operands: str, outputs: int = 1, **attributes: Any) -> str:
        name = f"{PREFIX}/{kind.lower()}_{len(self.nodes)}/{kind}"
        made = [f"{name}:{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, operands, made, name=name, **attributes))
        return made[0]

    def conv(self, x: str, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> str:
        """A convolution between transposes, auto_pad SAME, then batch norm and ReLU6 with the channels last."""
        y = self.op("Transpose", x, perm=TO_FIRST)
        w = self.weight(outputs, inputs // groups, kernel, kernel, fan_in=inputs // groups * kernel**2)
        options: dict[str, Any] = {"strides": [stride] * 2, "dilations": [1, 1], "group": groups}
        y = self.op("Conv", y, w, auto_pad="SAME_UPPER", kernel_shape=[kernel] * 2, **options)
        gain = self.const((self.rng.uniform(0.5, 1.5, outputs) * np.sign(self.rng.normal(size=outputs))).astype("f4"))
        rest = [self.const(self.rng.normal(size=outputs).astype("f4") * 0.2) for _ in range(2)]
        rest.append(self.const(self.rng.uniform(0.5, 1.5, outputs).astype("f4")))
        y = self.op("BatchNormalization", y, gain, *rest, epsilon=1e-3)
        y = self.op("Transpose", y, perm=TO_LAST)
        return self.op("Clip", y, self.const(np.float32(0)), self.const(np.float32(6)))

    def save(self, path: Path, inputs: Sequence[Any], output: str, outputs: Sequence[Any]) -> None:
        name = "Identity:0"
        self.nodes.append(helper.make_node("Identity", [output], [name], name=f"{PREFIX}/Identity"))
        given = helper.make_tensor_value_info("serving_default_input:0", TensorProto.FLOAT, inputs)
        made = helper.make_tensor_value_info(name, TensorProto.FLOAT, outputs)
        graph = helper.make_graph(self.nodes, "tf2onnx", [given], [made], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=7)
        path.write_bytes(model.SerializeToString())


def mobile(path: Path) -> None:
    """Separable convolutions with a residual; the mean over axes 1 and 2, a dense layer; the batch axis is open."""
    g = TfGraph(13)
    x = g.conv("serving_default_input:0", 3, 8, 3, 2)
    y = g.conv(x, 8, 8, 3, groups=8)
    x = g.op("Add", x, g.conv(y, 8, 8, 1))
    x = g.conv(x, 8, 16, 3, 2)
    x = g.op("ReduceMean", x, axes=[1, 2], keepdims=0)
    x = g.op("Add", g.op("MatMul", x, g.weight(16, 10, fan_in=16)), g.weight(10))
    g.save(path, ["unk__1", 32, 32, 3], x, ["unk__1", 10])


def flattened(path: Path) -> None:
    """Explicit padding, max pooling, and a flatten whose target is computed from the shape; opset 15."""
    g = TfGraph(15)
    pads = g.const(np.array([0, 1, 1, 0, 0, 1, 1, 0], np.int64))
    x = g.op("Pad", "serving_default_input:0", pads)
    x = g.op("Transpose", x, perm=TO_FIRST)
    w = g.weight(8, 3, 3, 3, fan_in=27)
    x = g.op("Conv", x, w, g.weight(8), kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID")
    x = g.op("Relu", x)
    x = g.op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID")
    x = g.op("Transpose", x, perm=TO_LAST)
    size = g.op("Cast", g.op("Shape", x), to=TensorProto.INT32)
    zero, one = g.const(np.array([0], np.int64)), g.const(np.array([1], np.int64))
    batch = g.op("Squeeze", g.op("Slice", size, zero, one, zero), zero)
    rest = g.const(np.array([8 * 8 * 8], np.int32))
    shape = g.op("Concat", g.op("Unsqueeze", batch, zero), rest, axis=0)
    x = g.op("Reshape", x, g.op("Cast", shape, to=TensorProto.INT64))
    x = g.op("Relu", g.op("Add", g.op("MatMul", x, g.weight(512, 32, fan_in=512)), g.weight(32)))
    x = g.op("Gemm", x, g.weight(32, 10, fan_in=32), g.weight(10), transB=0)
    g.save(path, [1, 32, 32, 3], x, [1, 10])


def gated(path: Path) -> None:
    """A squeeze-and-excite gate with the channels last, enlarged by 2 with bilinear interpolation; opset 14."""
    g = TfGraph(14)
    x = g.conv("serving_default_input:0", 3, 8, 3, 2)
    mean = g.op("ReduceMean", x, axes=[1, 2], keepdims=1)
    gate = g.op("MatMul", mean, g.weight(8, 4, fan_in=8))
    gate = g.op("Sigmoid", g.op("MatMul", g.op("Relu", gate), g.weight(4, 8, fan_in=4)))
    x = g.op("Transpose", g.op("Mul", gate, x), perm=TO_FIRST)
    sizes = g.const(np.array([1, 8, 32, 32], np.int64))
    none = g.const(np.zeros(0, np.float32))
    x = g.op("Resize", x, none, none, sizes, mode="linear", coordinate_transformation_mode="half_pixel")
    g.save(path, [1, 32, 32, 3], g.conv(g.op("Transpose", x, perm=TO_LAST), 8, 4, 3), [1, 32, 32, 4])


WRITTEN: dict[str, Callable[[Path], None]] = {"tf mobile": mobile, "tf flatten": flattened, "tf gate": gated}

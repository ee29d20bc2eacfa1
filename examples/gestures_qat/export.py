"""The fake-quantized network as QDQ ONNX: integers with their steps, QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from network import Layer, Network, top_of

OPSET = 21  # the first with 4-bit codes
IR_VERSION = 10
CODES = {(4, True): TensorProto.INT4, (8, True): TensorProto.INT8, (4, False): TensorProto.UINT4}


class Writer:
    """Nodes and constants of the graph that is being written."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def op(self, kind: str, *inputs: str, output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: np.ndarray, kind: int = TensorProto.FLOAT) -> str:
        packed = array.astype(helper.tensor_dtype_to_np_dtype(kind))
        self.constants.append(numpy_helper.from_array(packed, name))
        return name

    def quantized(self, x: str, name: str, step: float, kind: int) -> str:
        """x on the grid of an activation: codes of `kind`, zero point 0."""
        scale, zero = self.constant(f"{name}.scale", np.array(step)), self.constant(f"{name}.zero", np.array(0), kind)
        codes = self.op("QuantizeLinear", x, scale, zero, output=f"{name}.codes")
        return self.op("DequantizeLinear", codes, scale, zero, output=name)

    def integers(self, name: str, codes: np.ndarray, steps: np.ndarray, kind: int) -> str:
        """Constant integers, a step for each along axis 0, as real numbers."""
        scale = self.constant(f"{name}.scale", steps)
        return self.op("DequantizeLinear", self.constant(f"{name}.codes", codes, kind), scale, output=name, axis=0)


def write(network: Network, path: Path, shape: tuple[int, ...]) -> None:
    """Write the network for clips (batch, *shape); ValueError where an integer is not one."""
    writer, step = Writer(), network.layers[0].weight.new_ones(())
    x = writer.quantized("clip", "clip.events", 1.0, TensorProto.INT8)
    for layer in network.layers:
        assert isinstance(layer, Layer)
        x = _layer(writer, layer, x, step)
        step = layer.step
    frames = shape[1]
    graph = helper.make_graph(
        writer.nodes,
        "gestures_qat",
        [helper.make_tensor_value_info("clip", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", frames, 8])],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _layer(writer: Writer, layer: Layer, x: str, input_step: object) -> str:
    row, found = layer.row, layer.integers(input_step)
    weight, bias, weight_step, bias_step = (
        t.detach().double().numpy() for t in (found.weight, found.bias, found.weight_step, found.bias_step)
    )
    weight = np.rint(weight)
    if np.abs(weight).max() > top_of(row.weight_bits, signed=True):
        raise ValueError(f"layer {row.name}: a weight does not fit {row.weight_bits} bits")
    w = writer.integers(f"{row.name}.weight", weight, weight_step, CODES[row.weight_bits, True])
    b = writer.constant(f"{row.name}.bias", bias * bias_step)
    last = row.name if row.output_bits else "logits"
    if row.kind == "dense":
        turned = writer.op("Transpose", w, output=f"{row.name}.turned", perm=[1, 0])
        y = writer.op("MatMul", x, turned, output=f"{row.name}.product")
        y = writer.op("Add", y, b, output=f"{row.name}.sum" if row.output_bits else last)
    else:
        half, past = weight.shape[-1] // 2, weight.shape[2] - 1
        attributes = {"strides": [1, row.stride, row.stride], "pads": [past, half, half, 0, half, half]}
        y = writer.op("Conv", x, w, b, output=f"{row.name}.sum", group=row.groups, **attributes)
    if not row.output_bits:
        return y
    y = writer.op("Relu", y, output=f"{row.name}.relu")
    if row.mean:
        axes = writer.constant(f"{row.name}.axes", np.array([3, 4]), TensorProto.INT64)
        y = writer.op("ReduceMean", y, axes, output=f"{row.name}.mean", keepdims=0)
        y = writer.op("Transpose", y, output=f"{row.name}.frames", perm=[0, 2, 1])
    return writer.quantized(y, last, layer.step.item(), CODES[row.output_bits, row.output_bits == 8])

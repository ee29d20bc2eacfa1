"""Bodies of Loop and Scan for the tests of both."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from onnx_models import Net

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Typed = tuple[str, int]
node = helper.make_node


def graph(nodes: Sequence[onnx.NodeProto], inputs: Sequence[Typed], outputs: Sequence[Typed]) -> onnx.GraphProto:
    made = [
        [helper.make_tensor_value_info(name, type, None if type == FLOAT else ()) for name, type in some]
        for some in (inputs, outputs)
    ]
    return helper.make_graph(list(nodes), "body", *made)


def loop_body(nodes: Sequence[onnx.NodeProto], carried: Sequence[str], results: Sequence[str]) -> onnx.GraphProto:
    """A body of Loop that keeps its condition, with values of floats."""
    keep = helper.make_node("Identity", ["go"], ["goes"])
    inputs = [("i", INT64), ("go", BOOL), *((name, FLOAT) for name in carried)]
    return graph([*nodes, keep], inputs, [("goes", BOOL), *((name, FLOAT) for name in results)])


def scan_body(nodes: Sequence[onnx.NodeProto], inputs: Sequence[str], results: Sequence[str]) -> onnx.GraphProto:
    return graph(nodes, [(name, FLOAT) for name in inputs], [(name, FLOAT) for name in results])


def layers(net: Net, times: int = 3) -> onnx.GraphProto:
    """h ← tanh(h · W), which is also given out."""
    net.weight(4, 4, name="W")
    made = [node("MatMul", ["h", "W"], ["p"]), node("Tanh", ["p"], ["q"]), node("Identity", ["q"], ["out"])]
    return loop_body(made, ["h"], ["q", "out"])


def running_sum(x: str = "x_t", h: str = "h") -> list[onnx.NodeProto]:
    return [node("Add", [h, x], ["sum"]), node("Tanh", ["sum"], ["y_t"])]

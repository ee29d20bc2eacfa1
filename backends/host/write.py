"""A float graph becomes an ONNX model that any ONNX runtime evaluates: one emitter an op.

Standard operators of opset 21 only. Weights and activations are float32, so results agree with the reference
interpreter, which computes in float64, to float32 rounding; where neurons compare a potential with their threshold, a
tie may fall to the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...compiler.diagnostics import Collector
from ...compiler.ir import Graph, Op
from ...compiler.ir.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Clip,
    Concat,
    Conv,
    ConvTranspose,
    Delay,
    Dense,
    Divide,
    FakeQuantize,
    Fifo,
    Function,
    Gru,
    Li,
    Lif,
    Lstm,
    Mask,
    MatMul,
    Maximum,
    MaxPool,
    Mean,
    Minimum,
    Mul,
    Normalize,
    Pad,
    Power,
    Relu,
    Reshape,
    Rnn,
    RunningMean,
    Slice,
    Softmax,
    Threshold,
    Transpose,
)
from . import elementwise, linear, moves, pools, quantize, recurrent, temporal
from .elementwise import plain
from .model import HostModel
from .proto import Proto, Site

EMITTERS: Mapping[type[Op], Callable[[Site], None]] = {
    Activation: elementwise.activation,
    Add: plain("Add"),
    AvgPool: pools.avg_pool,
    BatchNorm: linear.batch_norm,
    Clip: elementwise.clip,
    Concat: moves.concat,
    Conv: linear.conv,
    ConvTranspose: linear.conv_transpose,
    Delay: moves.delay,
    Dense: linear.dense,
    Divide: plain("Div"),
    FakeQuantize: quantize.fake_quantize,
    Fifo: temporal.fifo,
    Function: elementwise.function,
    Gru: recurrent.recurrent,
    Li: temporal.li,
    Lif: temporal.lif,
    Lstm: recurrent.recurrent,
    Mask: elementwise.mask,
    MatMul: plain("MatMul"),
    MaxPool: pools.max_pool,
    Maximum: plain("Max"),
    Mean: pools.mean,
    Minimum: plain("Min"),
    Mul: plain("Mul"),
    Normalize: linear.normalize,
    Pad: moves.pad,
    Power: plain("Pow"),
    Relu: plain("Relu"),
    Reshape: moves.reshape,
    Rnn: recurrent.recurrent,
    RunningMean: temporal.running_mean,
    Slice: moves.slice_,
    Softmax: elementwise.softmax,
    Threshold: elementwise.threshold,
    Transpose: moves.transpose,
}


def onnx_model(graph: Graph) -> HostModel:
    """The graph as an ONNX model. Memories of a frame graph (fifo, running_mean, neurons, feedback) become further
    inputs and outputs of one step.

    NmcError NMC-X005 names every layer that has no ONNX form (those of integers).
    """
    problems = Collector()
    for node in graph.nodes:
        if type(node.op) not in EMITTERS:
            what = f"%{node.result.name} ({node.op.mnemonic}) cannot be written as ONNX"
            problems.add("NMC-X005", what, ", ".join(node.result.origin), "a host computes layers of floats only")
    problems.raise_if_any()
    proto = Proto(graph)
    for node in graph.nodes:
        EMITTERS[type(node.op)](Site(proto, node))
    return proto.finished()

"""Networks of activations for rate coding, and an integer simulation of their neurons that shares no code with nmc."""

from __future__ import annotations

import numpy as np

from nmc.compiler.ir import Graph, TensorType, Value
from nmc.compiler.ir.ops import Add, AvgPool, Clip, Concat, Conv, Dense, MaxPool, Relu, Reshape

Array = np.ndarray


class Net:
    """A float graph that grows op by op, with random weights."""

    def __init__(self, seed: int):
        self.graph, self.rng = Graph("net"), np.random.default_rng(seed)

    def input(self, *shape: int, axes: str = "NCHW") -> Value:
        return self.graph.add_input("x", TensorType((1, *shape), "f32", axes))

    def op(self, op: object, *operands: Value) -> Value:
        return self.graph.add(op, *operands, name=op.mnemonic)

    def conv(self, x: Value, out: int, kernel: int = 3) -> Value:
        dims = x.type.rank - 2
        weight = self.rng.normal(size=(out, x.type.shape[1], *(kernel,) * dims)) / kernel**dims
        op = Conv((1,) * dims, ((kernel // 2, kernel // 2),) * dims, (1,) * dims)
        w, b = self._constant("w", weight), self._constant("b", self.rng.normal(size=out) / 8)
        return self.graph.add(op, x, w, b, name="conv")

    def dense(self, x: Value, out: int) -> Value:
        w, b = self.rng.normal(size=(out, x.type.shape[1])), self.rng.normal(size=out) / 8
        return self.graph.add(Dense(), x, self._constant("w", w), self._constant("b", b), name="dense")

    def _constant(self, name: str, data: Array) -> Value:
        return self.graph.constant(name, data.astype(np.float32))

    def done(self, value: Value) -> Graph:
        self.graph.outputs["y"] = value
        return self.graph


def mlp(seed: int) -> Graph:
    """Three dense layers with two relus between."""
    net = Net(seed)
    x = net.input(6, axes="NC")
    for width in (12, 9):
        x = net.op(Relu(), net.dense(x, width))
    return net.done(net.dense(x, 4))


def mixed(seed: int, pooled: bool = True) -> Graph:
    """A residual block, a concatenation, an average pool, a relu6, and a max pool if `pooled`."""
    net = Net(seed)
    x = net.op(Relu(), net.conv(net.input(2, 6, 6), 4))
    y = net.op(Relu(), net.op(Add(), net.conv(x, 4), x))
    y = net.op(Concat(1), net.op(Clip(0.0, 6.0), net.conv(y, 3)), x)
    if pooled:
        y = net.op(MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)), y)
    y = net.op(AvgPool((3, 3), (3, 3), ((0, 0), (0, 0)), (1, 1)), y)
    return net.done(net.dense(net.op(Reshape((1, y.type.elements), "NC"), y), 5))


def integrate_and_fire(currents: Array, threshold: int, soft: bool) -> Array:
    """Spikes, shape (T, …), of integer neurons with input `currents`, shape (T, …)."""
    potential, spikes = np.zeros(currents.shape[1:], np.int64), []
    for current in currents:
        potential = potential + current
        fired = potential >= threshold
        spikes.append(fired)
        potential = np.where(fired, potential - threshold if soft else 0, potential)
    return np.array(spikes).astype(np.int64)

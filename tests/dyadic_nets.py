"""Random spiking networks whose numbers are multiples of 1/16, so that quantization can be exact.

Also the float network with the machine's leak in it, which leaves nothing to differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmc.backends.cri.accumulators import LayerIntegers
from nmc.compiler.ir import Graph, Timing, Value
from nmc.compiler.ir.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    Dense,
    Lif,
    MaxPool,
    Mean,
    Mul,
    Reshape,
    RunningMean,
    Threshold,
)
from nmc.compiler.ir.types import TensorType

STEPS = 7
POOL = ((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
SAME = Conv((1, 1), ((1, 1), (1, 1)), (1, 1))


class Net:
    """A spiking network that grows layer by layer; every number in it is a multiple of 1/16."""

    def __init__(self, seed: Any, shape: tuple[int, ...] = (2, 6, 6), axes: str = "NCHW"):
        self.rng = np.random.default_rng(seed)
        self.graph = Graph("net")
        self.x = self.graph.add_input("x", TensorType((1, *shape), "f32", axes))
        self.graph.timing["x"] = Timing(0, length=STEPS, axis=1)
        self.count = 0

    def numbers(self, *shape: int, most: int = 8) -> np.ndarray[Any, Any]:
        return (self.rng.integers(1 - most, most + 2, shape) / 16).astype(np.float32)

    def constant(self, data: Any) -> Value:
        self.count += 1
        return self.graph.constant(f"c{self.count}", np.asarray(data, np.float32))

    def add(self, op: Any, *operands: Value | None) -> Value:
        self.count += 1
        return self.graph.add(op, *operands, name=f"v{self.count}", origin=(f"net.{self.count}",))

    def conv(self, x: Value, channels: int, bias: bool = True) -> Value:
        weight = self.constant(self.numbers(channels, x.type.shape[1], 3, 3))
        return self.add(SAME, x, weight, self.constant(self.numbers(channels, most=3)) if bias else None)

    def dense(self, x: Value, features: int) -> Value:
        flat = self.add(Reshape((1, x.type.elements), "NC"), x)
        return self.add(Dense(), flat, self.constant(self.numbers(features, x.type.elements)))

    def lif(self, x: Value, op: Lif | None = None, leak: int | None = None) -> Value:
        """Threshold 3/4, gain 1/2 or none, a rest at 1/8 or 0 with hard reset, a leak 2^−k or none."""
        op = op or Lif(strict=bool(self.rng.integers(2)))
        decay = 1.0 if leak is None else 1 - 2.0**-leak
        gain = self.constant(0.5) if self.rng.integers(2) else None
        rest = self.rest(op)
        offset, back = (self.constant((1 - decay) * rest), self.constant(rest)) if rest else (None, None)
        return self.add(op, x, self.constant(decay), self.constant(0.75), gain, offset, back, back)

    def rest(self, op: Lif) -> float:
        return 0.125 if op.reset == "value" and self.rng.integers(2) else 0.0

    def scaled(self, x: Value) -> Value:
        """As a batch norm that stands alone: a factor and an offset for each channel."""
        shape = (1, x.type.shape[1], *(1,) * (x.type.rank - 2))
        factor = self.rng.choice([0.5, -0.5, 1.0], shape)
        return self.add(Add(), self.add(Mul(), x, self.constant(factor)), self.constant(self.numbers(*shape)))

    def output(self, name: str, value: Value, mean: bool = False) -> None:
        self.graph.outputs[name] = self.add(RunningMean(), value) if mean else value
        self.graph.timing[name] = Timing(STEPS - 1) if mean else Timing(0, length=STEPS, axis=1)


def combine(net: Net, a: Value, b: Value, kind: str) -> Value:
    """Two trains of one shape joined: SEW ADD, AND, IAND, or one behind the other."""
    if kind == "concat":
        return net.add(Concat(1), a, b)
    if kind == "iand":
        minus = net.add(Mul(), b, net.constant(-1.0))
        return net.add(Mul(), a, net.add(Add(), minus, net.constant(1.0)))
    return net.add(Add() if kind == "add" else Mul(), a, b)


def random_net(seed: Any, kind: type[Net] = Net) -> Graph:
    """Two to four stages, each with neurons of its own kind, and three outputs: spikes, sums, a mean."""
    net = kind(seed)
    rng = net.rng
    x = net.lif(net.conv(net.x, 4), leak=rng.choice([None, 2, 4]))
    binary = True
    for _ in range(rng.integers(1, 4)):
        y = net.conv(x, 4, bias=bool(rng.integers(2)))
        y = net.scaled(y) if rng.integers(2) else y
        y = net.lif(y, leak=rng.choice([None, None, 1, 3]))
        kind = str(rng.choice(["none", "add", "and", "iand", "concat"] if binary else ["none", "add", "concat"]))
        x = y if kind == "none" or x.type.shape != y.type.shape else combine(net, y, x, kind)
        binary = kind == "none" or (binary and kind != "add")
    if rng.integers(2):
        state = net.graph.add_state("before", TensorType((1, 4, 6, 6), "f32", "NCHW"))
        y = net.lif(net.add(Add(), net.conv(x, 4), net.conv(state, 4)))
        net.graph.close(state, y)
        pooled = net.add(MaxPool(*POOL), y)
        x = pooled if rng.integers(2) else net.lif(net.conv(pooled, 3))
    x = net.add(AvgPool(*POOL), x) if rng.integers(2) else x
    spikes = net.lif(net.dense(x, 8), leak=rng.choice([None, 2]))
    net.output("spikes", spikes)
    net.output("sums", net.dense(spikes, 3))
    votes = net.add(Mean((2,)), net.add(Reshape((1, 4, 2), "NC_"), spikes))
    net.output("mean", net.add(Reshape((1, 4), "NC"), votes), mean=True)
    return net.graph


@dataclass(frozen=True)
class FloorLif(Lif):
    """lif that leaks as the machine does: floor(v / 2^leak) whole units of v, and nothing in the step after a spike."""

    mnemonic: ClassVar[str] = "lif"
    unit: float = 1.0

    def advance(self, state: Any, frame: int, x: Any, *constants: Any) -> tuple[Any, Any]:
        decay, threshold, gain, offset, v_reset = (*constants, *(None,) * 5)[:5]
        rest = np.zeros(()) if v_reset is None else v_reset
        before, fired = (np.zeros(x.shape), np.zeros(x.shape)) if state is None else state
        leaking = (fired == 0) & (decay < 1)
        leaked = np.where(leaking, before - self.unit * np.floor(before / self.unit * (1 - decay)), before)
        drift = 0.0 if offset is None else offset + (decay - 1) * rest
        u = leaked + (x if gain is None else gain * x) + drift
        height = threshold - (rest if self.reset == "value" else 0.0)
        s = (u > height if self.strict else u >= height).astype(np.float64)
        return s, (u - height * s if self.reset == "subtract" else np.where(s > 0, 0.0, u), s)


def floored(graph: Graph, report: list[LayerIntegers]) -> Graph:
    """A copy in which every lif leaks whole units, of the size that the report gives."""
    units = {layer.name: layer.scale for layer in report}
    copy = graph.copy()
    for node in copy.nodes:
        if isinstance(node.op, Lif):
            op = FloorLif(node.op.reset, node.op.strict, node.op.delayed, units[node.result.name])
            copy.rewrite(node, op, *node.operands)
        assert not isinstance(node.op, Threshold)
    return copy

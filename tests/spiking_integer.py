"""Integer frame graphs of spiking networks (stage quantized), built by hand and at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from nmc.compiler.ir import FrameSession, Graph, TensorType, Timing, Value
from nmc.compiler.ir.ops import (
    Add,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Dequantize,
    MaxPool,
    Mul,
    Potential,
    Quantize,
    Reshape,
    RunningMean,
    Slice,
    Spike,
    Transpose,
)
from nmc.runtime import Session
from nmc.runtime.program.cri import CriProgram

NONE = 64


class Net:
    """A graph that grows op by op; every value is a frame of one step."""

    def __init__(self, steps: int, seed: int = 0):
        self.graph, self.steps, self.rng = Graph("net", "quantized"), steps, np.random.default_rng(seed)

    def input(self, *shape: int, bits: int = 1, scale: float = 1.0, zero: int = 0, held: bool = False) -> Value:
        name = f"x{len(self.graph.inputs)}"
        x = self.graph.add_input(name, TensorType((1, *shape), "f32", "NCHW"[: len(shape) + 1]))
        self.graph.timing[name] = Timing(0) if held else Timing(0, length=self.steps, axis=1)
        return self.graph.add(Quantize(scale, zero, bits), x, name=f"{name}.q")

    def state(self, *shape: int) -> Value:
        name = f"before{len(self.graph.feedback)}"
        return self.graph.add_state(name, TensorType((1, *shape), "i64", "NCHW"[: len(shape) + 1]), (name,))

    def _constant(self, data: Any) -> Value:
        return self.graph.constant("const", np.asarray(data))

    def op(self, op: Any, *operands: Value, name: str | None = None) -> Value:
        wanted = name or op.mnemonic
        return self.graph.add(op, *operands, name=wanted, origin=(f"net.{wanted}",))

    def conv(self, x: Value, out: int, kernel: int = 3, stride: int = 1, pad: int = 1, groups: int = 1, large: int = 9):
        weight = self.rng.integers(-large, large + 1, (out, x.type.shape[1] // groups, kernel, kernel))
        return self.op(Conv((stride,) * 2, ((pad, pad),) * 2, (1, 1), groups), x, self._constant(weight))

    def conv_transpose(self, x: Value, out: int) -> Value:
        weight = self.rng.integers(-9, 10, (x.type.shape[1], out, 2, 2))
        return self.op(ConvTranspose((2, 2), ((0, 0), (0, 0)), (1, 1), (0, 0)), x, self._constant(weight))

    def dense(self, x: Value, out: int, bias: bool = False, low: int = -9) -> Value:
        weight = self._constant(self.rng.integers(low, 10, (out, x.type.shape[-1])))
        return self.op(Dense(), x, weight, *([self._constant(self.rng.integers(-4, 5, out))] if bias else []))

    def add(self, a: Value, b: Value | Any) -> Value:
        return self.op(Add(), a, b if isinstance(b, Value) else self._constant(b))

    def scaled(self, x: Value, factor: Any) -> Value:
        return self.op(Mul(), x, self._constant(factor))

    def spike(self, x: Value, threshold: Any, leak: Any = NONE, soft: bool = False, name: str = "spike") -> Value:
        return self.op(Spike(soft), x, self._constant(threshold), self._constant(leak), name=name)

    def pool(self, x: Value, kernel: int = 2, stride: int = 2, pad: int = 0, ceil: bool = False) -> Value:
        return self.op(MaxPool((kernel,) * 2, (stride,) * 2, ((pad, pad),) * 2, (1, 1), ceil), x)

    def flat(self, x: Value) -> Value:
        return self.op(Reshape((1, x.type.elements), "NC"), x)

    def concat(self, a: Value, b: Value) -> Value:
        return self.op(Concat(1), a, b)

    def swapped(self, x: Value) -> Value:
        return self.op(Transpose((0, 1, 3, 2)), x)

    def cut(self, x: Value) -> Value:
        return self.op(Slice(tuple((0, n, 1) if i < 2 else (0, n, 2) for i, n in enumerate(x.type.shape))), x)

    def output(self, name: str, x: Value, leak: Any = None, last: bool = False, mean: bool = False) -> None:
        shown = x if leak is None else self.op(Potential(), x, self._constant(leak), name=f"{name}.v")
        shown = self.op(Dequantize(), shown, self._constant(np.float64(0.5)), name=f"{name}.y")
        if mean:
            shown = self.op(RunningMean(), shown, name=f"{name}.mean")
        self.graph.outputs[name] = shown
        every = Timing(0, length=self.steps, axis=1)
        self.graph.timing[name] = Timing(self.steps - 1) if last or mean else every


def feeds_for(graph: Graph, steps: int, samples: int, seed: int) -> dict[str, Any]:
    """Random inputs: all codes of each input, about half the events."""
    rng, made = np.random.default_rng(seed), {}
    for node in graph.nodes:
        if isinstance(node.op, Quantize):
            time = (steps,) if graph.timing[node.x.name].axis >= 0 else ()
            codes = rng.integers(0, 2**node.op.bits, (samples, *time, *node.x.type.shape[1:]))
            made[node.x.name] = (codes - node.op.zero_point) * node.op.scale
    return made


def check_same(graph: Graph, program: CriProgram, steps: int, samples: int = 3, seed: int = 0) -> None:
    """The simulated program equals the graph: every output and every spike, at every step."""
    feeds = feeds_for(graph, steps, samples, seed)
    seen: dict[str, list[Any]] = {}

    def visit(name: str, array: Any) -> None:
        seen.setdefault(name, []).append(array)

    wanted = FrameSession(graph).run(feeds, visit)
    result = Session(program).run(feeds, trace=True)
    assert result.counters["out_of_range"] == 0
    for name, values in wanted.items():
        np.testing.assert_array_equal(result.outputs[name], values.astype(np.float32), err_msg=name)
    for p in program.populations:
        if p.kind in ("spiking", "or"):
            np.testing.assert_array_equal(result.trace[p.name], np.stack(seen[p.name], 1)[:, :steps], err_msg=p.name)

"""Which spike sources reach a value of the integer frame graph.

Sources are numbered in columns: the elements of all inputs, then the neurons of all populations that the graph asks
for. What a feedback state holds comes from the same sources one step earlier: column c, seen through n states, is
c + n · `total`. How many timesteps a spike waits on the way is settled later (relays.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Graph, Node, Value
from ....compiler.ir.ops import (
    Add,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    MaxPool,
    Mul,
    Pad,
    Quantize,
    Reshape,
    Slice,
    Spike,
    Transpose,
)
from ..paths import Paths, through
from ..tables import Ints

OWN_CONSTANTS = (Conv, ConvTranspose, Dense, Mul)
LINEAR = (*OWN_CONSTANTS, Add, Reshape, Transpose, Pad, Slice, Concat)


@dataclass
class Source:
    """Columns first … first + size − 1: an input's elements or a population's neurons.

    bits   spikes that carry one element: those of an input are bit planes
    depth  what happens in step t of the network happens here in timestep t + depth
    """

    node: Node
    first: int
    size: int
    bits: int = 1
    depth: int = 0

    @property
    def is_input(self) -> bool:
        return isinstance(self.node.op, Quantize)


class Columns:
    """The sources of a graph, and the paths from them to its values."""

    def __init__(self, graph: Graph, problems: Collector):
        self.graph, self.problems = graph, problems
        made = [node for node in graph.nodes if isinstance(node.op, Quantize)]
        made += [node for node in graph.nodes if isinstance(node.op, Spike | MaxPool)]
        self.sources: list[Source] = []
        self.total = 0
        for node in made:
            bits = node.op.bits if isinstance(node.op, Quantize) else 1
            self.sources.append(Source(node, self.total, node.result.type.elements, bits))
            self.total += node.result.type.elements
        self.states = {id(state): held for state, held in graph.feedback.items()}
        sizes = [source.size for source in self.sources]
        self.source_of = np.repeat(np.arange(len(sizes)), sizes)
        self.bits = np.repeat(np.array([source.bits for source in self.sources], np.int64), sizes)
        self.of_input = np.repeat(np.array([source.is_input for source in self.sources], np.bool_), sizes)
        self._paths: dict[int, Paths] = {}
        self._open: list[Value] = []
        for source in self.sources:
            zero = source.node.op.zero_point if isinstance(source.node.op, Quantize) else 0
            self._paths[id(source.node.result)] = Paths.sources(source.first, source.size, -zero)

    def paths(self, value: Value) -> Paths:
        """The paths to a value; what has none is a problem, and reads as 0."""
        if value.is_constant:
            return Paths.constant(value.data)
        if id(value) not in self._paths:
            if any(value is one for one in self._open):
                return self._refused(value, "it is a sum over time that no neuron makes", "put a neuron into the loop")
            self._open.append(value)
            self._paths[id(value)] = self._state(value) if id(value) in self.states else self._linear(value)
            self._open.pop()
        return self._paths[id(value)]

    def _state(self, state: Value) -> Paths:
        held = self.paths(self.states[id(state)])
        if np.any(held.const):
            why = "in the first step it is 0 and then has a constant part, which no neuron sends"
            return self._refused(state, why, "delay the spikes alone, before the bias or the zero point of an input")
        return held.renumbered(self.total)

    def _linear(self, value: Value) -> Paths:
        node = value.producer
        if node is None or not isinstance(node.op, LINEAR):
            name = "an input that is not quantized" if node is None else f"the result of {node.op.mnemonic}"
            return self._refused(value, f"{name} is read by a layer", "layers read spikes and sums of spikes")
        own = isinstance(node.op, OWN_CONSTANTS)
        operands = [operand for operand in (node.operands[:1] if own else node.operands) if operand is not None]
        return through(node, [self.paths(operand) for operand in operands])

    def _refused(self, value: Value, why: str, hint: str) -> Paths:
        where = ", ".join(value.origin)
        self.problems.add("NMC-C001", f"target 'cri' cannot hold %{value.name}", where, why, hint)
        return Paths.constant(np.zeros(value.type.elements, np.int64))

    @property
    def axons(self) -> int:
        """Axons of all inputs."""
        return int(self.bits[self.of_input].sum())

    def reach(self, paths: Paths) -> tuple[Ints, Ints]:
        """Per row, the largest sum of one step, and the lowest as a positive number; both at least 0."""
        peak = np.resize(2**self.bits - 1, paths.highest() + 1)
        positive, negative = paths.reach(peak)
        return positive + np.maximum(paths.const, 0), negative + np.maximum(-paths.const, 0)

    def split(self, used: Ints) -> list[tuple[int, int]]:
        """The pairs (number of a source, states) that columns belong to, each once, ascending."""
        states, column = np.divmod(used, max(self.total, 1))
        code = states * len(self.sources) + self.source_of[column]
        return sorted(
            (int(c) % len(self.sources), int(c) // len(self.sources)) for c in np.flatnonzero(np.bincount(code))
        )

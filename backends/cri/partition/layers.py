"""The size of a spiking network on the machine, from the structure of its layers: no table is built."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ....compiler.diagnostics import Collector
from ....compiler.ir import Graph, Node, Value
from ....compiler.ir.ops import (
    NO_LEAK,
    Dequantize,
    Li,
    Lif,
    MaxPool,
    Potential,
    Quantize,
    RunningMean,
    Spike,
    Threshold,
)
from ....runtime.program.cri import IntArray
from ..placement.sources import least_pairs
from ..spiking.depths import Edge, depths
from .capacity import CORES_PER_FPGA, SYSTEM_FPGAS, Capacity
from .fanout import RULES, back

NEURONS = (Spike, Lif, Threshold, MaxPool, Li)
KINDS = {MaxPool: "or", Li: "readout"}
PADDING = 32
"""Neurons of a parameter set come in so many."""


@dataclass
class LayerSize:
    """A layer of the network: an input, spiking neurons, or the sums that an output shows.

    depth     timesteps after the input, inputs are 0
    neurons   without relays; of an input 0. `relays`: neurons that repeat its spikes for layers that read them later
    axons     of an input, one a bit
    synapses  that arrive
    rows      that the synapses to later layers take at least, as if they were spread evenly over the columns
    """

    name: str
    kind: str
    depth: int = 0
    neurons: int = 0
    relays: int = 0
    axons: int = 0
    synapses: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Plan:
    """layers   every layer
    cores      that hold the network, at least; `fpgas` of 16 cores each
    limits     by name what the network takes and what these cores hold
    """

    layers: tuple[LayerSize, ...]
    cores: int
    limits: dict[str, tuple[int, int]]

    @property
    def fpgas(self) -> int:
        return -(-self.cores // CORES_PER_FPGA)

    @property
    def within_system(self) -> bool:
        """Does the published system have as many FPGAs?"""
        return self.fpgas <= SYSTEM_FPGAS

    def total(self, name: str) -> int:
        """The sum of a number over all layers."""
        return sum(getattr(layer, name) for layer in self.layers)


def fit_from_layers(graph: Graph, capacity: Capacity | None = None) -> Plan:
    """What a spiking network takes on the machine, computed from its layers: a frame graph in any stage from `imported`
    to `quantized`. NmcError NMC-C033 (unsupported) naming every layer whose size is not known.

    Neurons and depths are those of the program but for what outputs show, where it may need fewer or more. Synapses and
    rows are exact where no weight is 0, no layer reaches the same neuron by two paths, and the synapses of each source
    are spread evenly over the columns. Control axons of biases (one for up to 4,096 neurons) are left out. On several
    cores every neuron that others read also has a relay axon.
    """
    return _Plan(graph, capacity or Capacity()).run()


@dataclass
class _Source:
    """Where spikes come from: its size, the bits of an element, and how many neurons each element reaches."""

    layer: LayerSize
    shape: tuple[int, ...]
    bits: int = 1
    reach: IntArray = field(default_factory=lambda: np.zeros((), np.int64))

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape))

    def rows(self) -> int:
        """2 · ceil(targets / 16) for each element and bit."""
        pairs = np.where(self.reach > 0, least_pairs(self.reach), 0)
        return 2 * self.bits * int(pairs.sum()) * (self.elements // max(self.reach.size, 1))


class _Plan:
    def __init__(self, graph: Graph, capacity: Capacity):
        self.graph, self.capacity, self.problems = graph, capacity, Collector()
        self.sources: dict[int, _Source] = {}
        self.edges: list[tuple[int, int, int]] = []  # source, reader (numbers of layers), states
        self.layers: list[LayerSize] = []
        self.shown: set[tuple[int, int]] = set()  # what readouts were made for

    def run(self) -> Plan:
        for value in self.graph.inputs:
            self._input(value)
        for node in self.graph.nodes:
            if isinstance(node.op, NEURONS):
                kind, size = KINDS.get(type(node.op), "spiking"), node.result.type.elements
                self._source(node.result, LayerSize(node.result.name, kind, neurons=size))
        for node in self.graph.nodes:
            if isinstance(node.op, NEURONS):
                whole = np.ones((1,) * node.result.type.rank, np.int64)
                given = RULES[MaxPool](node, whole) if isinstance(node.op, MaxPool) else whole
                self._read(self._number(node.result), node.x, given)
        for name, value in self.graph.outputs.items():
            self._output(name, value)
        self.problems.raise_if_any()
        self._relays()
        return self._plan()

    def _number(self, value: Value) -> int:
        return next(i for i, layer in enumerate(self.layers) if layer is self.sources[id(value)].layer)

    def _source(self, value: Value, layer: LayerSize, bits: int = 1) -> None:
        self.layers.append(layer)
        self.sources[id(value)] = _Source(layer, value.type.shape, bits)

    def _input(self, value: Value) -> None:
        codes = [node.op for node, _ in value.uses if isinstance(node.op, Quantize)]
        bits = codes[0].bits if codes else 1
        self._source(value, LayerSize(value.name, "input", axons=bits * value.type.elements), bits)

    def _output(self, name: str, value: Value) -> None:
        """An output is read from layers of neurons, or gets one that adds up for it."""
        steps, mean, leak = self.graph.timing[name].axis >= 0, False, 0
        while value.producer is not None and isinstance(value.producer.op, Dequantize | RunningMean):
            mean |= isinstance(value.producer.op, RunningMean)
            value = value.producer.x
        if value.producer is not None and isinstance(value.producer.op, Potential):
            given = value.producer.operands[1]
            assert given is not None
            value, leak = value.producer.x, int(given.data.max())
        as_it_is = leak == 0 if steps or mean else leak >= NO_LEAK
        neurons = id(value) in self.sources and self.sources[id(value)].layer.kind != "input"
        if not (neurons and as_it_is) and (id(value), leak) not in self.shown:
            self.shown.add((id(value), leak))
            self.layers.append(LayerSize(name, "readout", neurons=value.type.elements))
            self._read(len(self.layers) - 1, value, np.ones((1,) * value.type.rank, np.int64))

    def _read(self, reader: int, value: Value, reach: IntArray, states: int = 0) -> None:
        """Follow a value that a layer reads back to where its spikes come from."""
        if id(value) in self.sources:
            source = self.sources[id(value)]
            self.edges.append((self._number(value), reader, states))
            source.reach = source.reach + reach
            self.layers[reader].synapses += source.bits * int(reach.sum()) * (source.elements // reach.size)
        elif value in self.graph.feedback:
            if states < len(self.graph.feedback):  # else a loop without neurons
                self._read(reader, self.graph.feedback[value], reach, states + 1)
            else:
                self._refuse(value, "it is a sum over time that no neuron makes")
        elif value.producer is not None and isinstance(value.producer.op, Quantize):
            self._read(reader, value.producer.x, reach, states)
        elif value.producer is not None:
            self._back(reader, value.producer, reach, states)

    def _back(self, reader: int, node: Node, reach: IntArray, states: int) -> None:
        try:
            operands = list(back(node, reach))
        except KeyError:
            self._refuse(node.result, f"what {node.op.mnemonic} takes on the machine is not known from its shape")
            return
        for value, part in operands:
            self._read(reader, value, part, states)

    def _refuse(self, value: Value, why: str) -> None:
        what, where = f"the size of %{value.name} is not known", ", ".join(value.origin)
        self.problems.add("NMC-C033", what, where, why, "compile the network; `nmc partition` measures the program")

    # --- totals ---

    def _relays(self) -> None:
        inputs = [i for i, layer in enumerate(self.layers) if layer.kind == "input"]
        found, _ = depths(len(self.layers), inputs, [Edge(*edge) for edge in self.edges])
        waits = [0] * len(self.layers)
        for source, reader, states in self.edges:
            waits[source] = max(waits[source], found[reader] - 1 - (found[source] - states))
        for number, layer in enumerate(self.layers):
            layer.depth = found[number]
            layer.relays = waits[number] * (layer.neurons or layer.axons)
        for source in self.sources.values():
            source.layer.rows = source.rows()

    def _plan(self) -> Plan:
        capacity, layers = self.capacity, tuple(self.layers)
        neurons = sum(-(-(layer.neurons + layer.relays) // PADDING) * PADDING for layer in layers)
        axons = sum(layer.axons for layer in layers)
        rows = sum(layer.rows + 2 * layer.relays for layer in layers)
        cores = _cores(neurons, axons, rows, capacity)
        if cores > 1:
            axons += sum(layer.neurons + layer.relays for layer in layers if layer.rows)
            cores = _cores(neurons, axons, rows, capacity)
        needed = {"neurons": (neurons, capacity.slots), "axons": (axons, capacity.axons), "rows": (rows, capacity.rows)}
        return Plan(layers, cores, {name: (count, cores * most) for name, (count, most) in needed.items()})


def _cores(neurons: int, axons: int, rows: int, capacity: Capacity) -> int:
    limits = ((neurons, capacity.slots), (axons, capacity.axons), (rows, capacity.rows))
    return max(1, *(-(-count // most) for count, most in limits))

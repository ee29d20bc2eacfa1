"""From the integer graph to the table: populations, synapses, control schedule, readout.

The unary code, timestep by timestep, for a hidden neuron with inputs arriving in timesteps a0 … a1:

    a0      hold: −B, with B at least every partial sum, so that the potential stays at or below 0
    a1      release: B + b + r//2 − (T+1)·r + 1, and the first ramp: +r; the potential is now V' − T·r + 1 with
            V' = V + r//2; the threshold is 1
    a1 + k  k = 1 … T: the neuron fires if V' ≥ (T+1−k)·r, or if it has fired before (it was reset to 0 and the ramp of
            the timestep before took it to r); ramp +r again while k < T

so it fires in the last clip(V' // r, 0, T) of T timesteps. Trains of one layer end together, hence the maximum of
several is their OR, one timestep later, and sums of trains are sums of levels whatever the order of arrival.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...compiler.diagnostics import unsupported
from ...compiler.ir import Graph, Node, Value
from ...compiler.ir.ops import Conv, ConvTranspose, Dense, Dequantize, MaxPool, Mul, Quantize, Unary
from ...compiler.ir.ops.base import Array
from ...runtime.program.cri import CriProgram, Input, NeuronModel, Population, Profile, Readout, Table
from .affine import compose, max_pool_entries
from .control import Control
from .paths import Paths, through
from .tables import INT16, Placed, Progress, check_range, check_weights, silent, table


class Lowering:
    """One run: walks the graph in order and grows the tables.

    A source is an input element (numbered first, all inputs in order) or a neuron (numbered after them).
    `first`, `last` and `peak` hold per source the timesteps in which it may fire and the largest level it sends.
    """

    def __init__(self, graph: Graph, profile: Profile):
        self.graph, self.profile = graph, profile
        quantizers = [node for node in graph.nodes if isinstance(node.op, Quantize)]
        self.elements = sum(node.x.type.elements for node in quantizers)
        self.bits = max((node.op.bits for node in quantizers if isinstance(node.op, Quantize)), default=0)
        self.control = Control(self.elements * self.bits)
        self.paths: dict[int, Paths] = {}
        self.inputs: list[Input] = []
        self.populations: list[Population] = []
        self.synapses: list[Paths] = []
        self.readouts: list[Readout] = []
        self.first = np.zeros(0, np.int64)
        self.last = np.zeros(0, np.int64)
        self.peak = np.zeros(0, np.int64)
        self.steps = 0

    # --- the walk ---

    def run(self, provenance: dict[str, Any], progress: Progress = silent) -> CriProgram:
        for node in self.graph.nodes:
            if isinstance(node.op, Quantize):
                self._input(node, node.op)
        for node in self.graph.nodes:
            if isinstance(node.op, Unary):
                self._unary(node, node.op)
            elif isinstance(node.op, MaxPool):
                self._or(node)
            elif isinstance(node.op, Dequantize):
                for name, value in self.graph.outputs.items():
                    if value is node.result:
                        self._readout(name, node)
            elif not isinstance(node.op, Quantize):
                self.paths[id(node.result)] = self._linear(node)
        return self._program(provenance, progress)

    def _input(self, node: Node, op: Quantize) -> None:
        count = node.x.type.elements
        start = len(self.peak)
        self.paths[id(node.result)] = Paths.sources(start, count, -op.zero_point)
        self._sources(np.zeros(count), np.zeros(count), 2**op.bits - 1)
        shape = node.x.type.shape[1:]
        self.inputs.append(Input(node.x.name, shape, start * self.bits, op.bits, op.scale, op.zero_point))

    def _sources(self, first: Array, last: Array, peak: int) -> None:
        self.first = np.concatenate([self.first, first.astype(np.int64)])
        self.last = np.concatenate([self.last, last.astype(np.int64)])
        self.peak = np.concatenate([self.peak, np.full(len(first), peak)])

    def _value(self, value: Value | None) -> Paths:
        assert value is not None
        return Paths.constant(value.data) if value.is_constant else self.paths[id(value)]

    def _settled(self, value: Value) -> Paths:
        return self._value(value).settled(len(self.peak))

    def _linear(self, node: Node) -> Paths:
        """The paths to a value between trains; weights, biases and factors are part of the node."""
        own = isinstance(node.op, Conv | ConvTranspose | Dense | Mul)
        return through(node, [self._value(value) for value in (node.operands[:1] if own else node.operands)])

    # --- populations ---

    def _population(
        self, name: str, kind: str, node: Node, synapses: Paths, window: tuple[int, int], levels: int = 0
    ) -> Population:
        first = self.populations[-1].stop if self.populations else 0
        shape = node.result.type.shape[1:]
        taken = {population.name for population in self.populations}
        while name in taken:
            name += ".out"
        made = Population(name, kind, first, shape, window=window, levels=levels, origin=node.result.origin)
        self.steps = max(self.steps, window[1] + 1)
        self.populations.append(made)
        self.synapses.append(synapses)
        most = np.full(len(self.peak), INT16)
        most[: self.elements] >>= max(self.bits - 1, 0)  # an input's weights are sent as bit planes
        check_weights(made.name, made.origin, synapses.parts, most)
        return made

    def _arrival(self, synapses: Paths) -> tuple[int, int]:
        """First and last timestep in which a spike may reach the rows."""
        used = synapses.degrees(len(self.peak)) > 0
        return (int(self.first[used].min()), int(self.last[used].max())) if used.any() else (0, 0)

    def _unary(self, node: Node, op: Unary) -> None:
        synapses = self._settled(node.x)
        start, stop = self._arrival(synapses)
        window = (stop + 1, stop + op.levels)
        made = self._population(node.result.name, "unary", node, synapses, levels=op.levels, window=window)
        step = node.operands[1]
        assert step is not None
        r = np.broadcast_to(step.data, node.result.type.shape).reshape(-1).astype(np.int64)
        positive, negative = synapses.reach(self.peak)
        held = np.zeros(made.size, np.int64)
        if stop > start:
            held = self.control.hold(made.name, made.first, positive, start)
        release = held + synapses.const + r // 2 - (op.levels + 1) * r + 1
        self.control.add(f"{made.name}.release", made.first, release, stop, stop)
        self.control.add(f"{made.name}.ramp", made.first, r, stop, stop + op.levels - 1)
        check_range(self.profile, made, held + positive + negative + np.abs(release) + r)
        fire = np.ones(made.size)
        self._sources(fire * window[0], fire * window[1], op.levels)
        self.paths[id(node.result)] = Paths.sources(self.elements + made.first, made.size)

    def _or(self, node: Node) -> None:
        synapses = compose(max_pool_entries(node), self._value(node.x).affine(), node.result.type.elements).merged()
        e = synapses.entries
        if np.any(e.weight != 1) or np.any(synapses.const) or np.any(e.col < self.elements):
            raise unsupported(
                "NMC-C001",
                f"target 'cri' cannot hold %{node.result.name}",
                where=", ".join(node.result.origin),
                why="max_pool reads something else than spike trains",
                hint="put a ReLU in front of the max pool",
            )
        first = np.full(node.result.type.elements, np.iinfo(np.int64).max)
        last = np.zeros(node.result.type.elements, np.int64)
        np.minimum.at(first, e.row, self.first[e.col] + 1)
        np.maximum.at(last, e.row, self.last[e.col] + 1)
        first = np.minimum(first, last)
        window = (int(first.min()), int(last.max()))
        levels = int(self.peak[e.col].max(initial=0))
        made = self._population(node.result.name, "or", node, Paths.listed(synapses), levels=levels, window=window)
        self._sources(first, last, levels)
        self.paths[id(node.result)] = Paths.sources(self.elements + made.first, made.size)

    # --- readout ---

    def _readout(self, name: str, node: Node) -> None:
        """Count the spikes of neurons that stand for the output one to one, else add neurons that hold its sums."""
        value = self._settled(node.x)
        scale = node.operands[1]
        assert scale is not None
        shape, frames = node.result.type.shape, node.result.type.axis("T") or -1
        scales = np.broadcast_to(scale.data, shape).reshape(-1).astype(np.float64)
        col = self._counted(value)
        if col is not None:
            self.readouts.append(
                Readout(name, "count", shape[1:], col - self.elements, value.const, scales, axis=frames)
            )
            return
        start, stop = self._arrival(value)
        made = self._population(name, "readout", node, value, window=(start, stop))
        positive, negative = value.reach(self.peak)
        held = self.control.hold(made.name, made.first, positive, start)
        check_range(self.profile, made, held + positive + negative)
        self._sources(np.zeros(made.size), np.zeros(made.size), 0)
        neurons = np.arange(made.first, made.stop)
        self.readouts.append(Readout(name, "potential", shape[1:], neurons, held + value.const, scales, axis=frames))

    def _counted(self, value: Paths) -> Array | None:
        """The neurons' sources if every element is the train of one neuron as it is."""
        rows = len(value.const)
        if value.degrees(len(self.peak)).sum() != rows:
            return None
        e = value.affine().entries.merged()
        as_is = np.array_equal(e.row, np.arange(rows)) and np.all(e.weight == 1) and np.all(e.col >= self.elements)
        return e.col if as_is else None

    # --- assembly ---

    def _program(self, provenance: dict[str, Any], progress: Progress) -> CriProgram:
        neurons = self.populations[-1].stop if self.populations else 0
        axons, local = self._tables(neurons, progress)
        strict = self.profile.compare == ">"
        code, leak = self.profile.no_leak
        model = NeuronModel(code, 0 if strict else 1, leak, self.profile.noise_off)
        return CriProgram(
            profile=self.profile,
            models=(model,),
            neuron_model=np.zeros(neurons, np.uint8),
            axons=axons,
            neurons=local,
            populations=tuple(self.populations),
            inputs=tuple(self.inputs),
            schedule=tuple(self.control.schedule),
            readouts=tuple(self.readouts),
            steps=self.steps,
            provenance=provenance,
        )

    def _tables(self, neurons: int, progress: Progress) -> tuple[Table, Table]:
        """Synapses of axons (inputs as bit planes, then control) and of neurons."""
        col = np.arange(len(self.peak))
        pixel = col < self.elements
        parts = [(part, p.first) for s, p in zip(self.synapses, self.populations, strict=True) for part in s.parts]
        planes = [
            Placed(part, np.where(pixel, col * self.bits + bit, -1), first, bit)
            for bit in range(self.bits)
            for part, first in parts
        ]
        axons = self.elements * self.bits + self.control.count
        controls = Placed(self.control.entries(), np.arange(axons))
        local = [Placed(part, np.where(pixel, -1, col - self.elements), first) for part, first in parts]
        return table([*planes, controls], axons, progress), table(local, neurons, progress)

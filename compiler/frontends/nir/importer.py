"""Walks the nodes of a NIR graph in execution order and builds the IR, gathering every problem on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from ...ir import Graph, TensorType, Timing, Value
from ...ir.ops import Add
from ...ir.stages import verify
from ..common.axes import default_letters
from ..common.names import Label, Names, readable
from ..common.problems import DependsOnRefused, Refusal, Report, require
from . import layers, neurons
from .call import Call
from .delays import Line, delay_steps, tapped
from .inputs import declared, resolve
from .options import Clock
from .records import NEURONS, PARAMETERS, THROUGH, Array
from .wiring import Network, cut_loops, execution_order

HANDLERS: dict[str, Callable[[Call], Value]] = {
    "Affine": layers.dense,
    "AvgPool2d": layers.pool,
    "Conv1d": layers.conv,
    "Conv2d": layers.conv,
    "CubaLI": neurons.current_based,
    "CubaLIF": neurons.current_based,
    "Flatten": layers.flatten,
    "I": neurons.membrane,
    "IF": neurons.membrane,
    "LI": neurons.membrane,
    "LIF": neurons.membrane,
    "Linear": layers.dense,
    "Scale": layers.scale,
    "SumPool2d": layers.pool,
    "Threshold": layers.threshold,
}


SAME_SHAPE = (*NEURONS, "Delay", "Output", "Scale", "Threshold", THROUGH)


class Importer:
    """One import: `run` gives the graph, or raises one NmcError with everything that is in the way."""

    def __init__(self, network: Network, name: str, clock: Clock, report: Report):
        self.network, self.clock, self.report = network, clock, report
        self.graph = Graph(name)
        self.names = Names(network.named("Input"))
        self.sources = network.sources()
        self.values: dict[str, Value] = {}  # by node; a node that was refused has none
        self.lines: dict[str, Line] = {}  # by Delay, and by the neuron of which a loop reads the step before
        self.hidden: dict[str, Refusal] = {}  # of nodes that a loop keeps from being built
        self.delays = self._delays()

    def _delays(self) -> dict[str, Array]:
        """The steps of every Delay; those that cannot be held are reported."""
        found: dict[str, Array] = {}
        for name in self.network.named("Delay"):
            record = self.network.nodes[name]
            if record.broken:
                continue
            try:
                found[name] = delay_steps(record, self.clock.dt)
            except Refusal as refusal:
                self._refused(name, refusal)
                record.broken = True
        return found

    def _remembers(self, name: str) -> bool:
        return name in self.delays and bool(self.delays[name].max() > 0)

    def run(self, given: Mapping[str, tuple[int, ...]]) -> Graph:
        """The verified graph; `given` are the shapes of inputs that the user gave."""
        frames, length = resolve(self.network, given, self.report)
        cut_loops(self.network, self._remembers, self.report)
        order = execution_order(self.network, self._remembers)
        for name, frame in frames.items():
            self.values[name] = self.graph.add_input(name, TensorType(frame, "f32", default_letters(len(frame))))
        self._open_lines(order)
        for name in order:
            if name not in self.values:
                self._guarded(name, self._node)
        for name in self.lines:
            self._guarded(name, self._close)
        for name in self.network.named("Output"):
            self._guarded(name, self._output)
        if not self.report.diagnostics:
            for name, refusal in self.hidden.items():
                self._refused(name, refusal)
        self.report.raise_if_any()
        assert len(self.graph.outputs) == len(self.network.named("Output")), "a node has no value and no diagnostic"
        timing = Timing(0, length=length, axis=1)
        self.graph.timing = dict.fromkeys([*frames, *self.graph.outputs], timing)
        verify(self.graph)
        return self.graph

    def _guarded(self, name: str, work: Callable[[str], None]) -> None:
        """Report a refusal; say nothing about what depends on a refused node."""
        try:
            work(name)
        except Refusal as refusal:
            self._refused(name, refusal)
        except DependsOnRefused:
            return

    def _refused(self, name: str, refusal: Refusal) -> None:
        kind = self.network.nodes[name].kind
        self.report.refused(refusal, kind, Label("", kind, name, "").where)

    # --- what flows into a node ---

    def _sum(self, call: Call, name: str) -> Value:
        """What flows into a node: the sum of the nodes that it reads. DependsOnRefused if one has no value."""
        total: Value | None = None
        for source in self.sources[name]:
            line = self.lines.get(source)
            if (source, name) in self.network.late:
                value = None if line is None else line.tap(1)
            else:
                value = self.values.get(source)
            if value is None:
                raise DependsOnRefused
            if total is not None:
                same = total.type.shape == value.type.shape
                shapes = f"{list(total.type.shape[1:])} and {list(value.type.shape[1:])}"
                call.require(same, "NMC-I012", f"values of shapes {shapes} flow in together")
            total = value if total is None else call.emit(Add(), total, value, part="sum")
        if total is None:
            raise DependsOnRefused
        return total

    # --- values of earlier steps ---

    def _open_lines(self, order: list[str]) -> None:
        late = dict.fromkeys(source for source, _ in sorted(self.network.late))
        if not late and not any(map(self._remembers, self.delays)):
            return
        types = self._types(order)
        for name in late:
            if name in types:
                self.lines[name] = Line(self.graph, f"{readable(name)}.before", types[name], (name,))
        for name, steps in self.delays.items():
            if self._remembers(name) and name in types:
                self.lines[name] = Line(self.graph, readable(name), types[name], (name,), int(steps.max()))
        for line in self.lines.values():
            line.lengthen()

    def _types(self, order: list[str]) -> dict[str, TensorType]:
        """Types of the nodes' results as far as they are known before the nodes are built: each from the first node
        that it reads. Loops need them to begin with."""
        known = {name: value.type for name, value in self.values.items()}
        pending = [name for name in order if name not in known]
        progress = True
        while progress:
            progress = False
            for name in list(pending):
                source = next((source for source in self.sources[name] if source in known), None)
                if source is None:
                    continue
                pending.remove(name)
                found = self._type(name, known[source])
                if found is not None:
                    known[name] = found
                    progress = True
        return known

    def _type(self, name: str, x: TensorType) -> TensorType | None:
        """The type that a node makes of x, None if it refuses it."""
        record = self.network.nodes[name]
        if record.kind in SAME_SHAPE:
            return x
        if record.broken or record.kind not in HANDLERS:
            return None
        scratch = Graph()
        try:
            call = Call(scratch, Names(()), name, record, self.clock)
            call.x = scratch.add_input("x", x)
            return HANDLERS[record.kind](call).type
        except Refusal as refusal:
            self.hidden[name] = refusal
            return None

    def _close(self, name: str) -> None:
        """Say what the states of a loop or a Delay hold."""
        line = self.lines[name]
        if self.network.nodes[name].kind != "Delay":
            if name in self.values:
                line.close(self.values[name])
            return
        x = self._sum(self._call(name), name)
        same = x.type.shape == line.states[0].type.shape
        require(same, "NMC-I012", f"its delay has no shape of its own, and {list(x.type.shape[1:])} flow in")
        line.close(x)

    # --- nodes ---

    def _node(self, name: str) -> None:
        record = self.network.nodes[name]
        if record.broken or record.kind == "Output":
            return
        if record.kind not in PARAMETERS and record.kind != THROUGH:
            why = "it is no primitive of NIR 1.0"
            close = get_close_matches(record.kind, HANDLERS, 1)
            raise Refusal("NMC-I010", why, f"did you mean {close[0]!r}?" if close else "")
        if self._remembers(name):
            if name not in self.lines:
                raise DependsOnRefused
            self.values[name] = tapped(self._call(name), self.lines[name], self.delays[name])
            return
        call = self._call(name)
        call.x = self._sum(call, name)
        self.values[name] = call.x if record.kind in (THROUGH, "Delay") else HANDLERS[record.kind](call)

    def _call(self, name: str) -> Call:
        return Call(self.graph, self.names, name, self.network.nodes[name], self.clock)

    def _output(self, name: str) -> None:
        value = self._sum(self._call(name), name)
        shape, frame = declared(self.network.nodes[name]), value.type.shape[1:]
        same = not shape or shape[-len(frame) :] == frame  # exporters may leave samples or time in front
        require(same, "NMC-I012", f"it declares {list(shape)}, and {list(frame)} flow in")
        self.graph.outputs[name] = value

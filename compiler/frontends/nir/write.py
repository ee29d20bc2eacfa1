"""A spiking graph as a NIR file: nodes, edges, and what loops and delays become."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...diagnostics import Collector, usage
from ...ir import Graph, Node, Value
from ...ir.ops import Add, Li, Lif, Reshape, Threshold
from ...manager import Manager
from ...passes.base import Context
from ...passes.canonicalize import Canonicalize
from ...passes.fold_batch_norm import FoldBatchNorm
from ..common.names import Names, readable
from ..common.problems import Report
from .container import write_container
from .nodes import LAYERS, NEURON_OPS, Unwritable, joined, starts
from .records import NEURONS, Record
from .wiring import Edge, Network, cut_loops

_REFUSED = {
    "clip": "NIR's nodes are linear, or neurons",
    "relu": "NIR's nodes are linear, or neurons",
    "activation": "NIR's nodes are linear, or neurons",
    "concat": "NIR joins values by adding them only",
    "max_pool": "NIR has sum and average pools only",
    "running_mean": "NIR has no mean over time",
}


def write_file(graph: Graph, path: Path, dt: float, classes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """See `write_nir`."""
    if not graph.stepped:
        raise usage("NMC-I042", "only spiking networks are written as NIR", graph.name, "it has no timesteps")
    if not (np.isfinite(dt) and dt > 0):
        raise usage("NMC-I042", f"dt must be a positive number of seconds, not {dt}")
    graph = graph.copy()
    Manager().run(graph, (Canonicalize(), FoldBatchNorm()), Context())
    record = Writer(graph, dt).run()
    named = {"nmc_classes": json.dumps(classes, ensure_ascii=False)} if classes else {}
    write_container(path, replace(record, metadata={**record.metadata, **named}))
    return _notes(graph)


def _notes(graph: Graph) -> tuple[str, ...]:
    """What the file cannot say about when values flow."""
    held = [value.name for value in graph.inputs if graph.timing[value.name].axis < 0]
    once = [name for name in graph.outputs if graph.timing[name].axis < 0]
    notes = [f"input {name!r} is the same in every step, which the reader of the file has to see to" for name in held]
    return (*notes, *(f"output {name!r} is that of the last step; the file gives one in every step" for name in once))


class Writer:
    """One export: `run` gives the record of the whole graph, or raises one NmcError with all that NIR lacks."""

    def __init__(self, graph: Graph, dt: float):
        self.graph, self.dt = graph, dt
        self.problems = Collector()
        unique = Names(())
        self.inputs = {id(value): unique.unique(_link(value.name), "input") for value in graph.inputs}
        self.outputs = {name: unique.unique(_link(name), "output") for name in graph.outputs}
        self.names = {id(v): unique.unique(readable(v.name), "delay") for v in graph.feedback}
        self.records: dict[int, Record] = {}
        self.inside = self._inside()
        self.names |= {
            id(n.result): unique.unique(readable(n.result.name), n.op.mnemonic)
            for n in graph.nodes
            if id(n.result) not in self.inside
        }

    def run(self) -> Record:
        for node in self.graph.nodes:
            try:
                self._node(node)
            except Unwritable as error:
                self._problem(node, error.why, error.hint)
        settings = self._settings()
        self._constants()
        network = self._network(implicit=True)
        self.problems.raise_if_any()
        intended = network.late
        cut_loops(network, lambda name: network.nodes[name].kind == "Delay", Report())
        if network.late != intended:
            network = self._network(implicit=False)
        return Record("NIRGraph", {}, network.nodes, network.edges, {"nmc_dt": np.array(self.dt), **settings})

    def _constants(self) -> None:
        """Report outputs and states that are constants."""
        leaves = {**self.graph.outputs, **{state.name: value for state, value in self.graph.feedback.items()}}
        for name, value in leaves.items():
            if value.is_constant:
                self.problems.add(
                    "NMC-I044", "a constant cannot be written as NIR", name, "NIR's nodes all read others"
                )

    def _problem(self, node: Node, why: str, hint: str = "") -> None:
        where = ", ".join(node.result.origin) or node.result.name
        self.problems.add("NMC-I044", f"{node.op.mnemonic} cannot be written as NIR", where, why, hint)

    # --- nodes ---

    def _inside(self) -> set[int]:
        """The currents that become part of CubaLI or CubaLIF nodes: read by one neuron and by nothing else."""
        found: set[int] = set()
        for node in self.graph.nodes:
            current = node.x.producer
            if not isinstance(node.op, Li | Lif) or current is None or not isinstance(current.op, Li):
                continue
            try:
                pair = NEURON_OPS[Li](current, self.dt), NEURON_OPS[type(node.op)](node, self.dt)
            except Unwritable:
                continue
            whole = joined(*pair)
            if whole is not None and self.graph.readers(current.result) == 1 and id(current.x) not in found:
                found.add(id(current.result))
                self.records[id(node.result)] = whole
        return found

    def _node(self, node: Node) -> None:
        op, y = node.op, node.result
        if id(y) in self.records or id(y) in self.inside or _hands_on(node):
            return
        if node.x.is_constant:
            raise Unwritable("it reads a constant, NIR's nodes all read others")
        if isinstance(op, Add):
            flows = [v for v in node.operands if v is not None and not v.is_constant and v.type.shape == y.type.shape]
            if len(flows) < 2:
                raise Unwritable("NIR adds values of one shape, no constants", "use a bias of a layer or a v_leak")
        elif type(op) in NEURON_OPS:
            self.records[id(y)] = NEURON_OPS[type(op)](node, self.dt)
        elif type(op) in LAYERS:
            self.records[id(y)] = LAYERS[type(op)](node)
        else:
            raise Unwritable(_REFUSED.get(op.mnemonic, "NIR has no such node"))

    def _settings(self) -> dict[str, str]:
        """Compare and start, which NIR does not say, as metadata; neurons that differ in them are reported."""
        strict: dict[bool, Node] = {}
        begin = {"zero", "reset"}
        for node in self.graph.nodes:
            if isinstance(node.op, Lif | Threshold):
                strict.setdefault(node.op.strict, node)
            if isinstance(node.op, Lif):
                begin &= starts(node)
                if not begin:
                    why = "the potentials before the first step are not all 0, nor all v_reset"
                    self._problem(node, why)
                    begin = {"zero", "reset"}
        if len(strict) > 1:
            self._problem(strict[True], "some neurons fire at v > threshold, others at v ≥ threshold")
        return {"nmc_compare": "ge" if False in strict else "gt", "nmc_start": "zero" if "zero" in begin else "reset"}

    # --- edges ---

    def _network(self, implicit: bool) -> Network:
        """Nodes and edges. With `implicit`, neurons' values of the step before are edges that close loops (`late`);
        other values of earlier steps, and without it all of them, are Delay nodes."""
        nodes: dict[str, Record] = {}
        edges: list[Edge] = []
        late: set[Edge] = set()
        for value in self.graph.inputs:
            nodes[self.inputs[id(value)]] = Record("Input", {"shape": np.array(value.type.shape[1:], np.int64)})
        readers = [(self.names[id(n.result)], self.records[id(n.result)], self._source(n)) for n in self._written()]
        for name, value in self.graph.outputs.items():
            shape = np.array(value.type.shape[1:], np.int64)
            readers.append((self.outputs[name], Record("Output", {"shape": shape}), value))
        for name, record, source in readers:  # grows by the delays that are met
            if name in nodes:
                continue
            nodes[name] = record
            for term in sorted(self._terms(source), key=lambda term: term in self.graph.feedback):
                root, steps = self._root(term)
                edge = (self._name(root), name)
                if steps == 1 and implicit and self._fires(root) and edge not in edges:
                    late.add(edge)
                elif steps:
                    edge = (self.names[id(term)], name)
                    delay = np.full(term.type.shape[1:], steps * self.dt)
                    readers.append((edge[0], Record("Delay", {"delay": delay}), root))
                if edge in edges:
                    self._twice(edge)
                edges.append(edge)
        return Network(nodes, sorted(edges), frozenset(late))

    def _written(self) -> list[Node]:
        return [node for node in self.graph.nodes if id(node.result) in self.records]

    def _source(self, node: Node) -> Value:
        """What flows into the record of a node."""
        current = node.x.producer
        return current.x if current is not None and id(current.result) in self.inside else node.x

    def _terms(self, value: Value) -> list[Value]:
        """The inputs, states and written nodes whose sum a value is."""
        node = value.producer
        if node is None or id(value) in self.records:
            return [value]
        if isinstance(node.op, Add):
            return [term for v in node.operands if v is not None for term in self._terms(v)]
        return self._terms(node.x) if _hands_on(node) else [value]

    def _root(self, value: Value) -> tuple[Value, int]:
        """The value that a chain of states holds, and how many steps late; itself and 0 if it is no state."""
        steps = 0
        while value in self.graph.feedback and steps <= len(self.graph.feedback):
            value, steps = self.graph.feedback[value], steps + 1
        return value, steps

    def _fires(self, value: Value) -> bool:
        return id(value) in self.records and self.records[id(value)].kind in NEURONS

    def _name(self, value: Value) -> str:
        return self.inputs.get(id(value)) or self.names.get(id(value), "")

    def _twice(self, edge: Edge) -> None:
        why = f"{edge[0]!r} flows into {edge[1]!r} twice; NIR has one edge from a node to another"
        self.problems.add("NMC-I044", "a sum cannot be written as NIR", edge[1], why)


def _hands_on(node: Node) -> bool:
    """Does the node change nothing but the names of axes?"""
    return isinstance(node.op, Reshape) and node.result.type.shape == node.x.type.shape


def _link(name: str) -> str:
    """The name of an input or output as HDF5 takes it."""
    return re.sub(r"/", ".", name).strip(".") or "value"

"""If, Loop and Scan: the graphs that these nodes hold become part of the graph around them.

Their nodes are walked in the scope around the node: those of a branch once, those of a body once an iteration.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, helper

from ..common.emit import Array
from ..common.problems import DependsOnRefused, Refusal
from .call import Call, Model, Operand, Unknown
from .constants import Constants
from .fold import Folder
from .read import DEFAULT_DOMAINS
from .spellings import restore
from .wiring import BrokenWiring, execution_order, initializer_names

Scope = MutableMapping[str, Operand]
Walk = Callable[[Iterable[NodeProto], Scope], None]
Apply = Callable[[Call], Sequence[Operand]]

MAX_NODES = 10_000  # that branches and bodies put into a graph, all of a model together
_HINT = "export with fixed input shapes, or without control flow that depends on the data"


@dataclass(frozen=True)
class Prepared:
    """A graph in a node: its constants and the nodes that its outputs need, in order. `graph` keeps its id its own."""

    graph: GraphProto
    constants: dict[str, Operand]
    nodes: list[NodeProto]


class Control:
    """What the importer lends to the nodes that hold graphs.

    walk   gives every output of the nodes an operand in the scope
    apply  the results of one node
    """

    def __init__(self, model: Model, constants: Constants, folder: Folder, home: Path, walk: Walk, apply: Apply):
        self.model, self.constants, self.folder, self.home = model, constants, folder, home
        self.walk, self.apply = walk, apply
        self._nodes = 0
        self._prepared: dict[int, Prepared] = {}

    def count(self, nodes: int, done: int) -> None:
        """Take note of an iteration of so many nodes, after `done` ones. Refusal beyond MAX_NODES."""
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            why = f"after {done} times {nodes} nodes there are more than {MAX_NODES} in branches and unrolled loops"
            raise Refusal("NMC-I018", why, "give a shorter clip with --input-shape, or export without the loop")

    def made(self, call: Call, op: str, operands: Sequence[Operand], **attributes: Any) -> Operand:
        """The result of a node that the file does not have, in the place of one that it has."""
        names = [f"operand{i}" for i in range(len(operands))]
        proto = helper.make_node(op, names, ["made"], call.label.node, **attributes)
        proto.metadata_props.extend(call.proto.metadata_props)
        return self.apply(Call(self.model, proto, list(operands)))[0]

    def prepared(self, graph: GraphProto, defined: Scope) -> Prepared:
        """A graph that a node holds; the same node may be met in every iteration of a loop around it."""
        if id(graph) not in self._prepared:
            constants = self.constants.initializers(graph, initializer_names(graph))
            outputs = [value.name for value in graph.output]
            try:
                order = execution_order(restore(graph, self.home), ChainMap(constants, defined), outputs)
            except BrokenWiring as broken:
                raise Refusal("NMC-I014", str(broken)) from None
            for node in order:
                if node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS:
                    constants |= dict.fromkeys(node.output, self.constants.node(node, self.model.names.label(node)))
            nodes = [node for node in order if not all(name in constants for name in node.output)]
            self._prepared[id(graph)] = Prepared(graph, constants, nodes)
        return self._prepared[id(graph)]


class Body:
    """A graph that a node holds, for one or more walks through it."""

    def __init__(self, control: Control, graph: GraphProto, scope: Scope):
        self._control = control
        self.inputs = [value.name for value in graph.input]
        self.outputs = [value.name for value in graph.output]
        held = control.prepared(graph, ChainMap(dict.fromkeys(self.inputs), scope))  # type: ignore[arg-type]
        self.nodes = held.nodes
        self._outer: Scope = ChainMap(held.constants, scope)  # type: ignore[arg-type]

    def results(self, given: Sequence[Operand] = (), done: int = 0) -> list[Operand]:
        """The outputs for these inputs, after `done` walks; unknown what depends on a refused node."""
        self._control.count(len(self.nodes) + 1, done)
        scope: Scope = ChainMap(dict(zip(self.inputs, given, strict=True)), self._outer)  # type: ignore[arg-type]
        self._control.walk(self.nodes, scope)
        return [scope[name] for name in self.outputs]

    def iteration(self, given: Sequence[Operand], done: int) -> list[Operand]:
        """`results`; DependsOnRefused if one is unknown, as more iterations would be refused for the same reasons."""
        found = self.results(given, done)
        if any(isinstance(operand, Unknown) for operand in found):
            raise DependsOnRefused
        return found


def graph_attribute(call: Call, name: str) -> GraphProto:
    """A graph that the node holds. Refusal if it has none of that name."""
    call.ignore(name)
    found = [a.g for a in call.proto.attribute if a.name == name and a.type == AttributeProto.GRAPH]
    call.require(len(found) == 1, "NMC-I011", f"it has no {name}")
    return found[0]


def constant_number(call: Call, operand: Operand, role: str, kinds: str, hint: str = _HINT) -> Array:
    """A constant of one element, as a scalar; `kinds` are numpy's letters for its types. Refusal if it is computed."""
    if isinstance(operand, Unknown):
        raise DependsOnRefused
    if not isinstance(operand, np.ndarray):
        raise Refusal("NMC-I013", f"its {role} depends on the data", hint)
    call.require(operand.size == 1, "NMC-I012", f"its {role} has {operand.size} elements")
    call.require(operand.dtype.kind in kinds, "NMC-I011", f"its {role} is {operand.dtype}")
    return operand.reshape(())


def branch(call: Call, scope: Scope, control: Control) -> Sequence[Operand]:
    """If: the results of the branch that a constant condition takes."""
    name = "then_branch" if constant_number(call, call.raw(0), "condition", "b") else "else_branch"
    taken = graph_attribute(call, name)
    fits = len(taken.output) == len(call.proto.output) and not taken.input
    call.require(fits, "NMC-I011", f"its {name} does not make what the node gives")
    return Body(control, taken, scope).results()

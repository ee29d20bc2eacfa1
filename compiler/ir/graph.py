"""Graphs: nodes in execution order, values that know their producer and their uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...runtime.program.timing import Timing
from .ops.base import IllegalOp, Op
from .types import TensorType


class Value:
    """A tensor in a graph: an input, a constant (has `data`), or the result of `producer`.

    `origin` names what the value is in the user's model; names that passes derive keep it.
    `uses` lists (node, operand position) and is kept by the graph.
    """

    def __init__(self, name: str, type: TensorType, origin: tuple[str, ...] = (), data: np.ndarray | None = None):
        self.name = name
        self.type = type
        self.origin = origin
        self.producer: Node | None = None
        self.uses: list[tuple[Node, int]] = []
        self._data = data
        if data is not None:
            data.setflags(write=False)

    @property
    def is_constant(self) -> bool:
        return self._data is not None

    @property
    def data(self) -> np.ndarray:
        """The array of a constant (read only)."""
        if self._data is None:
            raise ValueError(f"%{self.name} is not a constant")
        return self._data

    @property
    def op(self) -> Op | None:
        """The op that makes this value, None for inputs and constants."""
        return None if self.producer is None else self.producer.op

    def digest(self) -> str:
        """sha256 over dtype, shape and little-endian C-order bytes of a constant."""
        data = np.ascontiguousarray(self.data)
        head = f"{self.type.dtype}{list(data.shape)}".encode()
        return hashlib.sha256(head + data.astype(data.dtype.newbyteorder("<"), copy=False).tobytes()).hexdigest()

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


class Node:
    """One application of an op: operands (None for an absent optional one) and a result."""

    def __init__(self, op: Op, operands: tuple[Value | None, ...], result: Value):
        self.op = op
        self.operands = operands
        self.result = result

    def operand(self, name: str) -> Value | None:
        """The operand of that name in the op's definition, None if absent."""
        index = self.op.operand_index(name)
        return self.operands[index] if index < len(self.operands) else None

    @property
    def x(self) -> Value:
        """The first operand."""
        first = self.operands[0]
        assert first is not None
        return first

    def __repr__(self) -> str:
        return f"%{self.result.name} = {self.op.mnemonic}({', '.join(repr(v) for v in self.operands)})"


class Graph:
    """A network: inputs, nodes in execution order, outputs by their public names, and the stage it has reached.

    `timing` says, once time is causal, at which frames of a stream the elements of inputs and outputs appear.
    `feedback` closes loops over time in a frame graph: each key, a value like an input, holds at every step what the
    value beside it was in the step before (zeros before the first).
    `integer_weights` says that its weights are, in part at least, integers of the model's file times a scale, while
    nothing rounds its activations.

    Equality is equality of the text form, i.e. of structure, names, attributes and constants' digests.
    """

    def __init__(self, name: str = "graph", stage: str = "imported"):
        self.name = name
        self.stage = stage
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: dict[str, Value] = {}
        self.timing: dict[str, Timing] = {}
        self.feedback: dict[Value, Value] = {}
        self.integer_weights = False
        self._names: set[str] = set()

    # --- names and leaves ---

    def fresh_name(self, wanted: str) -> str:
        """`wanted`, or `wanted.2`, `wanted.3`, … if it is taken; the name counts as taken from now on."""
        name, number = wanted, 2
        while name in self._names:
            name, number = f"{wanted}.{number}", number + 1
        self._names.add(name)
        return name

    def add_input(self, name: str, type: TensorType) -> Value:
        value = Value(self.fresh_name(name), type, (name,))
        self.inputs.append(value)
        return value

    def add_state(self, name: str, type: TensorType, origin: tuple[str, ...] = ()) -> Value:
        """A value of the step before; `close` says which. Until then it is its own."""
        value = Value(self.fresh_name(name), type, origin)
        self.feedback[value] = value
        return value

    def close(self, state: Value, value: Value) -> None:
        """From now on `state` is what `value` was in the step before; IllegalOp unless the shapes agree."""
        if state.type.shape != value.type.shape:
            raise IllegalOp(f"{state} cannot hold {value}")
        self.feedback[state] = value

    def constant(self, name: str, data: Any, axes: str | None = None, origin: tuple[str, ...] = ()) -> Value:
        """A new constant; `data` is copied unless it is read only already."""
        array = np.asarray(data)
        array = array.copy() if array.flags.writeable else array
        return Value(self.fresh_name(name), TensorType.of(array, axes), origin, array)

    # --- wiring ---

    def add(
        self,
        op: Op,
        *operands: Value | None,
        name: str,
        origin: Sequence[str] | None = None,
        before: Node | None = None,
    ) -> Value:
        """Apply `op`, as the last node or in front of `before`; IllegalOp where it does not fit. The origin defaults
        to the first operand's."""
        op.check_arity(len(operands))
        types = [None if value is None else value.type for value in operands]
        position = len(self.nodes) if before is None else self.nodes.index(before)
        if origin is None:
            origin = operands[0].origin if operands[0] is not None else ()
        result = Value(self.fresh_name(name), op.infer(*types), tuple(origin))
        node = Node(op, operands, result)
        result.producer = node
        self._register(node)
        self.nodes.insert(position, node)
        return result

    def _register(self, node: Node) -> None:
        for index, value in enumerate(node.operands):
            if value is not None:
                value.uses.append((node, index))

    def _unregister(self, node: Node) -> None:
        for index, value in enumerate(node.operands):
            if value is not None:
                value.uses.remove((node, index))

    def replace_uses(self, old: Value, new: Value) -> None:
        """Every node and graph output that reads `old` reads `new` from now on; types must agree in shape."""
        if old.type.shape != new.type.shape:
            raise IllegalOp(f"cannot replace {old} by {new}")
        for node in dict.fromkeys(node for node, _ in old.uses):
            self.set_operands(node, tuple(new if value is old else value for value in node.operands))
        for name, value in self.outputs.items():
            if value is old:
                self.outputs[name] = new
        for state, value in self.feedback.items():
            if value is old:
                self.feedback[state] = new

    def set_operands(self, node: Node, operands: tuple[Value | None, ...]) -> None:
        """Rewire one node."""
        self.rewrite(node, node.op, *operands)

    def rewrite(self, node: Node, op: Op, *operands: Value | None) -> None:
        """Make the node compute its result by `op` from `operands`; the result keeps name, shape and readers."""
        op.check_arity(len(operands))
        inferred = op.infer(*(None if value is None else value.type for value in operands))
        if inferred.shape != node.result.type.shape:
            raise IllegalOp(f"the rewrite changes {node.result} to {inferred}")
        self._unregister(node)
        node.op, node.operands, node.result.type = op, operands, inferred
        self._register(node)

    def rename(self, value: Value, wanted: str) -> None:
        """Give the value another name (made unique)."""
        self._names.discard(value.name)
        value.name = self.fresh_name(wanted)

    def erase(self, node: Node) -> None:
        """Remove a node whose result is not used."""
        if self.readers(node.result):
            raise IllegalOp(f"%{node.result.name} is still used")
        self._unregister(node)
        self.nodes.remove(node)
        node.result.producer = None
        self._names.discard(node.result.name)

    def replace(self, node: Node, value: Value) -> None:
        """Put `value` in the place of the node's result and erase the node."""
        self.replace_uses(node.result, value)
        self.erase(node)

    # --- questions ---

    def contains(self, node: Node) -> bool:
        """Is the node (still) part of the graph?"""
        return node.result.producer is node

    @property
    def stepped(self) -> bool:
        """Is it a frame graph: one frame or timestep in, one out?"""
        timed = bool(self.timing) and all(value.type.axis("T") is None for value in self.inputs)
        return timed or self.stage == "streaming"

    def readers(self, value: Value) -> int:
        """Number of operand slots, graph outputs and states that read the value."""
        others = (*self.outputs.values(), *self.feedback.values())
        return len(value.uses) + sum(value is other for other in others)

    def constants(self) -> Iterator[Value]:
        """Constants in the order of their first use."""
        seen: dict[int, Value] = {}
        for node in self.nodes:
            for value in node.operands:
                if value is not None and value.is_constant:
                    seen.setdefault(id(value), value)
        for value in self.outputs.values():
            if value.is_constant:
                seen.setdefault(id(value), value)
        return iter(seen.values())

    def copy(self) -> Graph:
        """An independent graph that shares the constants' (read-only) arrays."""
        other = Graph(self.name, self.stage)
        other._names = set(self._names)
        twin: dict[int, Value] = {}

        def clone(value: Value) -> Value:
            made = Value(value.name, value.type, value.origin, value.data if value.is_constant else None)
            return twin.setdefault(id(value), made)

        other.inputs = [clone(value) for value in self.inputs]
        states = [clone(value) for value in self.feedback]
        for value in self.constants():
            clone(value)
        for node in self.nodes:
            operands = tuple(None if value is None else twin[id(value)] for value in node.operands)
            made = Node(node.op, operands, clone(node.result))
            made.result.producer = made
            other._register(made)
            other.nodes.append(made)
        other.outputs = {name: twin[id(value)] for name, value in self.outputs.items()}
        other.timing, other.integer_weights = dict(self.timing), self.integer_weights
        other.feedback = {s: twin[id(v)] for s, v in zip(states, self.feedback.values(), strict=True)}
        return other

    def adopt(self, other: Graph) -> None:
        """Become `other`, for passes that build a new graph; `other` must not be used afterwards."""
        self.inputs, self.nodes, self.outputs = other.inputs, other.nodes, other.outputs
        self.stage, self.timing, self._names = other.stage, other.timing, other._names
        self.feedback = other.feedback

    def __eq__(self, other: object) -> bool:
        from .text import print_graph

        return isinstance(other, Graph) and print_graph(self) == print_graph(other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        from .text import print_graph

        return print_graph(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from .notebook import graph_table

        return graph_table(self)

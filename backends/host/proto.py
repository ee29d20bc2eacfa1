"""Building an ONNX model: tensors by name, nodes in order, the same bytes for the same graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from ...compiler.ir import Graph, Node, Value
from .model import Array, HostModel, HostState, Ints

OPSET, IR_VERSION = 21, 10
SAMPLES = "N"
FLOAT, DOUBLE = int(TensorProto.FLOAT), int(TensorProto.DOUBLE)


class Proto:
    """The model under construction.

    Values keep the names they have in the graph, outputs their public names. What a layer needs beside its result is
    called `<result>.<what>`.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.states: list[HostState] = []
        self._taken: set[str] = set()
        self._names: dict[Value, str] = {}
        self._shared: dict[tuple[str, Ints, bytes], str] = {}
        for value in graph.inputs:
            self._names[value] = self.fresh(value.name)
        self.outputs = [self._output(name, value) for name, value in graph.outputs.items()]
        for value in graph.feedback:
            self._names[value] = self.fresh(value.name)
            self.state(self._names[value], np.zeros(value.type.shape[1:], np.float32))

    # --- names ---

    def fresh(self, wanted: str) -> str:
        """`wanted`, or `wanted.2`, `wanted.3`, … if it is taken."""
        name, number = wanted, 2
        while name in self._taken:
            name, number = f"{wanted}.{number}", number + 1
        self._taken.add(name)
        return name

    def _output(self, name: str, value: Value) -> str:
        """The tensor of an output; the result of a node is made under its first public name."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        if value.producer is not None:
            self._names.setdefault(value, name)
        return name

    def name(self, value: Value) -> str:
        """The tensor that holds a value of the graph."""
        if value not in self._names:
            self._names[value] = self.fresh(value.name)
            if value.is_constant:
                data = np.asarray(value.data, np.float32)
                self.initializers.append(numpy_helper.from_array(data, self._names[value]))
        return self._names[value]

    # --- parts ---

    def constant(self, array: Array, name: str) -> str:
        """A tensor of these numbers; equal ones are written once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._shared:
            self._shared[key] = self.fresh(name)
            self.initializers.append(numpy_helper.from_array(array, self._shared[key]))
        return self._shared[key]

    def state(self, name: str, start: Array) -> HostState:
        """A memory called `name`, with its start for one stream."""
        self.states.append(HostState(name, self.fresh(f"{name}.next"), start))
        return self.states[-1]

    def node(self, op_type: str, operands: Sequence[str], results: Sequence[str], **attributes: Any) -> None:
        """Add a node, after those it reads."""
        self.nodes.append(helper.make_node(op_type, operands, results, **attributes))

    # --- the whole ---

    def finished(self) -> HostModel:
        """The model, once all nodes are there."""
        for name, value in zip(self.outputs, self.graph.outputs.values(), strict=True):
            if self.name(value) != name:
                self.node("Identity", [self.name(value)], [name])
        for state, value in zip(self.states, self.graph.feedback.values(), strict=False):
            self.node("Identity", [self.name(value)], [state.output])
        inputs = [_declared(self.name(value), value) for value in self.graph.inputs]
        outputs = [
            _declared(name, value) for name, value in zip(self.outputs, self.graph.outputs.values(), strict=True)
        ]
        before = [_memory(state.input, state.start) for state in self.states]
        after = [_memory(state.output, state.start) for state in self.states]
        graph = helper.make_graph(self.nodes, self.graph.name, inputs + before, outputs + after, self.initializers)
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="nmc")
        return HostModel(
            model.SerializeToString(deterministic=True),
            tuple((self.name(value), value.type.shape[1:]) for value in self.graph.inputs),
            tuple((n, v.type.shape[1:]) for n, v in zip(self.outputs, self.graph.outputs.values(), strict=True)),
            tuple(self.states),
        )


def _declared(name: str, value: Value) -> ValueInfoProto:
    shape = [SAMPLES, *value.type.shape[1:]] if value.type.batched and not value.is_constant else value.type.shape
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _memory(name: str, start: Array) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(start.dtype), [SAMPLES, *start.shape])


class Site:
    """One layer as its emitter sees it: names of its operands, ways to add nodes. `result` ends it."""

    def __init__(self, proto: Proto, node: Node):
        self.proto, self.node, self.op, self.type = proto, node, node.op, node.result.type
        self.name = proto.name(node.result)

    @property
    def operands(self) -> list[str]:
        """All operands, an absent one as the empty name."""
        return ["" if value is None else self.proto.name(value) for value in self.node.operands]

    @property
    def x(self) -> str:
        """The first operand."""
        return self.proto.name(self.node.x)

    @property
    def shape(self) -> Ints:
        """Shape of the first operand, samples counted as 1."""
        return self.node.x.type.shape

    def operand(self, name: str) -> str:
        """The operand of that name in the op's definition, empty if absent."""
        value = self.node.operand(name)
        return "" if value is None else self.proto.name(value)

    def data(self, name: str) -> Array | None:
        """The array of a constant operand, None if absent."""
        value = self.node.operand(name)
        return None if value is None else value.data

    def part(self, op_type: str, *operands: str, **attributes: Any) -> str:
        """A node on the way to the result; gives the name of what it makes."""
        return self.parts(op_type, 1, *operands, **attributes)[0]

    def parts(self, op_type: str, count: int, *operands: str, **attributes: Any) -> list[str]:
        """A node with several results."""
        made = [self.proto.fresh(f"{self.name}.{op_type.lower()}") for _ in range(count)]
        self.proto.node(op_type, operands, made, **attributes)
        return made

    def result(self, op_type: str, *operands: str, **attributes: Any) -> None:
        """The node that makes the layer's result."""
        self.proto.node(op_type, operands, [self.name], **attributes)

    def next(self, state: HostState, op_type: str, *operands: str, **attributes: Any) -> None:
        """The node that makes what a memory holds in the next step."""
        self.proto.node(op_type, operands, [state.output], **attributes)

    def number(self, value: float) -> str:
        """A float32 number."""
        return self.array(np.float32(value))

    def integers(self, values: Sequence[int]) -> str:
        """A list of int64 numbers."""
        return self.array(np.asarray(values, np.int64))

    def array(self, values: Any) -> str:
        """A constant tensor."""
        return self.proto.constant(np.asarray(values), f"{self.name}.constant")

    def state(self, what: str, start: Array) -> HostState:
        """A memory of this layer."""
        return self.proto.state(self.proto.fresh(f"{self.name}.{what}"), start)

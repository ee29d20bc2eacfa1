"""Walks the nodes of a model in execution order and builds the graph, gathering every problem on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto

from ...diagnostics import Diagnostic, Exit, NmcError
from ...ir import Graph, TensorType, Value
from ...ir.stages import verify
from ..common.emit import as_float32
from ..common.problems import DependsOnRefused, Refusal, Report
from .axes import input_letters
from .call import COMPUTED, UNKNOWN, Call, Model, Operand, Unknown
from .codes import Coded, common_codes, moves_codes
from .constants import Constants
from .control import Control, Scope
from .fold import Folder
from .handlers import ELSEWHERE, HANDLERS, Handler
from .inputs import read_source, resolve
from .inside import HINT, Inside
from .loops import CONTROL
from .names import NodeNames
from .read import DEFAULT_DOMAINS, opset_of
from .reasons import reason
from .shifts import leaves_front, on_inside
from .sizes import BOUNDS
from .spellings import restore
from .wiring import BrokenWiring, execution_order, index_readers, initializer_names, names_read

_QUERIES = ("Shape", "Size")
_FROM_INTEGERS = ("Cast", "DequantizeLinear")


def _is_computed(operand: Operand) -> bool:
    """Does the operand certainly depend on the graph's inputs?"""
    return isinstance(operand, Value | Coded | Inside) or (isinstance(operand, Unknown) and operand.computed)


def _handled(call: Call, handler: Handler) -> Sequence[Operand]:
    """What the handler gives. Codes that are only moved about stay codes."""
    if any(isinstance(operand, Inside) for operand in call.operands):
        return on_inside(call, handler)
    moved = leaves_front(call)
    if moved is not None:
        return moved
    if not moves_codes(call.op, call.operands):
        found = handler(call)
        return [found] if isinstance(found, Value | Coded | np.ndarray) else found
    codes = common_codes(call.op, call.operands)
    operands: list[Operand] = [operand.value if isinstance(operand, Coded) else operand for operand in call.operands]
    call.operands = operands
    results = _handled(call, handler)
    for result in results:
        if isinstance(result, Inside):
            raise Refusal("NMC-I015", f"it moves whole numbers of a quantizer: {result.why}", HINT)
    return [Coded(result, codes) if isinstance(result, Value) else result for result in results]


class Importer:
    """One import: `run` gives the graph or raises one NmcError with everything that is in the way."""

    def __init__(self, proto: ModelProto, path: Path, given: Mapping[str, tuple[int, ...]]):
        self.proto, self.path, self.given = proto, path, given
        self.report = Report()
        self.constants = Constants(path.parent, self.report)
        self.folder = Folder(opset_of(proto))
        self.graph = Graph(path.stem)
        self.nodes = self._ordered()
        self.outputs = [value.name for value in proto.graph.output]
        used = names_read(self.nodes) | set(self.outputs)
        constant = set(initializer_names(proto.graph))
        self.sources = [read_source(value) for value in proto.graph.input if value.name not in constant]
        names = NodeNames(self.nodes, (source.name for source in self.sources))
        self.model = Model(self.graph, names, self.folder.opset, used)
        apply = partial(self._results, scope={})
        self.control = Control(self.model, self.constants, self.folder, path.parent, self._walk, apply)

    def _ordered(self) -> list[NodeProto]:
        graph = self.proto.graph
        inputs = [value.name for value in graph.input]
        defined = {*inputs, *initializer_names(graph)}
        outputs = [value.name for value in graph.output]
        faults = [f"there are two {what}s {name!r}" for what, names in (("input", inputs), ("output", outputs))
                  for name in dict.fromkeys(names) if names.count(name) > 1]  # fmt: skip
        try:
            nodes = execution_order(restore(graph, self.path.parent), defined, outputs)
        except BrokenWiring as broken:
            faults += broken.faults
            nodes = []
        if faults:
            what, where = "the graph's wiring is broken", str(self.path)
            raise NmcError([Diagnostic("NMC-I014", what, where, fault) for fault in faults], Exit.BAD_FILE)
        return nodes

    def run(self) -> Graph:
        """The verified graph."""
        scope = self.constants.initializers(self.proto.graph, self.model.used)
        for node in self.nodes:
            if node.op_type == "Constant" and node.domain in DEFAULT_DOMAINS:
                scope |= dict.fromkeys(node.output, self.constants.node(node, self.model.names.label(node)))
        self._add_inputs(scope)
        self._walk(self.nodes, scope)
        self._add_outputs(scope)
        self.constants.report_problems()
        self.report.raise_if_any()
        for node in reversed(list(self.graph.nodes)):
            if not self.graph.readers(node.result):
                self.graph.erase(node)
        verify(self.graph)
        return self.graph

    # --- inputs and outputs ---

    def _add_inputs(self, scope: Scope) -> None:
        readers = index_readers(self.nodes)

        def constant(name: str) -> np.ndarray | None:
            operand = scope.get(name)
            return operand if isinstance(operand, np.ndarray) else None

        sources = [source for source in self.sources if source.name in self.model.used]
        casts = {
            s.name: all(n.op_type in _FROM_INTEGERS for n in readers.get(s.name, ())) and s.name not in self.outputs
            for s in sources
        }
        for source, shape in resolve(self.sources, sources, self.given, casts, self.report):
            scope[source.name] = COMPUTED
            if shape is not None:
                letters = input_letters(source.name, len(shape), readers, constant)
                scope[source.name] = self.graph.add_input(source.name, TensorType(shape, "f32", letters))
        first = [source.dims[0] for source in sources if source.dims]
        self.model.batches = frozenset(size for size in first if isinstance(size, int) and size > 1)
        self.model.open_batch = any(isinstance(size, str) for size in first)

    def _add_outputs(self, scope: Scope) -> None:
        for name in self.outputs:
            operand = scope[name]
            if isinstance(operand, np.ndarray):
                try:
                    operand = self.graph.constant(self.model.names.unique(name, "output"), as_float32(operand))
                except Refusal as refusal:
                    self.report.refused(refusal, f"output {name!r}", "")
                    continue
            if isinstance(operand, Inside):
                where = ", ".join(operand.value.origin)
                self.report.refused(Refusal("NMC-I015", operand.why, HINT), f"output {name!r}", where)
            elif isinstance(operand, Coded):
                hint = "end the model with DequantizeLinear"
                self.report.refused(Refusal("NMC-I011", "it holds codes of a quantizer", hint), f"output {name!r}", "")
            elif isinstance(operand, Value):
                self.graph.outputs[name] = operand

    # --- nodes ---

    def _walk(self, nodes: Iterable[NodeProto], scope: Scope) -> None:
        """Give every output of the nodes its value, constant, or UNKNOWN."""
        for node in nodes:
            if node.op_type == "Constant" and all(name in scope for name in node.output):
                continue  # `run` has read it
            call = Call(self.model, node, [scope[name] if name else None for name in node.input])
            results: Sequence[Operand] = ()
            try:
                results = self._results(call, scope)
            except DependsOnRefused:
                pass
            except Refusal as refusal:
                self.report.refused(refusal, call.op, call.label.where)
            unknown = COMPUTED if any(map(_is_computed, call.operands)) and call.op not in _QUERIES else UNKNOWN
            for i, name in enumerate(node.output):
                scope[name] = results[i] if i < len(results) else unknown

    def _results(self, call: Call, scope: Scope) -> Sequence[Operand]:
        handler = HANDLERS.get(call.op)
        if call.proto.domain not in DEFAULT_DOMAINS:
            handler = ELSEWHERE.get((call.proto.domain, call.op))
        if handler is None and call.proto.domain not in DEFAULT_DOMAINS:
            why = f"it is no standard ONNX operator, its domain is {call.proto.domain!r}"
            raise Refusal("NMC-I010", why, "export with standard operators only")
        if call.op == "Constant":
            return [self.constants.node(call.proto, call.label)]
        if call.op in CONTROL:
            return CONTROL[call.op](call, scope, self.control)
        values = [operand for operand in call.operands if operand is not None]
        if call.op in BOUNDS and values and all(isinstance(operand, np.ndarray) for operand in values):
            found = self.folder.fold(call)
            self.model.integer_weights |= call.op == "DequantizeLinear" and found[0].ndim > 1
            return found
        if handler is None:
            if call.op in BOUNDS and not any(map(_is_computed, values)):
                raise DependsOnRefused
            raise Refusal("NMC-I010", *reason(call.op, next(iter(call.proto.input), "")))
        results = _handled(call, handler)
        call.check_complete(len(results))
        return results

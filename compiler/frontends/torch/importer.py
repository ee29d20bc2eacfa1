"""Walks the nodes of a trace and builds the graph, gathering every problem on the way."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from ...ir import Graph, TensorType, Timing, Value
from ...ir.stages import verify
from ..common.emit import as_float32, is_mask, nonfinite
from ..common.names import Label, Names, module_label, readable
from ..common.problems import DependsOnRefused, Refusal, Report
from .axes import letters
from .call import Call, to_array
from .handlers import NAMES, handler_of, other_neuron, refused, row_of, word
from .reasons import reason
from .shapes import OP, REFUSAL, STALE, fake_of
from .trace import Traced

REFUSED = object()  # what a refused node would have been


def _label(node: fx.Node, op: str) -> Label:
    stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
    path, kind = stack[-1]
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    label = module_label(path, kind, node.name, op)
    return replace(label, base=readable(path)) if node.op == "call_module" and path else label


def output_names(output: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Public names of what the model returns: `output`; `output_0`, … in a tuple or list; its key in a dict."""
    if isinstance(output, dict):
        for key, item in output.items():
            yield from output_names(item, f"{prefix}_{key}" if prefix else str(key))
    elif isinstance(output, tuple | list):
        for i, item in enumerate(output):
            yield from output_names(item, f"{prefix or 'output'}_{i}")
    elif output is not None:
        yield prefix or "output", output


class Importer:
    """One import: `run` gives the graph or raises one NmcError with everything that is in the way."""

    def __init__(self, traced: Traced, name: str):
        self.traced = traced
        self.report = Report()
        self.graph = Graph(name)
        self.names = Names(traced.inputs)
        self.scope: dict[fx.Node, Any] = {}

    def run(self) -> Graph:
        """The verified graph."""
        live = self._live()
        for name, node in self.traced.inputs.items():
            shape = tuple(fake_of(node).shape)
            self.scope[node] = self.graph.add_input(name, TensorType(shape, "f32", letters(node, len(shape))))
            self._time(name, "held" if name in self.traced.held else "step")
        for node in self.traced.graph.nodes:
            if node.name in self.traced.constants:
                self.scope[node] = self.traced.constants[node.name]
            elif node in live and node not in self.scope:
                self.scope[node] = self._import(node)
        self._add_outputs()
        self.report.raise_if_any()
        for node in reversed(list(self.graph.nodes)):
            if not self.graph.readers(node.result):
                self.graph.erase(node)
        verify(self.graph)
        return self.graph

    def _live(self) -> set[fx.Node]:
        """The nodes that the outputs depend on."""
        queue = [leaf for leaf in pytree.tree_leaves(self.traced.output) if isinstance(leaf, fx.Node)]
        found = set(queue)
        while queue:
            new = [node for node in queue.pop().all_input_nodes if node not in found]
            found.update(new)
            queue += new
        return found

    def _add_outputs(self) -> None:
        stale = self.traced.graph.output_node().meta.get(STALE)
        if stale:
            self.report.refused(_stale(stale), "output", "")
        for name, item in output_names(self.traced.output):
            found = self.scope.get(item) if isinstance(item, fx.Node) else item
            if isinstance(found, Tensor):
                try:
                    found = self.graph.constant(self.names.unique(name, "output"), as_float32(to_array(found)))
                except Refusal as refusal:
                    self.report.refused(refusal, f"output {name!r}", "")
                    continue
            if isinstance(found, Value):
                self.graph.outputs[name] = found
                self._time(name, self.traced.when.get(item, "held") if isinstance(item, fx.Node) else "held")
            elif found is not REFUSED:
                why = f"it is of type {type(found).__name__}"
                self.report.refused(Refusal("NMC-I011", why, "return tensors"), f"output {name!r}", "")

    def _time(self, name: str, when: str) -> None:
        """When an input or output of a spiking network is there: in every step (a train), in all the same, or last."""
        if self.traced.steps:
            train = Timing(0, length=self.traced.steps, axis=1)
            self.graph.timing[name] = {"step": train, "last": Timing(self.traced.steps - 1)}.get(when, Timing(0))

    # --- nodes ---

    def _import(self, node: fx.Node) -> Any:
        """The node's value, constant, parts, or REFUSED."""
        module = self.traced.root.get_submodule(str(node.target)) if node.op == "call_module" else None
        op = node.meta.get(OP) or word(node) if module is None else type(module).__name__
        label = _label(node, op)
        try:
            return self._result(node, Call(self.graph, self.names, label, op, node), module)
        except DependsOnRefused:
            pass
        except Refusal as refusal:
            self.report.refused(refusal, op, label.where)
        return REFUSED

    def _result(self, node: fx.Node, call: Call, module: Any) -> Any:
        args, kwargs = map_arg((node.args, node.kwargs), lambda operand: self.scope[operand])
        operands = pytree.tree_leaves((args, kwargs))
        flows = any(isinstance(operand, Value) or operand is REFUSED for operand in operands)
        handler = handler_of(node) if module is None else row_of(module)
        if flows and module is not None and handler is other_neuron:
            other_neuron(call, module)
        if refusal := node.meta.get(REFUSAL):
            raise refusal
        if flows and handler in (None, refused):
            raise self._unknown(call.op)
        if any(operand is REFUSED for operand in operands):
            raise DependsOnRefused
        if stale := node.meta.get(STALE):
            raise _stale(stale)
        self._check_constants(operands)
        if module is not None:
            args = (module, *args)
        elif not flows:
            return self._fold(node, args, kwargs)
        assert handler is not None
        found = self._bound(call, handler, args, kwargs)
        self._check_shapes(node, found)
        return found

    def _check_constants(self, operands: list[Any]) -> None:
        for operand in operands:
            several = isinstance(operand, Tensor) and operand.numel() > 1  # a single infinity may be a bound
            array = to_array(operand) if several else None
            if array is not None and (why := nonfinite(array)) and not is_mask(array):
                raise Refusal("NMC-I006", why, "the training diverged or the weights are damaged")

    def _bound(self, call: Call, handler: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The handler's result. It names every argument that it understands."""
        try:
            inspect.signature(handler).bind(call, *args, **kwargs)
        except TypeError as error:
            raise Refusal("NMC-I011", f"it is called with an argument that is not imported: {error}") from None
        return handler(call, *args, **kwargs)

    def _fold(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """The result of an operation on constants."""
        before = torch.random.get_rng_state()
        try:
            with torch.no_grad():
                if node.op == "call_method":
                    found = getattr(args[0], str(node.target))(*args[1:], **kwargs)
                else:
                    assert callable(node.target)
                    found = node.target(*args, **kwargs)
        except Exception as error:  # torch raises many kinds, all of them mean the same here
            why = f"it cannot be computed from constants: {str(error).splitlines()[0][:200]}"
            raise Refusal("NMC-I012", why) from None
        if not torch.equal(torch.random.get_rng_state(), before):
            raise Refusal("NMC-I011", "it draws random numbers", "store the numbers in a buffer")
        return found

    def _unknown(self, op: str) -> Refusal:
        why, hint = reason(op)
        close = get_close_matches(op, NAMES, 1)
        return Refusal("NMC-I010", why, hint or (f"did you mean {close[0]!r}?" if close else ""))

    def _check_shapes(self, node: fx.Node, found: Any) -> None:
        """AssertionError, that is a bug in a handler, if torch would give other shapes."""

        def check(result: Any, fake: Any) -> None:
            if isinstance(result, tuple | list):  # several results, or what is one tensor in torch, along its axis 0
                parts = fake if isinstance(fake, tuple | list) else fake.unbind()
                for part, other in zip(result, parts, strict=False):
                    check(part, other)
                return
            have = result.type.shape if isinstance(result, Value) else tuple(result.shape)
            assert have == tuple(fake.shape), f"{node.format_node()} gives {have}, torch {tuple(fake.shape)}"

        check(found, fake_of(node))


def _stale(name: str) -> Refusal:
    why = f"it reads {name!r}, of which another operation overwrote a part in place"
    return Refusal("NMC-I011", why, "use operations that return a new tensor, e.g. inplace=False or torch.cat")

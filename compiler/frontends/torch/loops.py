"""A `forward` that loops over the timesteps leaves a trace of all of them: it is rolled up to the trace of one.

    for t in range(T):
        spk, mem = self.lif(self.fc(x[t]), mem)
        record.append(spk)
    return torch.stack(record)

Each neuron is called T times. A node belongs to step k if it reads x[k] or what neurons give in their call number k.
The steps must be alike: call k is made from the same operations as the first one, and gets the states that call k − 1
returned. What follows the loop may stack or add up one value of each step.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from .handlers import word
from .over_time import each_step, every_step
from .shapes import FAKE, OP, fake_of
from .spiking_classes import is_neuron
from .states import given_states, result_part
from .trace import Traced

MIXED = -1  # the step of a node that reads several steps


def live_nodes(traced: Traced) -> list[fx.Node]:
    """The nodes that the outputs depend on, in order."""
    queue = [leaf for leaf in pytree.tree_leaves(traced.output) if isinstance(leaf, fx.Node)]
    found = set(queue)
    while queue:
        new = [node for node in queue.pop().all_input_nodes if node not in found]
        found.update(new)
        queue += new
    return [node for node in traced.graph.nodes if node in found]


def neuron_calls(traced: Traced) -> dict[str, list[fx.Node]]:
    """The calls of each neuron in order, by its path; also those whose spikes nobody uses: they change its state."""
    found: dict[str, list[fx.Node]] = {}
    for node in traced.graph.nodes:
        if node.op == "call_module" and is_neuron(traced.root.get_submodule(str(node.target))):
            found.setdefault(str(node.target), []).append(node)
    return found


def _picked(node: fx.Node) -> tuple[fx.Node, int, int] | None:
    """(x, axis, t) of a node x[t], x[:, t], …"""
    x = node.args[0] if node.target is operator.getitem else None
    if not isinstance(x, fx.Node) or not isinstance(fake_of(x), Tensor):
        return None
    index: Any = node.args[1]
    items = index if isinstance(index, tuple) else (index,)
    axes = [axis for axis, item in enumerate(items) if isinstance(item, int)]
    if len(axes) != 1 or any(item != slice(None) for axis, item in enumerate(items) if axis != axes[0]):
        return None
    return x, axes[0], items[axes[0]] % fake_of(x).shape[axes[0]]


def _stacked(node: fx.Node) -> tuple[list[Any], int]:
    """What a node stacks, and along which new axis; nothing for other nodes."""
    if word(node) != "stack" or isinstance(node.target, str):
        return [], 0
    given = dict(zip(("tensors", "dim"), node.args, strict=False)) | dict(node.kwargs)
    return list(given["tensors"]), int(given.get("dim", 0))  # pyright: ignore[reportArgumentType]


class Loop:
    """The trace of a loop. `roll` makes it that of one timestep.

    step  by node: the step it belongs to; None: to none, it is the same in all or comes after the loop
    kind  by node: a number that it has in common with those that correspond to it in other steps
    """

    def __init__(self, traced: Traced, calls: Mapping[str, list[fx.Node]]):
        self.traced, self.calls = traced, calls
        self.steps = len(next(iter(calls.values())))
        self.numbers = {node: (path, k) for path, found in calls.items() for k, node in enumerate(found)}
        self.step: dict[fx.Node, int | None] = {}
        self.kind: dict[fx.Node, int] = {}
        self.joins: dict[fx.Node, tuple[fx.Node, int | None]] = {}  # stacks and sums: the first value, the new axis
        self._sums: dict[fx.Node, tuple[fx.Node, int]] = {}  # sums so far: the first value, how many
        self._kinds: dict[Any, int] = {}

    def roll(self) -> bool:
        """Make the trace that of one timestep. False, and nothing is changed, if the steps are not alike."""
        nodes = [node for node in self.traced.graph.nodes if node.op != "output"]
        dead = set(nodes) - set(live_nodes(self.traced))
        placed = all(self._place(node) or node in dead for node in nodes)
        alike = placed and all(self._alike(found) for found in self.calls.values())
        leaves = [leaf for leaf in pytree.tree_leaves(self.traced.output) if isinstance(leaf, fx.Node)]
        if not alike or any(self.step[leaf] is not None for leaf in leaves):
            return False
        self._rewrite(nodes)
        return True

    # --- what belongs to which step ---

    def _place(self, node: fx.Node) -> bool:
        """Find the node's step and kind; False if it reads several steps in another way than adding or stacking."""
        steps = {self.step[operand] for operand in node.all_input_nodes} - {None}
        self.step[node] = MIXED
        picked = _picked(node)
        if node in self.numbers:
            path, self.step[node] = self.numbers[node]
            self._number(node, ("neuron", path))
        elif picked is not None and not steps:
            self.step[node] = picked[2]
            self._number(node, ("picked", *picked[:2]))
        elif node.op in ("placeholder", "get_attr"):
            self.step[node] = None
            self._number(node, (node.op, self._name(node)))
        elif self._stack(node) or self._total(node):
            self.step[node] = None
            self._number(node, node)
        elif len(steps) <= 1 and MIXED not in steps:
            self.step[node] = next(iter(steps), None)
            self._number(node, (node.op, node.target, self._text(node.args), self._text(node.kwargs)))
        return self.step[node] != MIXED or node in self._sums

    def _number(self, node: fx.Node, key: Any) -> None:
        self.kind[node] = self._kinds.setdefault(key, len(self._kinds))

    def _text(self, arguments: Any) -> str:
        """Arguments in words that are the same in every step."""
        return repr(map_arg(arguments, lambda node: f"kind {self.kind[node]}"))

    def _name(self, node: fx.Node) -> str:
        """The node's name, or that of a constant that is equal."""
        tensor = self.traced.constants.get(node.name)
        if tensor is None:
            return node.name
        same = (name for name, other in self.traced.constants.items() if _equal(tensor, other))
        return next(same)

    def _stack(self, node: fx.Node) -> bool:
        values, axis = _stacked(node)
        kinds = {self.kind.get(value) for value in values if isinstance(value, fx.Node)}
        if len(kinds) != 1 or None in kinds or [self.step[value] for value in values] != list(range(self.steps)):
            return False
        self.joins[node] = (values[0], axis % len(fake_of(node).shape))
        return True

    def _total(self, node: fx.Node) -> bool:
        """Is it the sum of one value of every step? Notes sums of the first few of them."""
        if word(node) != "add" or len(node.args) != 2 or node.kwargs:
            return False
        for before, value in (node.args, node.args[::-1]):
            if not isinstance(before, fx.Node) or not isinstance(value, fx.Node):
                continue
            first, count = self._sums.get(before) or (self._after_zero(before), 1)
            if self.kind.get(value, -1) == self.kind.get(first, -2) and self.step[value] == count:
                self._sums[node] = (first, count + 1)
                if count + 1 == self.steps:
                    self.joins[node] = (first, None)
                return count + 1 == self.steps
        return False

    def _after_zero(self, node: fx.Node) -> fx.Node:
        """The value that is added to zero, or the node itself."""
        if word(node) == "add" and len(node.args) == 2 and not node.kwargs:
            for zero, value in (node.args, node.args[::-1]):
                if isinstance(value, fx.Node) and self._is_zero(zero) and fake_of(value).shape == fake_of(node).shape:
                    return value
        return node

    def _is_zero(self, operand: Any) -> bool:
        tensor = self.traced.constants.get(operand.name) if isinstance(operand, fx.Node) else None
        return not bool(tensor.any()) if tensor is not None else isinstance(operand, int | float) and operand == 0

    def _alike(self, found: list[fx.Node]) -> bool:
        """Has every call of a neuron the corresponding input, and the states of the call before?"""
        module = self.traced.root.get_submodule(str(found[0].target))
        names = given_states(found[0], module).keys()
        for k, call in enumerate(found):
            x, first, states = call.args[0], found[0].args[0], given_states(call, module)
            if not isinstance(x, fx.Node) or not isinstance(first, fx.Node) or states.keys() != names:
                return False
            if self.step[x] not in (None, k) or self.kind.get(x, -1) != self.kind.get(first, -2):
                return False
            for name, state in states.items():
                if not (self._is_zero(state) if k == 0 else state is result_part(found[k - 1], module, name)):
                    return False
        return True

    # --- the trace of one timestep ---

    def _rewrite(self, nodes: list[fx.Node]) -> None:
        graph = self.traced.graph
        for node in nodes:
            picked = _picked(node) if self.step[node] == 0 else None
            if picked is not None and node not in self.numbers:
                self._replace(node, each_step, (picked[0], picked[1]), fake_of(node))
            elif node in self.joins:
                first, axis = self.joins[node]
                one = fake_of(first)
                shape = list(one.shape)
                shape.insert(axis or 0, self.steps)
                train = self._replace(node, every_step, (first, self.steps, axis or 0), one.new_empty(shape))
                if axis is None:
                    self._replace(train, torch.sum, (train, 0), fake_of(node))
        for found in self.calls.values():
            found[0].args, found[0].kwargs = found[0].args[:1], {}
        self.traced.output = graph.output_node().args[0]
        live = set(live_nodes(self.traced))
        for node in reversed(list(graph.nodes)):
            if node not in live and node.op not in ("placeholder", "output"):
                graph.erase_node(node)

    def _replace(self, node: fx.Node, function: Any, args: Any, fake: Any) -> fx.Node:
        with self.traced.graph.inserting_after(node):
            new = self.traced.graph.create_node("call_function", function, args, {}, node.name)
        new.meta = {**node.meta, FAKE: fake, OP: word(node)}
        node.replace_all_uses_with(new, delete_user_cb=lambda user: user is not new)
        return new


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)

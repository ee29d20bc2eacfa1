"""What each node of a trace would give, computed on tensors without data; and which nodes overwrite others' values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses import FakeTensorMode
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from .spiking_classes import fake_result

FAKE = "nmc_fake"
STALE = "nmc_stale"
OP = "nmc_op"  # what a node is called in the user's model, where it has another target
REFUSAL = "nmc_refusal"  # why a node has no meaning, see `steps`


def fake_of(node: fx.Node) -> Any:
    """The node's result with tensors that have no data, but shape, dtype and device."""
    return node.meta[FAKE]


class Shapes:
    """Runs nodes one after the other on fake tensors.

    Values are overwritten by in-place operations (`nn.ReLU(inplace=True)`, `x += y`). A later reader of the old node
    is made to read the node that overwrote it; where that is not possible (it reads a view of what was overwritten),
    the reader's `meta[STALE]` says which value it is.
    """

    def __init__(self, root: nn.Module):
        self.root = root
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._latest: dict[int, fx.Node] = {}  # by id of a fake tensor: the node that wrote it last
        self._owned: list[fx.Node] = []
        self._versions: dict[fx.Node, int] = {}

    def input(self, node: fx.Node, shape: tuple[int, ...]) -> None:
        """A graph input."""
        with self.mode:
            self._note(node, torch.empty(shape))

    def constant(self, node: fx.Node, tensor: Tensor, owned: bool = True) -> None:
        """A parameter or buffer of the model, or (not `owned`) a tensor that `forward` made."""
        if owned:
            self._owned.append(node)
        self._note(node, self.mode.from_tensor(tensor))

    def overwritten_constants(self) -> list[str]:
        """Names of the model's own tensors that a node overwrote."""
        return [str(n.target) for n in self._owned if fake_of(n)._version != self._versions[n]]

    def _note(self, node: fx.Node, fake: Any) -> None:
        node.meta[FAKE] = fake
        if isinstance(fake, Tensor):
            self._latest[id(fake)] = node
            self._versions[node] = fake._version

    def _current(self, node: fx.Node, reader: fx.Node) -> fx.Node:
        fake = fake_of(node)
        if not isinstance(fake, Tensor) or fake._version == self._versions[node]:
            return node
        latest = self._latest[id(fake)]
        if fake._version != self._versions[latest]:
            reader.meta[STALE] = node.name
        return latest

    def refresh(self, node: fx.Node) -> None:
        """Make the node read what its operands hold now."""
        node.args = map_arg(node.args, lambda operand: self._current(operand, node))
        node.kwargs = map_arg(node.kwargs, lambda operand: self._current(operand, node))

    def run(self, node: fx.Node) -> Any:
        """The node's result; whatever the operation raises is raised."""
        self.refresh(node)
        args, kwargs = map_arg((node.args, node.kwargs), fake_of)
        with torch.no_grad(), self.mode:
            if node.op == "call_method":
                found = getattr(args[0], str(node.target))(*args[1:], **kwargs)
            elif node.op == "call_module":
                module = self.root.get_submodule(str(node.target))
                found = fake_result(module, args)
                found = module.forward(*args, **kwargs) if found is None else found
            else:
                assert callable(node.target)
                found = node.target(*args, **kwargs)
        self._note(node, found)
        return found


def holds_tensors(value: Any) -> bool:
    """Is there a tensor in it?"""
    return any(isinstance(leaf, Tensor) for leaf in pytree.tree_leaves(value))

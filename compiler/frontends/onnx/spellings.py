"""Activations that exporters spell with operators which nmc does not import by themselves, as one operator again.

    Where(x > t, x, Softplus(x))            is Softplus(x)
    Where(b·x > t, x, Softplus(b·x) / b)    is Softplus(b·x) / b
    x / (1 + |x|)                           is Softsign(x)

PyTorch replaces softplus by x above a threshold t (20 by default). There softplus(x) = x + log(1 + e^−x) exceeds x by
less than half of the last bit of a float32, so both are the same number.
"""

from __future__ import annotations

import math
from pathlib import Path

from onnx import GraphProto, NodeProto, helper

from ..common.problems import Refusal
from .fold import constant_node
from .read import DEFAULT_DOMAINS
from .tensors import Array, TensorProblem, read_tensor

HALF_BIT = 2.0**-25  # of a float32, relative to its value


class Spellings:
    """The nodes of one graph by the values they make, and its single numbers."""

    def __init__(self, graph: GraphProto, folder: Path):
        self._folder = folder
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._made = {name: node for node in graph.node for name in node.output[:1] if node.domain in DEFAULT_DOMAINS}

    def operands(self, name: str, op: str) -> tuple[str, ...] | None:
        """What the node that makes this value reads, if it is an `op` without attributes."""
        node = self._made.get(name)
        return tuple(node.input) if node is not None and node.op_type == op and not node.attribute else None

    def number(self, name: str) -> float | None:
        """A constant of one element, None for anything else."""
        array: Array | None = None
        try:
            if name in self._tensors and list(self._tensors[name].dims) in ([], [1]):
                array = read_tensor(self._tensors[name], self._folder)
            elif name in self._made and self._made[name].op_type == "Constant":
                array = constant_node(self._made[name], self._folder)
        except (TensorProblem, Refusal):
            return None  # whoever needs the constant reports it
        return float(array.reshape(-1)[0]) if array is not None and array.shape in ((), (1,)) else None

    def softplus(self, node: NodeProto) -> NodeProto | None:
        """The Where of a softplus with a threshold as the softplus that it chooses."""
        if len(node.input) != 3:
            return None
        condition, x, smooth = node.input
        compared = self.operands(condition, "Greater")
        if compared is None or len(compared) != 2:
            return None
        scaled, threshold = compared[0], self.number(compared[1])
        if threshold is None or threshold <= 0 or math.log1p(math.exp(-threshold)) > HALF_BIT * threshold:
            return None
        plain = scaled == x and self.operands(smooth, "Softplus") == (x,)
        if plain or self._is_scaled_softplus(smooth, x, scaled):
            return helper.make_node("Identity", [smooth], list(node.output), node.name)
        return None

    def _is_scaled_softplus(self, value: str, x: str, scaled: str) -> bool:
        """Is the value Softplus(scaled) / b, where scaled is b · x?"""
        divided, product = self.operands(value, "Div"), self.operands(scaled, "Mul")
        if divided is None or product is None or self.operands(divided[0], "Softplus") != (scaled,):
            return False
        beta = self.number(divided[1])
        others = [name for name in product if name != x]
        return beta is not None and len(others) == 1 and self.number(others[0]) == beta

    def softsign(self, node: NodeProto) -> NodeProto | None:
        """x / (1 + |x|) as Softsign(x)."""
        if len(node.input) != 2:
            return None
        x, below = node.input
        summands = self.operands(below, "Add") or ()
        sizes = [name for name in summands if self.operands(name, "Abs") == (x,)]
        ones = [name for name in summands if self.number(name) == 1.0]
        if len(sizes) != 1 or len(ones) != 1:
            return None
        return helper.make_node("Softsign", [x], list(node.output), node.name)


def restore(graph: GraphProto, folder: Path) -> list[NodeProto]:
    """The graph's nodes, each that completes such a spelling replaced. What only those needed is still among them."""
    known = Spellings(graph, folder)
    rules = {"Where": known.softplus, "Div": known.softsign}
    nodes = []
    for node in graph.node:
        rule = rules.get(node.op_type) if node.domain in DEFAULT_DOMAINS else None
        found = rule(node) if rule is not None else None
        if found is not None:
            found.metadata_props.extend(node.metadata_props)  # what the user calls the layer
        nodes.append(node if found is None else found)
    return nodes

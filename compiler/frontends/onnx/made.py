"""The nodes of one graph by the values they make, and its single numbers: what spellings are recognised by."""

from __future__ import annotations

from pathlib import Path

from onnx import GraphProto

from ..common.problems import Refusal
from .fold import constant_node
from .read import DEFAULT_DOMAINS
from .tensors import Array, TensorProblem, read_tensor

_SAME_NUMBER = ("CastLike", "Identity")


class Made:
    """Lookups in a graph."""

    def __init__(self, graph: GraphProto, folder: Path):
        self._folder = folder
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._made = {name: node for node in graph.node for name in node.output[:1] if node.domain in DEFAULT_DOMAINS}

    def operands(self, name: str, op: str) -> tuple[str, ...] | None:
        """What the node that makes this value reads, if it is an `op` without attributes."""
        node = self._made.get(name)
        return tuple(node.input) if node is not None and node.op_type == op and not node.attribute else None

    def pair(self, name: str, op: str) -> tuple[str, str]:
        """The two operands of that op; empty names if the value is made otherwise."""
        found = self.operands(name, op) or ()
        return (found[0], found[1]) if len(found) == 2 else ("", "")

    def constant(self, name: str) -> str:
        """The initializer or Constant node that the value is, seen through changes of its type; '' if it is none."""
        for _ in range(len(self._made) + 1):
            node = self._made.get(name)
            if name in self._tensors or (node is not None and node.op_type == "Constant"):
                return name
            if node is None or node.op_type not in _SAME_NUMBER or not node.input:
                return ""
            name = node.input[0]
        return ""

    def number(self, name: str) -> float | None:
        """A constant of one element, None for anything else."""
        negated = self.operands(name, "Neg")
        if negated is not None and len(negated) == 1:
            found = self._number(self.constant(negated[0]))
            return None if found is None else -found
        return self._number(self.constant(name))

    def _number(self, name: str) -> float | None:
        array: Array | None = None
        try:
            if name in self._tensors and list(self._tensors[name].dims) in ([], [1]):
                array = read_tensor(self._tensors[name], self._folder)
            elif name in self._made and self._made[name].op_type == "Constant":
                array = constant_node(self._made[name], self._folder)
        except (TensorProblem, Refusal):
            return None  # whoever needs the constant reports it
        return float(array.reshape(-1)[0]) if array is not None and array.shape in ((), (1,)) else None

"""Loads a model's constants: initializers, and Constant nodes, which are the same thing spelled otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto

from ..common.emit import is_float, is_mask, nonfinite
from ..common.names import Label
from ..common.problems import Refusal, Report
from .call import UNKNOWN, Operand
from .fold import constant_node
from .tensors import Array, TensorProblem, read_tensor

_SHOWN = 5


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


class Constants:
    """Reads tensors of one model; what cannot be read is unknown to the nodes that use it and stands in the report."""

    def __init__(self, folder: Path, report: Report):
        self._folder = folder
        self._report = report
        self._problems: dict[tuple[str, str, str, str], list[str]] = {}

    def initializers(self, graph: GraphProto, used: Iterable[str]) -> dict[str, Operand]:
        """The constants of a graph that something reads."""
        wanted = set(used)
        found: dict[str, Operand] = {t.name: self.tensor(t) for t in graph.initializer if t.name in wanted}
        for sparse in graph.sparse_initializer:
            if sparse.values.name in wanted:
                found[sparse.values.name] = UNKNOWN
                hint = "save the model with dense weights"
                self._report.add(
                    "NMC-I011", "sparse initializers are not supported", repr(sparse.values.name), hint=hint
                )
        return found

    def tensor(self, tensor: TensorProto) -> Operand:
        try:
            return self._checked(read_tensor(tensor, self._folder), f"tensor {tensor.name!r}")
        except TensorProblem as problem:
            self._problems.setdefault(problem.key, []).append(tensor.name)
            return UNKNOWN

    def node(self, node: NodeProto, label: Label) -> Operand:
        """The array of a Constant node."""
        try:
            return self._checked(constant_node(node, self._folder), label.where)
        except TensorProblem as problem:
            self._problems.setdefault(problem.key, []).append(label.node)
        except Refusal as refusal:
            self._report.refused(refusal, node.op_type, label.where)
        return UNKNOWN

    def _checked(self, array: Array, where: str) -> Operand:
        """The array unless it holds NaN or infinity. A single infinity may be a bound or a padding value, −∞ a mask."""
        if is_float(array):
            wide = array if array.dtype.kind == "f" else array.astype(np.float32)
            if (array.size == 1 and not np.isnan(wide).any()) or is_mask(wide):
                return array
        if why := nonfinite(array):
            hint = "the training diverged or the file is damaged; export the model again from good weights"
            self._report.damaged("NMC-I006", "a weight holds NaN or infinity", where, why, hint)
            return UNKNOWN
        return array

    def report_problems(self) -> None:
        """Move what could not be read to the report, one diagnostic for all tensors with the same problem."""
        for (code, what, why, hint), names in self._problems.items():
            note = self._report.add if code == "NMC-I011" else self._report.damaged
            count = f"{len(names)} tensor{'s' if len(names) > 1 else ''}"
            note(code, what, f"{count}: {_listed(names)}", why, hint)
        self._problems.clear()

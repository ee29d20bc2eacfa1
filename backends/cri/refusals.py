"""Every part of a network that the machine cannot hold, by name and all at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...compiler.diagnostics import Collector
from ...compiler.ir import Graph, Value
from ...compiler.ir.ops import Add, Concat, MaxPool, Mul
from .integerize import Integerizer, NotHeld, NotUniform, not_linear
from .trains import ACTIVATION, MOVES, POOLED, WEIGHTED

POSSIBLE = (*ACTIVATION, *MOVES, *POOLED, *WEIGHTED, Add, Concat, MaxPool, Mul)
PRODUCT = "it multiplies two values that both depend on the input"
PRODUCT_HINT = "a constant factor, or a gate of single spikes in a spiking network"


class Refusals:
    """Turns what building the integer graph raises into diagnostics NMC-C001, one for each value."""

    def __init__(self, integers: Integerizer):
        self.integers = integers
        self.problems = Collector()

    def refuse_impossible(self, graph: Graph) -> None:
        """Refuse what is neither linear nor an activation that neurons compute; trains stand in for it."""
        for node in graph.nodes:
            product = isinstance(node.op, Mul) and not any(v is not None and v.is_constant for v in node.operands)
            if product:
                self.refuse(node.result, PRODUCT, PRODUCT_HINT)
            elif not isinstance(node.op, POSSIBLE):
                problem = not_linear(node)
                self.refuse(problem.value, problem.why, problem.hint)
            else:
                continue
            self._stand_in(node.result)

    def guard(self, value: Value, function: Callable[..., None], *arguments: object) -> None:
        """Call; a part that cannot be held becomes a diagnostic, and `value` a train that stands in for it."""
        try:
            function(*arguments)
        except NotHeld as problem:
            self.refuse(problem.value, problem.why, problem.hint)
            self._stand_in(value)
        except NotUniform as problem:
            self.refuse(value, f"%{problem} would need several scales within one channel")
            self._stand_in(value)

    def refuse(self, value: Value, why: str, hint: str = "") -> None:
        what = f"target 'cri' cannot hold %{value.name}"
        if all(problem.what != what for problem in self.problems.diagnostics):
            self.problems.add("NMC-C001", what, where=", ".join(value.origin), why=why, hint=hint)

    def _stand_in(self, value: Value) -> None:
        """So that what follows a refused train is looked at too; the graph is not used."""
        stand_in = self.integers.target.add_input(value.name, value.type.with_dtype("i64"))
        self.integers.trains.setdefault(id(value), (stand_in, np.ones((1,) * value.type.rank)))

    def raise_if_any(self) -> None:
        self.problems.raise_if_any()

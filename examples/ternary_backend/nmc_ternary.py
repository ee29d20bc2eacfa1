"""A small target for nmc: a machine like Akida whose weights are −1, 0 or +1 times one factor for each filter.

It has what every target has: options, a pass of its own, a pipeline, limits refused by name, a lowering, facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmc.backends.akida.target import AkidaOptions, AkidaTarget
from nmc.compiler.diagnostics import Collector
from nmc.compiler.ir import Graph, Node
from nmc.compiler.ir.ops import Conv, Dense
from nmc.compiler.passes.base import Context, Pass, apply_rules
from nmc.runtime.program import AkidaProgram

SMALLEST, LARGEST = 0.0, 2.0


def ternary(weight: np.ndarray, threshold: float) -> np.ndarray:
    """Weights (filters, …) as factor · {−1, 0, +1}: 0 where |w| ≤ threshold · mean |w| of the filter, and the factor is
    the mean |w| of the others, which has the least squared error (Li, Zhang and Liu, 2016; they take 0.7)."""
    rows = np.abs(weight.reshape(len(weight), -1).astype(np.float64))
    kept = rows > threshold * rows.mean(axis=1, keepdims=True)
    factor = (rows * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
    return (np.sign(weight) * kept.reshape(weight.shape) * factor.reshape(-1, *[1] * (weight.ndim - 1))).astype(
        np.float32
    )


@dataclass(frozen=True)
class Ternarize(Pass):
    """w' = factor · {−1, 0, +1}, filter by filter. It changes the outputs: the network is another one."""

    name: ClassVar[str] = "ternarize"
    takes: ClassVar[tuple[str, ...]] = ("canonical",)
    preserves: ClassVar[bool] = False
    threshold: float = 0.7

    def __post_init__(self) -> None:
        if not SMALLEST <= self.threshold <= LARGEST:
            raise ValueError(f"threshold must lie between {SMALLEST:g} and {LARGEST:g}, not {self.threshold:g}")

    def run(self, graph: Graph, context: Context) -> int:
        return apply_rules(graph, context, (self._layer,))

    def _layer(self, graph: Graph, node: Node, context: Context) -> bool:
        if not isinstance(node.op, Conv | Dense):
            return False
        old = node.operand("weight")
        new = ternary(old.data, self.threshold)
        context.reports.setdefault(self.name, []).append((node.result.name, float(np.mean(new == 0))))
        if np.array_equal(new, old.data):
            return False
        weight = graph.constant(f"{old.name}.ternary", new, old.type.axes)
        graph.rewrite(node, node.op, node.x, weight, node.operand("bias"))
        return True


@dataclass(frozen=True)
class TernaryOptions:
    """Options of target ternary: `threshold` as in `Ternarize`, `inputs` the most inputs that a neuron may have."""

    threshold: float = 0.7
    inputs: int = 1024

    def __post_init__(self) -> None:
        Ternarize(self.threshold)


class TernaryTarget:
    """A made-up machine: Akida's layers with weights of three values, and a limit on a neuron's inputs."""

    name: ClassVar[str] = "ternary"
    summary: ClassVar[str] = "example of a target in a package of its own: int8 layers with weights -1, 0, +1"
    options: ClassVar[type[TernaryOptions]] = TernaryOptions
    passes: ClassVar[dict[str, str]] = {**AkidaTarget.passes, "ternarize": "nmc_ternary:Ternarize"}
    networks: ClassVar[tuple[str, ...]] = ("image",)

    def pipeline(self, options: TernaryOptions, network: str = "image") -> tuple[Pass, ...]:
        *front, windows = AkidaTarget().pipeline(AkidaOptions(), network)
        return (*front, Ternarize(options.threshold), windows)

    def lower(
        self, graph: Graph, options: TernaryOptions, context: Context, provenance: dict[str, Any]
    ) -> AkidaProgram:
        """A program of Akida layers: the runtime knows them, so files, simulators and all commands work."""
        problems = Collector()
        for node in graph.nodes:
            if isinstance(node.op, Conv | Dense) and node.operand("weight").data[0].size > options.inputs:
                what = f"a neuron of %{node.result.name} has {node.operand('weight').data[0].size:,} inputs"
                why = f"the machine takes {options.inputs:,}"
                problems.add(
                    "TERNARY-001", what, ", ".join(node.result.origin), why, "a smaller kernel, fewer channels"
                )
        problems.raise_if_any()
        return AkidaTarget().lower(graph, AkidaOptions(), context, provenance)

    def facts(self) -> dict[str, Any]:
        return {"limits": {"inputs of a neuron": TernaryOptions.inputs}}

"""Helpers for tests that state graphs as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nmc.compiler.ir import Graph, TensorType, evaluate, parse_graph
from nmc.compiler.ir.stages import verify
from nmc.compiler.passes.base import Context, Pass

Arrays = Mapping[str, np.ndarray[Any, Any]]


def graph_of(body: str, constants: Arrays | None = None, stage: str = "imported") -> Graph:
    """A graph from input, node and output lines; the constants are declared by name."""
    constants = constants or {}
    declared = [f"const @{name}: {TensorType.of(np.asarray(data))}" for name, data in constants.items()]
    return parse_graph("\n".join([f'graph "test" stage {stage}', *declared, body]), constants)


def skeleton(graph: Graph) -> str:
    """The nodes with their operands, without attributes and types, then what is returned."""

    def name(value: Any) -> str:
        return "none" if value is None else ("@" if value.is_constant else "%") + value.name

    lines = [f"{name(n.result)} = {n.op.mnemonic}({', '.join(map(name, n.operands))})" for n in graph.nodes]
    return "\n".join([*lines, "return " + ", ".join(map(name, graph.outputs.values()))])


def random_inputs(graph: Graph, samples: int = 3, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {v.name: rng.normal(size=(samples, *v.type.shape[1:])) for v in graph.inputs}


def check_pass(step: Pass, graph: Graph, after: str | None, rewrites: int | None = None) -> tuple[Graph, Context]:
    """Run the pass; compare the skeleton and the numbers, and verify what it leaves. `after` None means unchanged."""
    context = Context()
    before, inputs = skeleton(graph), random_inputs(graph)
    expected = evaluate(graph, inputs)
    count = step.run(graph, context)
    graph.stage = step.gives or graph.stage
    verify(graph)
    step.ensures(graph)
    assert skeleton(graph) == (before if after is None else after)
    if rewrites is not None:
        assert count == rewrites
    found = evaluate(graph, inputs)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-6, atol=2e-6 * max(1.0, float(np.abs(array).max())))
    return graph, context

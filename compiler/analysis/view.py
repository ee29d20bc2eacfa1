"""Graphs as networkx graphs, for algorithms and drawing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..ir import Graph

if TYPE_CHECKING:
    import networkx as nx


def to_networkx(graph: Graph) -> nx.MultiDiGraph[str]:
    """One node per input, op and output (`output NAME`), under the value's name; one edge per use, with its `type`.

    Nodes carry `kind` (mnemonic, "input" or "output") and `origin`; edges carry `operand`, the position at the reader.
    """
    import networkx as nx

    view: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=graph.name, stage=graph.stage)
    for value in graph.inputs:
        view.add_node(value.name, kind="input", origin=value.origin)
    for node in graph.nodes:
        view.add_node(node.result.name, kind=node.op.mnemonic, origin=node.result.origin)
        for index, value in enumerate(node.operands):
            if value is not None and not value.is_constant:
                view.add_edge(value.name, node.result.name, operand=index, type=str(value.type))
    for name, value in graph.outputs.items():
        view.add_node(f"output {name}", kind="output", origin=(name,))
        if not value.is_constant:
            view.add_edge(value.name, f"output {name}", operand=0, type=str(value.type))
    return view


def to_dot(graph: Graph) -> str:
    """The graph in Graphviz's DOT language."""
    view = to_networkx(graph)
    lines = [f"digraph {json.dumps(graph.name)} {{"]
    for name, data in view.nodes(data=True):
        lines.append(f"  {json.dumps(name)} [shape=box, label={json.dumps(name + chr(10) + data['kind'])}];")
    for source, target, data in view.edges(data=True):
        lines.append(f"  {json.dumps(source)} -> {json.dumps(target)} [label={json.dumps(data['type'])}];")
    return "\n".join([*lines, "}"]) + "\n"

"""A graph as an HTML table, which notebooks show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runtime.program.html_table import closed, html_table, preformatted

if TYPE_CHECKING:
    from .graph import Graph

LONGEST = 200_000  # characters of the text form


def graph_table(graph: Graph) -> str:
    """A row for each node with what it reads, inputs and outputs, and on a click the text form."""
    rows = [
        (
            f"%{node.result.name}",
            node.op.mnemonic,
            ", ".join(f"%{value.name}" for value in node.operands if value is not None and not value.is_constant),
            sum(value.type.elements for value in node.operands if value is not None and value.is_constant),
            str(node.result.type),
            ", ".join(node.result.origin),
        )
        for node in graph.nodes
    ]
    title = f'Graph "{graph.name}", stage {graph.stage}: {len(rows):,} nodes, {sum(row[3] for row in rows):,} constants'
    columns = ("value", "op", "reads", "constants", "type", "origin")
    ends: list[tuple[object, ...]] = [("input", value.name, str(value.type), "") for value in graph.inputs]
    ends += [("state", v.name, str(v.type), f"%{last.name}, a step before") for v, last in graph.feedback.items()]
    ends += [("output", name, str(value.type), f"%{value.name}") for name, value in graph.outputs.items()]
    text = str(graph)
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST:,} more characters"
    whole = closed("Text form", preformatted(cut))
    return html_table(title, columns, rows) + html_table("Inputs and outputs", ("", "name", "type", "is"), ends) + whole

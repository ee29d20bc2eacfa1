"""The float network that a program was made from as boxes and arrows, and which of them became which layer."""

from __future__ import annotations

from typing import Any

from ...compiler.ir import Graph
from ...runtime.program import Program
from ..verification.source import is_source
from .network import MOST, Drawing, shape_text

Facts = dict[str, Any]


def model_of(name: str, graph: Graph, program: Program, drawn: Facts | None) -> Facts:
    """What the page shows of the imported network `graph` of the file `name`, beside the drawn network of a program.

    `same` says whether the program was made from it. `network` has `boxes` and `arrows` as `network.network`, and is
    None where there are more boxes than are drawn, or the program's are not drawn; `links` are pairs (float box, box of
    the program) of what has the same origin or name.
    """
    found: Facts = {"name": name, "same": is_source(program, graph), "operations": len(graph.nodes)}
    boxes = len(graph.nodes) + len(graph.inputs) + len(graph.feedback) + len(graph.outputs)
    if drawn is None or boxes > MOST:
        return {**found, "network": None, "links": []}
    network = _network(graph)
    return {**found, "network": network, "links": _links(network["boxes"], drawn["boxes"])}


def _network(graph: Graph) -> Facts:
    drawing = Drawing()
    keys = {value: ("input", value.name) for value in graph.inputs}
    keys |= {value: ("state", value.name) for value in graph.feedback}
    for value, key in keys.items():
        group = "input" if key[0] == "input" else "device"
        drawing.box(key, value.name, key[0], shape_text(value.type.shape), group, origin=value.origin)
    for node in graph.nodes:
        value = node.result
        keys[value] = "layer", value.name
        text = shape_text(value.type.shape)
        drawing.box(keys[value], value.name, node.op.mnemonic, text, "device", origin=(value.name, *value.origin))
        for operand in node.operands:
            if operand is not None and operand in keys:
                drawing.arrow(keys[operand], keys[value])
    for state, value in graph.feedback.items():
        if value in keys:
            drawing.arrow(keys[value], keys[state], "the value of the step before")
    for name, value in graph.outputs.items():
        drawing.box(("output", name), name, "output", shape_text(value.type.shape), "output")
        if value in keys:
            drawing.arrow(keys[value], ("output", name))
    return drawing.facts()


def _links(floats: list[Facts], boxes: list[Facts]) -> list[list[int]]:
    """Inputs and outputs by their names, operations by what the layers say they come from."""
    found: list[list[int]] = []
    ends = {(box["group"], box["title"]): j for j, box in enumerate(boxes) if box["group"] in ("input", "output")}
    of_origin: dict[str, list[int]] = {}
    for j, box in enumerate(boxes):
        for name in box["origin"]:
            of_origin.setdefault(name, []).append(j)
    for i, box in enumerate(floats):
        end = ends.get((box["group"], box["title"]))
        if box["group"] in ("input", "output"):
            found += [] if end is None else [[i, end]]
        else:
            found += [[i, j] for j in sorted({j for name in box["origin"] for j in of_origin.get(name, [])})]
    return found

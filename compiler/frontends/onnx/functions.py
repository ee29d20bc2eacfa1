"""Model-local functions are expanded where they are called, so that later steps see plain operators only."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import ModelProto, NodeProto

from ...diagnostics import unsupported
from .wiring import graphs_in

MAX_NODES = 200_000
Key = tuple[str, str, str]


def _all_nodes(nodes: Iterable[NodeProto]) -> Iterable[NodeProto]:
    for node in nodes:
        yield node
        for graph in graphs_in(node):
            yield from _all_nodes(graph.node)


def _calls(nodes: Iterable[NodeProto], known: set[Key]) -> list[Key]:
    keys = ((node.domain, node.op_type, node.overload) for node in _all_nodes(nodes))
    return [key for key in keys if key in known]


def _sizes(model: ModelProto) -> dict[Key, int]:
    """Number of nodes each function expands to; ValueError if functions call one another in a circle."""
    bodies = {(f.domain, f.name, f.overload): f for f in model.functions}
    calls = {key: _calls(f.node, set(bodies)) for key, f in bodies.items()}
    sizes: dict[Key, int] = {}
    while len(sizes) < len(bodies):
        ready = [key for key in bodies if key not in sizes and all(called in sizes for called in calls[key])]
        if not ready:
            names = sorted(key[1] for key in bodies if key not in sizes)
            raise ValueError(f"the functions {', '.join(names)} call one another in a circle")
        for key in ready:
            own = sum(1 for _ in _all_nodes(bodies[key].node))
            sizes[key] = own + sum(sizes[called] for called in calls[key])
    return sizes


def expand_functions(model: ModelProto, where: str) -> ModelProto:
    """The model without model-local functions. NmcError if they cannot be expanded."""
    if not model.functions:
        return model
    try:
        sizes = _sizes(model)
        total = sum(sizes[key] for key in _calls(model.graph.node, set(sizes)))
        if total > MAX_NODES:
            raise ValueError(f"they expand to {total} nodes, more than {MAX_NODES}")
        from onnx import inliner

        expanded = inliner.inline_local_functions(model)
    except Exception as error:  # the inliner is native code with error types of its own
        names = ", ".join(sorted({function.name for function in model.functions})[:8])
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "export the model without local functions, or inline them with onnx.inliner"
        what = f"the model's local functions ({names}) cannot be expanded"
        raise unsupported("NMC-I010", what, where, why, hint) from None
    return expanded

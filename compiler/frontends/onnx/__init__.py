"""ONNX front end: a file becomes a graph in stage `imported`, or one error that lists everything in the way.

read       file → checked protobuf, model-local functions expanded
tensors    protobuf tensors and external data → arrays
wiring     execution order of the nodes that the outputs need
inputs     shapes of the graph inputs; axes: the letters of their axes
stateful   memories that a stream model takes and gives → causal padding, or state of a frame graph
importer   walks the nodes: constants are folded (fold), other ops go to their handler (handlers)
names      what the user calls each layer
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...ir import Graph
from ..common.imported import Imported

__all__ = ["import_onnx", "import_with_notes"]


def import_onnx(
    path: str | Path,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    states: Mapping[str, str] | None = None,
) -> Graph:
    """The network of an ONNX file as a verified graph in stage `imported`.

    `input_shapes` gives whole shapes (with N = 1) by input name, for inputs whose dimensions the file leaves open.
    `states` names memories that the model takes and gives: input by input, the output that holds its next value. FIFOs
    are found without it.
    NmcError with all diagnostics at once if the file cannot be read, or holds something nmc does not import.
    """
    return import_with_notes(path, input_shapes, states).graph


def import_with_notes(
    path: str | Path,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    states: Mapping[str, str] | None = None,
) -> Imported:
    """The same, with sentences for the user about what was converted."""
    from ...ir.ops import FakeQuantize
    from ...ir.stages import verify
    from .class_names import class_names
    from .importer import Importer
    from .read import read_model
    from .stateful import take_states

    model = read_model(Path(path))
    importer = Importer(model, Path(path), input_shapes or {})
    graph, notes = take_states(importer.run(), states or {})
    quantizers = any(isinstance(node.op, FakeQuantize) for node in graph.nodes)
    graph.integer_weights = importer.model.integer_weights and not quantizers
    verify(graph)
    options = {"states": dict(states)} if states else {}
    return Imported(graph, (*importer.model.notes, *notes), options, class_names(model))

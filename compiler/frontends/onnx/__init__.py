"""ONNX front end: a file becomes a graph in stage `imported`, or one error that lists everything in the way.

read       file → checked protobuf, model-local functions expanded
tensors    protobuf tensors and external data → arrays
wiring     execution order of the nodes that the outputs need
inputs     shapes of the graph inputs; axes: the letters of their axes
importer   walks the nodes: constants are folded (fold), other ops go to their handler (handlers)
names      what the user calls each layer
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...ir import Graph

__all__ = ["import_onnx"]


def import_onnx(path: str | Path, input_shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """The network of an ONNX file as a verified graph in stage `imported`.

    `input_shapes` gives whole shapes (with N = 1) by input name, for inputs whose dimensions the file leaves open.
    NmcError with all diagnostics at once if the file cannot be read, or holds something nmc does not import.
    """
    from .importer import Importer
    from .read import read_model

    model = read_model(Path(path))
    return Importer(model, Path(path), input_shapes or {}).run()

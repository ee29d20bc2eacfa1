"""Front ends: files of networks become graphs in stage `imported`. Found by the file's ending."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..diagnostics import bad_file
from ..ir import Graph

Shapes = Mapping[str, tuple[int, ...]]


def read_model(path: Path, input_shapes: Shapes | None = None) -> Graph:
    """The graph of a model file: `.onnx`, or `.ir` (the text form, as --dump-ir and reproducers write it).

    `input_shapes` gives (or overrides) the shapes of inputs by name. NmcError if the file cannot be read or holds
    something unsupported: all problems at once.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        from .onnx import import_onnx

        return import_onnx(path, input_shapes)
    if suffix == ".ir":
        from .ir_text import read_graph

        return read_graph(path)
    raise bad_file(
        "NMC-I020",
        f"cannot tell what kind of model {path.name!r} is",
        where=str(path),
        why=f"its ending {suffix!r} is none of .onnx, .ir" if suffix else "it has no ending",
        hint="export the network to ONNX and name the file model.onnx",
    )

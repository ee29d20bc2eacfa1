"""Reads graphs in the text form from files, with the constants that lie beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ..diagnostics import bad_file
from ..ir import Graph, IllegalOp, parse_graph
from ..ir.stages import verify
from ..ir.text import TextError


def read_graph(path: Path) -> Graph:
    """The verified graph of an `.ir` file; its large constants are looked up in `constants/*.safetensors` beside it."""
    bank: dict[str, np.ndarray] = {}
    try:
        for file in sorted((path.parent / "constants").glob("*.safetensors")):
            bank |= load_file(file)
        graph = parse_graph(path.read_text(encoding="utf-8"), bank)
        verify(graph)
    except OSError as error:
        raise bad_file("NMC-I001", "cannot read the graph", where=str(path), why=error.strerror or str(error)) from None
    except (TextError, IllegalOp, KeyError, UnicodeDecodeError, SafetensorError) as error:
        raise bad_file("NMC-I002", "the file is not a graph in text form", where=str(path), why=str(error)) from None
    return graph

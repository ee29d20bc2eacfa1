"""What a front end hands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...ir import Graph


@dataclass(frozen=True)
class Imported:
    """A verified graph in stage `imported`, sentences for the user about what was converted on the way, and, where the
    user chose how to read the model, those `options` for the program's provenance. `classes` are the names of classes
    that the model's file has, () where it has none."""

    graph: Graph
    notes: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] = ()

"""What a front end hands on."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import Graph


@dataclass(frozen=True)
class Imported:
    """A verified graph in stage `imported`, and sentences for the user about what was converted on the way."""

    graph: Graph
    notes: tuple[str, ...] = ()

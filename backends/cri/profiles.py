"""One integer network for every build of the machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

from ...compiler.diagnostics import Diagnostic, NmcError
from ...compiler.ir import Graph
from ...compiler.passes.base import Context
from ...runtime.program.cri import CriProgram
from .target import PROFILES, CriOptions, CriTarget


def lower_for_profiles(
    graph: Graph, options: CriOptions, provenance: dict[str, Any], names: Collection[str] = tuple(PROFILES)
) -> Iterator[tuple[str, CriProgram | list[Diagnostic]]]:
    """Profiles with the program of a graph in stage `quantized`, or why there is none.

    First comes the profile of the options, then the others among `names`. A program is made when it is asked for: large
    networks have large tables.
    """
    for name in (options.profile, *(name for name in PROFILES if name in names and name != options.profile)):
        chosen = {**provenance, "options": {**provenance.get("options", {}), "profile": name}}
        try:
            program = CriTarget().lower(graph, replace(options, profile=name), Context(), chosen)
        except NmcError as error:
            yield name, error.diagnostics
        else:
            yield name, program

"""What `compile` and `inspect` show of a program: one view a target."""

from __future__ import annotations

from typing import Any, Protocol

from ...runtime.program import CriProgram, HybridProgram, Program
from .akida import AkidaView
from .cri import CriView
from .hybrid import HybridView


class View(Protocol):
    """A program as rows and sentences."""

    def summary(self) -> dict[str, Any]:
        """Target, profile where there is one, and counts by name."""
        ...

    def inputs(self) -> list[str]:
        """A sentence for each input."""
        ...

    def layers(self) -> list[dict[str, Any]]:
        """A row for each layer, with equal keys."""
        ...

    def notes(self) -> list[str]:
        """Sentences behind the layer table."""
        ...

    def schedule(self) -> list[dict[str, Any]]:
        """What the host does when, a row each; empty where it does nothing."""
        ...

    def memory(self) -> list[dict[str, Any]]:
        """How synapses fill a core's memory, a row for each group of sources; empty where there are none."""
        ...

    def outputs(self) -> list[dict[str, Any]]:
        """A record for each output."""
        ...


def view_of(program: Program) -> View:
    """The view for the program's target."""
    if isinstance(program, HybridProgram):
        return HybridView(program)
    return CriView(program) if isinstance(program, CriProgram) else AkidaView(program)


def counts(summary: dict[str, Any]) -> str:
    """The numbers of a summary in words: 2,538 neurons, 524 axons, …"""
    return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in summary.items() if isinstance(value, int))

"""Programs as small HTML tables, which notebooks show."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .akida_shapes import signals
from .hybrid import DeviceSegment, HybridProgram

if TYPE_CHECKING:
    from .akida import AkidaProgram
    from .cri import CriProgram

SHOWN = 50
"""Rows of a table at most; below it stands how many more there are."""


def akida_table(program: AkidaProgram) -> str:
    """A row for each layer."""
    made = signals(program)
    rows = [
        (layer.name, layer.kind, _shape(made[layer.name].shape), ", ".join(layer.inbounds)) for layer in program.layers
    ]
    return _table(f"Akida program: {len(rows):,} layers", ("layer", "kind", "output", "reads"), rows)


def cri_table(program: CriProgram) -> str:
    """A row for each population."""
    rows = [(p.name, p.kind, _shape(p.shape), f"{p.size:,}") for p in program.populations]
    synapses = program.axons.synapses + program.neurons.synapses
    title = f"CRI program, profile {program.profile.name}: {len(program.neuron_model):,} neurons, "
    title += f"{program.axons.sources:,} axons, {synapses:,} synapses, {program.steps:,} timesteps"
    return _table(title, ("population", "kind", "shape", "neurons"), rows)


def hybrid_table(program: HybridProgram) -> str:
    """A row for each segment."""
    rows = [
        (s.name, "device" if isinstance(s, DeviceSegment) else "host", ", ".join(s.reads), ", ".join(s.gives))
        for s in program.segments
    ]
    title = f"Program with host segments for {program.device}: {len(rows):,} segments"
    return _table(title, ("segment", "runs on", "reads", "gives"), rows)


def _shape(shape: Iterable[int]) -> str:
    return "×".join(map(str, shape))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = ["<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows[:SHOWN]]
    more = f"<p>… {len(rows) - SHOWN:,} more</p>" if len(rows) > SHOWN else ""
    caption = f"<caption>{html.escape(title)}</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"

"""Programs as small HTML tables, which notebooks show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .akida_shapes import signals
from .html_table import closed, html_table, preformatted, shape_text
from .hybrid import DeviceSegment, HybridProgram

if TYPE_CHECKING:
    from .akida import AkidaProgram
    from .container import Program
    from .cri import CriProgram

Row = tuple[object, ...]


def akida_table(program: AkidaProgram) -> str:
    """A row for each layer, then inputs and outputs."""
    made = signals(program)
    rows = [
        (
            layer.name,
            layer.kind,
            shape_text(made[layer.name].shape),
            layer.variables["weights"].size if "weights" in layer.variables else 0,
            layer.parameters.get("fifo_size", 0),
            ", ".join(layer.inbounds),
            ", ".join(layer.origin),
        )
        for layer in program.layers
    ]
    title = f"Akida program: {len(rows):,} layers, {sum(row[3] for row in rows):,} weights"
    columns = ("layer", "kind", "output", "weights", "FIFO", "reads", "origin")
    return html_table(title, columns, rows) + _ends(program, _late(program), "latency in frames")


def cri_table(program: CriProgram) -> str:
    """A row for each population, then inputs and outputs."""
    rows = [
        (p.name, p.kind, shape_text(p.shape), p.size, f"{p.window[0]} to {p.window[1]}", ", ".join(p.origin))
        for p in program.populations
    ]
    synapses = program.axons.synapses + program.neurons.synapses
    title = f"CRI program, profile {program.profile.name}: {len(program.neuron_model):,} neurons, "
    title += f"{program.axons.sources:,} axons, {synapses:,} synapses, {program.steps:,} timesteps"
    outputs = [("output", r.name, shape_text(r.shape), r.kind) for r in program.readouts]
    columns = ("population", "kind", "shape", "neurons", "timesteps", "origin")
    return html_table(title, columns, rows) + _ends(program, outputs, "read as")


def hybrid_table(program: HybridProgram) -> str:
    """A row for each segment, then inputs and outputs."""
    rows = [_segment(segment) for segment in program.segments]
    title = f"Program with host segments for {program.device}: {len(rows):,} segments"
    columns = ("segment", "runs on", "layers or operations", "reads", "gives")
    return html_table(title, columns, rows) + _ends(program, _late(program), "latency in frames")


def _segment(segment: Any) -> Row:
    device = isinstance(segment, DeviceSegment)
    count = len(segment.program.layers) if device else len(segment.ops)
    return (segment.name, "device" if device else "host", count, ", ".join(segment.reads), ", ".join(segment.gives))


def _late(program: AkidaProgram | HybridProgram) -> list[Row]:
    """Outputs, and how many frames late they are."""
    clip = program.clip_length
    return [("output", o.name, shape_text(o.shape), f"{o.timing.latency(clip)}") for o in program.outputs]


def _ends(program: Program, outputs: Sequence[Row], says: str) -> str:
    """Inputs and outputs, and on a click where the program came from."""
    inputs: Iterable[Row] = (("input", entry.name, shape_text(entry.shape), "") for entry in program.inputs)
    ends = html_table("Inputs and outputs", ("", "name", "shape", says), [*inputs, *outputs])
    facts = {**({"task": program.task.facts()} if program.task.facts() else {}), **program.provenance}
    made = json.dumps(facts, indent=2, ensure_ascii=False, default=str)
    return ends + (closed("Provenance", preformatted(made)) if facts else "")

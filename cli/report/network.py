"""A program as boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...runtime.program import AkidaProgram, CriProgram, Program
from ...runtime.program.akida_shapes import signals
from ...runtime.program.hybrid import HostSegment, HybridProgram

MOST = 1000
"""A drawing with more boxes than this helps nobody."""

Facts = dict[str, Any]


class Drawing:
    """Boxes that are found by a key, in the order in which they came, and arrows between them."""

    def __init__(self) -> None:
        self.boxes: list[Facts] = []
        self.arrows: list[Facts] = []
        self._index: dict[tuple[str, str], int] = {}

    def box(
        self,
        key: tuple[str, str],
        title: str,
        kind: str,
        text: str,
        group: str,
        layer: str | None = None,
        origin: Iterable[str] = (),
    ) -> None:
        self._index[key] = len(self.boxes)
        about = {"title": title, "kind": kind, "text": text, "group": group}
        self.boxes.append({**about, "layer": layer, "origin": list(dict.fromkeys(origin))})

    def arrow(self, source: tuple[str, str], target: tuple[str, str], text: str = "") -> None:
        self.arrows.append({"from": self._index[source], "to": self._index[target], "text": text})

    def facts(self) -> Facts:
        return {"boxes": self.boxes, "arrows": self.arrows}


def network(program: Program, connections: Mapping[tuple[str, str, str], int]) -> Facts:
    """`boxes` {title, kind, text, group, layer, origin} and `arrows` {from, to, text} between them by index.

    group is input, device, host or output; `layer` the name in the layer table, None where it is in none; `origin` the
    names of what it was in the model. `connections` are those of `weights.cri_weights`, for a CRI program.
    """
    drawing = Drawing()
    if isinstance(program, CriProgram):
        _cri(drawing, program, connections)
    elif isinstance(program, HybridProgram):
        _hybrid(drawing, program)
    else:
        for entry in program.inputs:
            drawing.box(("input", entry.name), entry.name, "input", shape_text(entry.shape), "input")
        _layers(drawing, program, "")
        for entry in program.inputs:
            drawing.arrow(("input", entry.name), ("layer", entry.layer))
        for output in program.outputs:
            drawing.box(("output", output.name), output.name, "output", shape_text(output.shape), "output")
            drawing.arrow(("layer", output.layer), ("output", output.name))
    return drawing.facts()


def _layers(drawing: Drawing, program: AkidaProgram, prefix: str) -> None:
    made = signals(program)
    for layer in program.layers:
        signal = made[layer.name]
        text = (
            f"{shape_text(signal.shape)}, {signal.bits} bits" if signal.bits else f"{shape_text(signal.shape)}, float"
        )
        fifo = layer.parameters.get("fifo_size", 0)
        text += f", FIFO {fifo}" if fifo else ""
        name = prefix + layer.name
        drawing.box(("layer", name), name, layer.kind, text, "device", name, (layer.name, *layer.origin))
    for layer in program.layers:
        for read in layer.inbounds:
            drawing.arrow(("layer", prefix + read), ("layer", prefix + layer.name))


def _hybrid(drawing: Drawing, program: HybridProgram) -> None:
    """Layers of device segments one by one, a host segment as one box."""
    givers: dict[str, tuple[str, str]] = {}
    for entry in program.inputs:
        drawing.box(("input", entry.name), entry.name, "input", shape_text(entry.shape), "input")
        givers[entry.name] = ("input", entry.name)
    for segment in program.segments:
        if isinstance(segment, HostSegment):
            key = ("host", segment.name)
            ops = ", ".join(dict.fromkeys(op.op for op in segment.ops))
            origin = [name for op in segment.ops for name in (op.name, *op.origin)]
            drawing.box(key, segment.name, "on the host", ops, "host", origin=origin)
            for value in segment.reads:
                drawing.arrow(givers[value], key, value)
            givers.update(dict.fromkeys(segment.gives, key))
            continue
        prefix = f"{segment.name}/"
        _layers(drawing, segment.program, prefix)
        for entry in segment.program.inputs:
            drawing.arrow(givers[entry.name], ("layer", prefix + entry.layer), entry.name)
        givers.update({output.name: ("layer", prefix + output.layer) for output in segment.program.outputs})
    for output in program.outputs:
        drawing.box(("output", output.name), output.name, "output", shape_text(output.shape), "output")
        drawing.arrow(givers[output.value], ("output", output.name), output.value)


def _cri(drawing: Drawing, program: CriProgram, connections: Mapping[tuple[str, str, str], int]) -> None:
    for entry in program.inputs:
        drawing.box(("input", entry.name), entry.name, "input", f"{entry.axons:,} axons", "input")
    for p in program.populations:
        text = f"{p.size:,} neurons {shape_text(p.shape)}"
        drawing.box(("layer", p.name), p.name, p.kind, text, "device", p.name, (p.name, *p.origin))
    for (kind, source, target), count in connections.items():
        drawing.arrow((kind, source), ("layer", target), f"{count:,} synapses")
    for readout in program.readouts:
        key = ("output", readout.name)
        drawing.box(key, readout.name, "output", f"{readout.kind} {shape_text(readout.shape)}", "output")
        for p in program.populations:
            if ((readout.neuron >= p.first) & (readout.neuron < p.stop)).any():
                drawing.arrow(("layer", p.name), key)


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as it stands in boxes: 3×16×16."""
    return "×".join(map(str, shape)) or "scalar"

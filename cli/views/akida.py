"""An Akida program as rows and sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...runtime.program.akida import AkidaProgram
from ...runtime.program.akida_shapes import Signal, hosted, macs, signals


class AkidaView:
    """Layers of an Akida program."""

    def __init__(self, program: AkidaProgram):
        self.program = program

    def summary(self) -> dict[str, Any]:
        program = self.program
        return {
            "target": program.target,
            "layers": len(program.layers),
            "weights": sum(v.size for layer in program.layers for n, v in layer.variables.items() if n == "weights"),
            "frames a sample": program.clip_length,
        }

    def inputs(self) -> list[str]:
        return [
            f"input {entry.name} {entry.shape}: {entry.bits} bits, code = round(x / {entry.scale:.6g}) + "
            f"{entry.zero_point}, to layer {entry.layer}"
            for entry in self.program.inputs
        ]

    def layers(self) -> list[dict[str, Any]]:
        """One row per layer: type, shapes, weights, FIFO bytes (one a value) and products per frame."""
        made: dict[str, Signal] = signals(self.program)
        rows = []
        for layer in self.program.layers:
            given = made[layer.inbounds[0]] if layer.inbounds else hosted(layer)
            weights = layer.variables.get("weights")
            x, y, c = given.shape
            rows.append(
                {
                    "layer": layer.name,
                    "kind": layer.kind,
                    "input": list(given.shape),
                    "output": list(made[layer.name].shape),
                    "weights": [] if weights is None else list(weights.shape),
                    "fifo bytes": x * y * c * layer.parameters.get("fifo_size", 0),
                    "MACs": macs(layer, given.shape),
                    "reads": list(layer.inbounds),
                    "origin": list(layer.origin),
                }
            )
        return rows

    def notes(self) -> list[str]:
        clip = self.program.clip_length
        return [
            f"output {o.name} {o.shape}: from layer {o.layer}, latency {o.timing.latency(clip)} frames"
            for o in self.program.outputs
        ]

    def schedule(self) -> list[dict[str, Any]]:
        return []

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {"output": o.name, "layer": o.layer, "shape": list(o.shape), "timing": asdict(o.timing)}
            for o in self.program.outputs
        ]

"""An Akida program as rows and sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ...runtime.program.akida import AkidaProgram
from ...runtime.program.akida_shapes import Signal, hosted, macs, signals


def _scales(proof: dict[str, Any]) -> str | None:
    """Where a layer's scale comes from; of one of the model, how many of its steps are one of the program."""
    ratio = proof.get("step_ratio")
    return proof.get("scales") if ratio is None or ratio == 1 else f"model ×{ratio:.4g}"


def _kept(proof: dict[str, Any]) -> str | None:
    """How many filters kept the integers of a quantized model."""
    return f"{proof['kept_filters']} of {proof['filters']}" if "kept_filters" in proof else None


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
            "lowest own dB": min((snr for snr, _ in self._own()), default=None),
        }

    def inputs(self) -> list[str]:
        return [
            f"input {entry.name} {entry.shape}: {entry.bits} bits, code = round(x / {entry.scale:.6g}) + "
            f"{entry.zero_point}, to layer {entry.layer}"
            for entry in self.program.inputs
        ]

    def layers(self) -> list[dict[str, Any]]:
        """One row per layer: type, shapes, weights, parameters (weights and biases), FIFO bytes (one a value), products
        per frame, the signal-to-noise ratios that the compiler measured (docs/akida_compile.md), and where the scales
        and weights of a quantized model come from (docs/quantized_models.md), None if it did not say."""
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
                    "parameters": sum(layer.variables[n].size for n in ("weights", "bias") if n in layer.variables),
                    "FIFO B": x * y * c * layer.parameters.get("fifo_size", 0),
                    "MACs": macs(layer, given.shape),
                    "SNR dB": layer.proof.get("snr_db"),
                    "own dB": layer.proof.get("own_snr_db"),
                    "scales": _scales(layer.proof),
                    "weights kept": _kept(layer.proof),
                    "reads": list(layer.inbounds),
                    "origin": list(layer.origin),
                }
            )
        return rows

    def notes(self) -> list[str]:
        clip, own = self.program.clip_length, self._own()
        noise = [f"lowest own SNR of a layer: {min(own)[0]} dB, {min(own)[1]}"] if own else []
        return noise + [
            f"output {o.name} {o.shape}: from layer {o.layer}, latency {o.timing.latency(clip)} frames"
            for o in self.program.outputs
        ]

    def _own(self) -> list[tuple[float, str]]:
        """What the compiler measured of the noise that each layer adds: (dB, layer)."""
        found = ((layer.proof.get("own_snr_db"), layer.name) for layer in self.program.layers)
        return [(snr, name) for snr, name in found if isinstance(snr, int | float)]

    def schedule(self) -> list[dict[str, Any]]:
        return []

    def memory(self) -> list[dict[str, Any]]:
        return []

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {"output": o.name, "layer": o.layer, "shape": list(o.shape), "timing": asdict(o.timing)}
            for o in self.program.outputs
        ]

"""A CRI program as rows and sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ...runtime.program import CriProgram


class CriView:
    """Populations, synapses and schedule of a CRI program."""

    def __init__(self, program: CriProgram):
        self.program = program

    def summary(self) -> dict[str, Any]:
        program = self.program
        return {
            "target": program.target,
            "profile": program.profile.name,
            "neurons": len(program.neuron_model),
            "axons": program.axons.sources,
            "synapses": program.axons.synapses + program.neurons.synapses,
            "timesteps": program.steps,
        }

    def inputs(self) -> list[str]:
        return [
            f"input {entry.name} {entry.shape}: {entry.bits} bit planes, code = round(x / {entry.scale:.6g}) + "
            f"{entry.zero_point}, axons {entry.first} to {entry.first + entry.axons - 1} in {_steps(entry.steps)}"
            for entry in self.program.inputs
        ]

    def layers(self) -> list[dict[str, Any]]:
        """One row per population, with the synapses that arrive there from inputs, neurons and control axons."""
        program = self.program
        inputs = sum(entry.axons for entry in program.inputs)
        edges = [0, *(p.stop for p in program.populations)]
        control = np.repeat(np.arange(program.axons.sources), np.diff(program.axons.indptr)) >= inputs
        arriving = {
            "from inputs": program.axons.target[~control],
            "from neurons": program.neurons.target,
            "from control": program.axons.target[control],
        }
        found = {name: np.histogram(targets, edges)[0].tolist() for name, targets in arriving.items()}
        return [
            {
                "layer": p.name,
                "kind": p.kind,
                "shape": list(p.shape),
                "neurons": p.size,
                "levels": p.levels,
                "window": list(p.window),
                **{name: column[i] for name, column in found.items()},
                "origin": list(p.origin),
            }
            for i, p in enumerate(program.populations)
        ]

    def notes(self) -> list[str]:
        models = [
            f"neuron model: code {m.code}, threshold {m.threshold}, leak {m.leak}, shift {m.shift}"
            for m in self.program.models
        ]
        return models + [f"output {r.name} {r.shape}: read as {r.kind}" for r in self.program.readouts]

    def schedule(self) -> list[dict[str, Any]]:
        return [asdict(phase) for phase in self.program.schedule]

    def outputs(self) -> list[dict[str, Any]]:
        return [{"output": r.name, "kind": r.kind, "shape": list(r.shape)} for r in self.program.readouts]


def _steps(steps: range) -> str:
    """The timesteps in words."""
    if len(steps) < 2:
        return f"timestep {steps.start}"
    return f"timesteps {steps[0]} to {steps[-1]}" + (f", every {steps.step}" if steps.step > 1 else "")

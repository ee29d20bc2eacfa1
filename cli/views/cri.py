"""A CRI program as rows and sentences."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...runtime.program import CriProgram, Readout
from ...runtime.program.cri import BLOCK


class CriView:
    """Populations, synapses and schedule of a CRI program."""

    def __init__(self, program: CriProgram):
        self.program = program

    def summary(self) -> dict[str, Any]:
        program = self.program
        network, relays = program.timesteps, sum(p.size for p in program.populations if p.kind == "relay")
        return {
            "target": program.target,
            "profile": program.profile.name,
            "neurons": len(program.neuron_model),
            **({"relay_neurons": relays} if relays else {}),
            "axons": program.axons.sources,
            "synapses": program.axons.synapses + program.neurons.synapses,
            "timesteps": program.steps,
            **({"network_steps": network, "drain_steps": program.steps - network} if network else {}),
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
        found = {name: _histogram(targets, edges) for name, targets in arriving.items()}
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
            + (f", refractory {m.refractory}" if m.refractory else "")
            for m in self.program.models
        ]
        return models + [f"output {r.name} {r.shape}: read as {_reading(r)}" for r in self.program.readouts]

    def schedule(self) -> list[dict[str, Any]]:
        return [asdict(phase) for phase in self.program.schedule]

    def memory(self) -> list[dict[str, Any]]:
        """Rows of memory by source: in the program's order, placed, and the least possible (docs/cri_placement.md)."""
        from ...backends.cri.placement import natural, place
        from ...backends.cri.placement.efficiency import SYNAPSE_ROWS, efficiency

        before, after = (efficiency(self.program, make(self.program)) for make in (natural, place))
        rows = [
            {"sources": a.name, "synapses": a.entries, "natural": a.rows, "placed": b.rows, "least": b.least}
            for a, b in zip(before.layers, after.layers, strict=True)
        ]
        whole = {"sources": "all", "synapses": sum(row["synapses"] for row in rows)}
        whole |= {"natural": before.rows, "placed": after.rows, "least": after.least}
        shares = {name: f"{100 * whole[name] / SYNAPSE_ROWS:.1f}%" for name in ("natural", "placed", "least")}
        return [*rows, whole, {"sources": "share of a core", "synapses": None, **shares}]

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {"output": r.name, "kind": r.kind, "shape": list(r.shape)}
            | ({"depth": r.first, "rows": r.rows, "mean": r.mean} if r.rows else {})
            for r in self.program.readouts
        ]


def _histogram(targets: NDArray[np.int32], edges: list[int]) -> list[int]:
    """How many targets lie between consecutive edges; counted block by block, there may be tens of millions."""
    each = np.zeros(edges[-1], np.int64)
    for low in range(0, len(targets), BLOCK):
        each += np.bincount(targets[low : low + BLOCK], minlength=edges[-1])
    return np.diff(np.concatenate([[0], np.cumsum(each)])[edges]).tolist()


def _reading(readout: Readout) -> str:
    """How an output is read, in words."""
    if not readout.rows:
        return readout.kind
    kind = f"mean {readout.kind}" if readout.mean else readout.kind
    return f"{kind} of {readout.rows} steps, {readout.first} timesteps after the input"


def _steps(steps: range) -> str:
    """The timesteps in words."""
    if len(steps) < 2:
        return f"timestep {steps.start}"
    return f"timesteps {steps[0]} to {steps[-1]}" + (f", every {steps.step}" if steps.step > 1 else "")

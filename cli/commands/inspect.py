"""nmc inspect"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table, summary

if TYPE_CHECKING:
    from ...runtime.program import CriProgram


def _layers(program: CriProgram) -> list[dict[str, Any]]:
    """One row per population, with the synapses that arrive there from inputs, neurons and control axons."""
    import numpy as np

    inputs = sum(entry.axons for entry in program.inputs)
    sizes = [0, *(p.stop for p in program.populations)]
    axon_source = np.repeat(np.arange(program.axons.sources), np.diff(program.axons.indptr))
    control = axon_source >= inputs
    arriving = {
        "from inputs": program.axons.target[~control],
        "from neurons": program.neurons.target,
        "from control": program.axons.target[control],
    }
    counts = {name: np.histogram(targets, sizes)[0].tolist() for name, targets in arriving.items()}
    return [
        {
            "layer": p.name,
            "kind": p.kind,
            "shape": list(p.shape),
            "neurons": p.size,
            "levels": p.levels,
            "window": list(p.window),
            **{name: column[i] for name, column in counts.items()},
            "origin": list(p.origin),
        }
        for i, p in enumerate(program.populations)
    ]


@nmc_command("inspect")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--schedule", is_flag=True, help="Also show when which control axons fire.")
def command(out: Output, program: Path, schedule: bool) -> None:
    """Show what PROGRAM holds: inputs, layers, synapses, schedule, readout, and where it came from."""
    from dataclasses import asdict

    from ...runtime import load

    found = load(program)
    layers = _layers(found)
    phases = [asdict(phase) for phase in found.schedule]
    readouts = [{"output": r.name, "kind": r.kind, "shape": list(r.shape)} for r in found.readouts]
    facts = summary(found)

    def show() -> None:
        numbers = ", ".join(f"{facts[key]:,} {key}" for key in ("neurons", "axons", "synapses", "timesteps"))
        click.echo(f"{program}: {facts['target']}, profile {facts['profile']}: {numbers}")
        for entry in found.inputs:
            click.echo(
                f"input {entry.name} {entry.shape}: {entry.bits} bit planes, "
                f"code = round(x / {entry.scale:.6g}) + {entry.zero_point}, axons {entry.first} to "
                f"{entry.first + entry.axons - 1} in timestep {entry.step}"
            )
        columns = [name for name in layers[0] if name != "origin"] if layers else []
        cells = [[_cell(name, row[name]) for name in columns] + [", ".join(row["origin"])] for row in layers]
        print_table("", [*columns, "origin"], cells)
        for model in found.models:
            numbers = f"code {model.code}, threshold {model.threshold}, leak {model.leak}, shift {model.shift}"
            click.echo(f"neuron model: {numbers}")
        for readout in readouts:
            click.echo(f"output {readout['output']} {tuple(readout['shape'])}: read as {readout['kind']}")
        if schedule:
            print_table("schedule", list(phases[0]) if phases else [], [list(phase.values()) for phase in phases])
        click.echo("made by nmc " + found.provenance.get("nmc", "?") + ": " + found.provenance.get("pipeline", ""))

    data = {"layers": layers, "schedule": phases, "readouts": readouts, "provenance": found.provenance}
    out.result({"program": str(program), **facts, **data}, show)


def _cell(name: str, value: Any) -> str:
    if name == "shape":
        return "×".join(map(str, value))
    if name == "window":
        return f"{value[0]} to {value[1]}"
    return f"{value:,}" if isinstance(value, int) else str(value)

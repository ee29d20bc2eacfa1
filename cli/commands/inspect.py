"""nmc inspect"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..common import Output, nmc_command, print_table
from ..limits import limit_options
from ..task import task_lines


def _cell(name: str, value: Any, before: Any) -> str:
    """A value as text; `before` is the layer of the row before, which layers read unless they say otherwise."""
    if value is None or (name == "reads" and value == [before]):
        return ""
    if name == "window":
        return f"{value[0]} to {value[1]}"
    if isinstance(value, list):
        return ("×" if all(isinstance(item, int) for item in value) else ", ").join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def _table(layers: list[dict[str, Any]], title: str = "layer") -> tuple[list[str], list[list[str]]]:
    """Columns and cells of a table, without columns that are empty in all rows; `title` is the one with the names."""
    names = list(layers[0]) if layers else []
    before = [None, *(row[title] for row in layers)]
    cells = [{name: _cell(name, row[name], last) for name in names} for row, last in zip(layers, before, strict=False)]
    columns = [name for name in names if any(row[name] for row in cells)]
    return columns, [[row[name] for name in columns] for row in cells]


@nmc_command("inspect")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--schedule", is_flag=True, help="Also show when which control axons fire.")
@click.option("--memory", is_flag=True, help="cri: also show how many rows of a core's memory the synapses take.")
@limit_options
def command(out: Output, program: Path, schedule: bool, memory: bool) -> None:
    """Show what PROGRAM holds: inputs, layers, sizes, readout, and where it came from."""
    from ...runtime import load
    from ..views import counts, view_of
    from ..views.hybrid import segment_facts, show_segments

    with out.bar("reading"):
        found = load(program)
        view = view_of(found)
        facts, layers, phases = view.summary(), view.layers(), view.schedule()
        stored = view.memory() if memory else []
    segments = segment_facts(found)

    def show() -> None:
        profile = f", profile {facts['profile']}" if "profile" in facts else ""
        click.echo(f"{program}: {facts['target']}{profile}: {counts(facts)}")
        show_segments(segments)
        for line in view.inputs():
            click.echo(line)
        columns, rows = _table(layers)
        print_table("", columns, rows)
        for line in (*view.notes(), *task_lines(found)):
            click.echo(line)
        if schedule and phases:
            print_table("schedule", list(phases[0]), [list(phase.values()) for phase in phases])
        if stored:
            columns, rows = _table(stored, "sources")
            print_table("rows of memory", columns, rows)
        click.echo("made by nmc " + found.provenance.get("nmc", "?") + ": " + found.provenance.get("pipeline", ""))

    data = {
        **segments,
        "layers": layers,
        "schedule": phases,
        "memory": stored,
        "outputs": view.outputs(),
        "task": found.task.facts(),
        "provenance": found.provenance,
    }
    out.result({"program": str(program), **facts, **data}, show)

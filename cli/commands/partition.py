"""nmc partition"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table

if TYPE_CHECKING:
    from ...backends.cri.partition import Fit, Partition
    from ...runtime.program import CriProgram

MOST_CORES = 640


@nmc_command("partition")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--cores", type=click.IntRange(1, MOST_CORES), help="Default: as few as hold it.")
@click.option(
    "--input", "source", type=click.Path(path_type=Path), help="Samples to compare the cores with one machine on."
)
def command(out: Output, program: Path, cores: int | None, source: Path | None) -> None:
    """Show whether PROGRAM fits one core of the CRI machine, and cut it over cores.

    With --input both are run; exit code 1 if any output differs.
    """
    from ...backends.cri.partition import fit, partition
    from ...compiler.diagnostics import unsupported
    from ...runtime import load
    from ...runtime.program import CriProgram

    whole = load(program)
    if not isinstance(whole, CriProgram):
        what = f"a program for target {whole.target!r} is not cut over cores"
        raise unsupported("NMC-C034", what, str(program), hint="compile with --target cri")
    with out.bar("cutting"):
        fitting = fit(whole)
        made = partition(whole, cores)
    data = {"program": str(program), "fit": _fit(fitting), **_facts(made)}
    if source is not None:
        data["run"] = _compare(out, whole, made, source)

    def show() -> None:
        _show(program, fitting, made)
        if "run" in data:
            text = "run: {samples:,} samples, {messages:,} messages; {differences:,} of {values:,} output values differ"
            click.echo(text.format(**data["run"]))

    out.result(data, show)
    if data.get("run", {}).get("differences"):
        raise click.exceptions.Exit(1)


def _needs(needs: Any) -> dict[str, Any]:
    return {need.name: {"needed": need.count, "held": need.most} for need in needs}


def _fit(fitting: Fit) -> dict[str, Any]:
    facts = {"fits": fitting.fits, "problems": fitting.problems, "cores_at_least": fitting.cores}
    return {**_needs(fitting.needs), **facts, "placed": fitting.placed}


def _facts(made: Partition) -> dict[str, Any]:
    cores, search = made.cores, made.search
    return {
        "cores": [_needs(needs) for needs in made.needs],
        "messages": cores.messages,
        "extra_timesteps": cores.outputs,
        "relay_axons": cores.relay_axons,
        "relay_neurons": cores.relay_neurons,
        "search": {
            "chosen": search.chosen,
            "kept": search.kept,
            "cost": search.cost,
            "tried": [asdict(one) for one in search.tried],
        },
    }


def _compare(out: Output, whole: CriProgram, made: Partition, source: Path) -> dict[str, Any]:
    """Both runs, and how many output values differ."""
    import numpy as np

    from ...runtime import Session
    from ...runtime.cri_cores import run_cores
    from ...runtime.data import read_arrays

    arrays = read_arrays(source)
    with out.bar("simulating cores") as bar:
        run = run_cores(made.cores, arrays, progress=bar)
        if bar is not None:
            bar.stage("simulating one machine")
        expected = Session(whole).run(arrays, progress=bar)
    wrong = sum(int(np.count_nonzero(expected.integers[name] != run.integers[name])) for name in run.integers)
    values = sum(array.size for array in run.integers.values())
    samples = expected.counters["samples"]
    return {"samples": samples, "differences": wrong, "values": values, "messages": run.messages, "steps": run.steps}


def _show(program: Path, fitting: Fit, made: Partition) -> None:
    cores, search = made.cores, made.search
    if fitting.fits:
        click.echo(f"{program}: fits one core")
    else:
        click.echo(f"{program}: does not fit one core")
        for problem in fitting.problems:
            click.echo(f"  {problem}")
    columns = ["", *(need.what for need in fitting.needs)]
    rows = [("one core", fitting.needs), *((f"core {k} of {len(made.needs)}", n) for k, n in enumerate(made.needs))]
    cells = [[name, *(f"{need.count:,}" for need in needs)] for name, needs in rows]
    print_table("", columns, [*cells, ["a core holds", *(f"{need.most:,}" for need in fitting.needs)]])
    tried = [[one.name, f"{one.contiguous:,}", f"{one.refined:,}"] for one in search.tried]
    print_table("cost of messages", ["order", "as it is", "after moves"], tried)
    kept = "kept, since no move made it cheaper" if search.kept else "improved by moves"
    click.echo(f"chosen: {search.chosen}, {kept}; {cores.messages:,} messages if every neuron fires once")
    click.echo(f"relays: {cores.relay_axons:,} axons, {cores.relay_neurons:,} neurons")
    for name, late in cores.outputs.items():
        click.echo(f"output {name}: {late} timesteps later")

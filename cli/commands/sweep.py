"""nmc sweep"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table
from ..completion import targets
from ..labelled import data_options, open_data, worker_options
from ..nir import nir_options, take_nir
from ..states import parse_states, state_option
from .compile import parse_shapes

if TYPE_CHECKING:
    from ..sweep.run import Sweep, Swept

HIDDEN = (
    *("samples", "axons", "weights", "weight_bytes", "program_bytes"),
    *("synaptic_events", "cycles", "input_clipped", "out_of_range", "compile_seconds", "simulate_seconds"),
)
"""Columns of the results that the table on the screen leaves out."""
SHARES = ("accuracy", "float", "agreement")


@nmc_command("sweep")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", required=True, shell_complete=targets, help="Target machine (see `nmc targets`).")
@click.option(
    "--grid", multiple=True, required=True, metavar="NAME=V,V,…", help="An option of the target with values to try."
)
@data_options
@click.option("--float-model", type=click.Path(path_type=Path), help="Model to compare with (.onnx); default MODEL.")
@click.option("--no-float", is_flag=True, help="Compare with no float model.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Typical inputs (.npz, .npy, .safetensors).")
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="Shape of an input, as for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="Weights for PyTorch code (.pt, .safetensors).")
@state_option
@nir_options
@worker_options
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep programs and finished parts in this folder, and go on from them.",
)
@click.option("-o", "--results", type=click.Path(path_type=Path), help="Write the table here: .csv, .parquet or .json.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw accuracy against a cost: .png, .svg or .pdf.")
@click.option("--cost", help="The cost to draw: a column of the table; default spikes, or macs.")
def command(
    out: Output,
    model: Path,
    target: str,
    grid: tuple[str, ...],
    source: Path,
    workers: str | None,
    resume: Path | None,
    results: Path | None,
    plot: Path | None,
    cost: str | None,
    **options: Any,
) -> None:
    """Compile MODEL with all combinations of options, and measure accuracy and costs of each.

    MODEL is as for `nmc compile`. Options that are not in the grid have their defaults. A combination that is not
    supported becomes a row with the code of what is wrong; if none is, the exit code is the highest of theirs.
    """
    from ...runtime.parallel.pool import open_pool
    from ..sweep.files import check_suffix, write_rows
    from ..sweep.plot import check_plot, write_plot
    from ..sweep.run import run_sweep

    sweep = _sweep(model, target, grid, source, options)
    names = list(sweep.points[0])
    if results is not None:
        check_suffix(results)
    if plot is not None:
        check_plot(plot, cost, names)
    with open_pool(workers) as pool, _folder(resume) as folder:
        swept = run_sweep(sweep, pool, folder, resume is not None, out.bar)
    facts = {"model": str(model), "target": target, "parts": swept.parts, "resumed": swept.resumed, "rows": swept.rows}
    facts["diagnostics"] = [[problem.to_json() for problem in made.problems] for made in swept.made]
    if results is not None:
        write_rows(results, swept.rows, facts)
    codes = [made.exit_code for made in swept.made]
    if all(codes):
        plot = None
    if plot is not None:
        write_plot(plot, swept.rows, names, cost)
    out.result(facts | {"ok": not all(codes)}, lambda: _show(swept, [path for path in (results, plot) if path]))
    if all(codes):
        sys.exit(max(codes))


def _sweep(model: Path, target: str, grid: tuple[str, ...], source: Path, options: dict[str, Any]) -> Sweep:
    """What the command's options ask for; NmcError for those that are wrong."""
    from ...runtime.program.diagnostics import bad_file
    from ..sweep.grid import parse_grid
    from ..sweep.point import Source
    from ..sweep.run import Sweep

    points = parse_grid(grid, target)
    if not source.exists():
        raise bad_file("NMC-R001", "no such file", str(source), hint="check the path")
    how = Source(
        _model(model),
        target,
        parse_shapes(options["input_shape"]),
        _absolute(options["state_dict"]),
        parse_states(options["state"]),
        take_nir(options),
        _absolute(options["calibration"]),
    )
    floats = options["float_model"] or (model if model.suffix.lower() == ".onnx" else None)
    return Sweep(
        how,
        points,
        lambda program: open_data(source, program, options),
        options["output"],
        options["decay"],
        None if options["no_float"] else _absolute(floats),
        options["part"],
    )


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def _model(model: Path) -> str:
    """The model with an absolute path, for processes that work in another folder; code keeps its factory."""
    file, colon, factory = str(model).rpartition(":")
    if colon and Path(file).is_file() and not model.exists():
        return f"{Path(file).resolve()}:{factory}"
    return str(model.resolve()) if model.exists() else str(model)


def _folder(resume: Path | None) -> AbstractContextManager[Path]:
    """The folder for programs and parts: the one that is to be kept, or one for this run only."""
    from ...runtime.program.atomic import make_folder

    return _temporary() if resume is None else nullcontext(make_folder(resume, parents=True))


@contextmanager
def _temporary() -> Iterator[Path]:
    with TemporaryDirectory(prefix="nmc-sweep-") as folder:
        yield Path(folder)


def _show(swept: Swept, written: list[Path]) -> None:
    """The table, what keeps points from running, and the files that were written."""
    rows = swept.rows
    names = [n for n in rows[0] if n not in HIDDEN and any(row[n] not in (None, "") for row in rows)]
    print_table("", [_heading(n) for n in names], ([_cell(n, row[n]) for n in names] for row in rows))
    for made in swept.made:
        for problem in made.problems:
            click.echo(f"{', '.join(f'{name}={value}' for name, value in made.point.items())}: {problem}")
    if swept.resumed:
        click.echo(f"resumed: {swept.resumed:,} of {swept.parts:,} parts were there")
    for path in written:
        click.echo(f"written: {path}")


def _heading(name: str) -> str:
    """The rule stands only beside the accuracy: last frame %, float %, agree %."""
    kind, _, rule = name.partition("_")
    if kind in SHARES:
        return f"{rule.replace('_', ' ')} %" if kind == "accuracy" else f"{'agree' if kind == 'agreement' else kind} %"
    return name.replace("_", " ")


def _cell(name: str, value: object) -> str:
    """Shares in percent, means as whole numbers."""
    if value is None:
        return ""
    if name.partition("_")[0] in SHARES and isinstance(value, float):
        return f"{100 * value:.2f}"
    if isinstance(value, float):
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)

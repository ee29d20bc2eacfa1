"""nmc report"""

from __future__ import annotations

from pathlib import Path

import click

from ..common import Output, nmc_command
from ..limits import limit_options
from .compile import parse_shapes


@nmc_command("report")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page. Default: ./<stem>.html")
@click.option("--model", type=click.Path(path_type=Path), help="The program's model: its float network is drawn, too.")
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="Of MODEL, as for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="Weights for a MODEL in PyTorch code.")
@click.option("--verify", type=click.Path(path_type=Path), help="What `nmc verify --json` printed of the program.")
@click.option(
    "--compiled",
    type=click.Path(path_type=Path),
    help="What `nmc compile --json` or `nmc explain MODEL --json` printed.",
)
@click.option("--input", "source", type=click.Path(path_type=Path), help="Samples to run (.npz, .npy, …).")
@click.option("--limit", type=click.IntRange(min=1), default=4, show_default=True, help="Run the first samples only.")
@click.option("--seed", type=click.IntRange(min=0), help="cri: draw the noise of a program with noise from this seed.")
@limit_options
def command(
    out: Output,
    program: Path,
    output: Path | None,
    model: Path | None,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    verify: Path | None,
    compiled: Path | None,
    source: Path | None,
    limit: int,
    seed: int | None,
) -> None:
    """Write what is known of PROGRAM as one page that needs no network.

    With --json the data behind the page is printed as well.
    """
    from ...runtime import load
    from ...runtime.data import read_arrays
    from ...runtime.program.atomic import atomic_write
    from ..report.activity import activity
    from ..report.facts import facts_of
    from ..report.floats import model_of
    from ..report.given import read_compiled, read_verify
    from ..report.page import page
    from ..verification.source import Source

    if model is None and (input_shape or state_dict is not None):
        raise click.UsageError("--input-shape and --state-dict go with --model")
    loaded = load(program)
    arrays = None if source is None else read_arrays(source)
    given = {
        "verify": None if verify is None else read_verify(verify, loaded),
        "compiled": None if compiled is None else read_compiled(compiled),
    }
    with out.bar("looking"):
        facts = {**facts_of(loaded, program.stem), **given, "run": None, "model": None}
        if model is not None:
            imported = Source(model, parse_shapes(input_shape), state_dict).read(loaded)
            facts["model"] = model_of(model.name, imported, loaded, facts["network"])
    if model is not None and not facts["model"]["same"]:
        out.warn(["the program was not made from this model (its digest is another one)"])
    if arrays is not None:
        with out.bar("simulating") as progress:
            facts["run"] = activity(loaded, arrays, limit, seed, progress)
    path = output or Path(f"{program.stem}.html")
    content = page(facts).encode("utf-8", "backslashreplace")
    atomic_write(path, lambda file: file.write(content))
    out.result({**facts, "output": str(path)}, lambda: click.echo(f"written: {path}, {len(content):,} bytes"))

"""nmc import"""

from __future__ import annotations

from pathlib import Path

import click

from ..common import Output, nmc_command


@nmc_command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Program file; default ./<file>.nmc.")
@click.option("--frames", type=int, help="Frames of a sample, where no host file tells; default 1.")
def command(out: Output, file: Path, output: Path | None, frames: int | None) -> None:
    """Read FILE, the JSON of an Akida program, and write it as a program that nmc runs.

    Beside net.akida.json, nmc looks for net.akida.host.json, which `nmc export` writes: how inputs become codes, and
    what outputs mean. Without it, samples hold the codes of the first layers, of shape (X, Y, C); with --frames N
    they are clips of shape (N, X, Y, C).
    """
    from ...backends.akida.export import host_path, read_json
    from ...runtime.program import save
    from ...runtime.program.akida_kinds import TEMPORAL
    from ..views import counts, view_of

    program = read_json(file, frames)
    path = output or Path(f"{file.stem}.nmc")
    save(program, path)
    if not program.temporal and any(layer.kind in TEMPORAL for layer in program.layers):
        out.warn(["samples are single frames, so each starts with empty FIFOs; --frames N makes them clips"])
    facts = view_of(program).summary()
    host = host_path(file)
    used = str(host) if host.exists() else None

    def show() -> None:
        source = f"host file {used}" if used else "no host file: inputs are the layers' own codes"
        click.echo(f"{path}: {facts['target']}, {counts(facts)}, {source}")

    out.result({"program": str(path), "host_file": used, **facts}, show)

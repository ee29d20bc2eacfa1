"""nmc export"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click

from ..common import Output, nmc_command


@dataclass(frozen=True)
class Format:
    """An export format: its target, the end of its path, and the function (program, path, **options) → paths."""

    target: str
    suffix: str
    module: str
    function: str
    options: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    "akida-json": Format("akida", ".akida.json", "backends.akida.export", "write_json", ("akida_version",)),
    "hs-api": Format("cri", ".hs_api", "backends.cri.export", "write_hs_api"),
}


@nmc_command("export")
@click.argument("program", type=click.Path(path_type=Path))
@click.option("--format", "name", required=True, type=click.Choice(list(FORMATS)), help="What to write.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Default ./<program>.akida.json or .hs_api.")
@click.option("--akida-version", metavar="M.m.p", help="Version of the vendor's tools it is for; default 2.19.0.")
def command(out: Output, program: Path, name: str, output: Path | None, akida_version: str | None) -> None:
    """Write PROGRAM in a format that its target's vendor reads."""
    from ...compiler.diagnostics import usage
    from ...runtime import load

    chosen, found = FORMATS[name], load(program)
    if found.target != chosen.target:
        formats = [other for other, format in FORMATS.items() if format.target == found.target]
        hint = f"formats of target {found.target!r}: {', '.join(formats) or 'none'}"
        what = f"a program for target {found.target!r} has no export format {name!r}"
        raise usage("NMC-X003", what, str(program), f"it is a format of target {chosen.target!r}", hint)
    write = getattr(import_module(f"...{chosen.module}", __package__), chosen.function)
    options = {} if akida_version is None else {"akida_version": akida_version}
    for option in options.keys() - set(chosen.options):
        raise usage("NMC-X004", f"format {name!r} has no such option", option, hint="leave it out")
    paths: tuple[Path, ...] = write(found, output or Path(f"{program.stem}{chosen.suffix}"), **options)
    files = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]

    def show() -> None:
        for file in files:
            click.echo(f"written: {file['path']}, {file['bytes']:,} bytes")

    out.result({"format": name, "target": found.target, "files": files}, show)

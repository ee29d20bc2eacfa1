"""nmc import"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command
from ..completion import profiles
from ..limits import limit_options

if TYPE_CHECKING:
    from ...runtime.program import Program

ONE_STEP = "samples have 1 timestep, in which no input can cause a spike yet; --steps N gives them more"


@nmc_command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Program file; default ./<file>.nmc.")
@click.option("--frames", type=int, help="Akida JSON: frames of a sample, where no host file tells; default 1.")
@click.option(
    "--profile", shell_complete=profiles, help="Network for hs_api: build of the machine it is for; default sim."
)
@click.option("--steps", type=int, help="Network for hs_api or memory image: timesteps of a sample; default 1.")
@limit_options
def command(
    out: Output, file: Path, output: Path | None, frames: int | None, profile: str | None, steps: int | None
) -> None:
    """Read FILE, a network in a vendor's format, and write it as a program that nmc runs.

    The JSON of an Akida program: beside net.akida.json, nmc looks for net.akida.host.json, which `nmc export` writes:
    how inputs become codes, and what outputs mean. Without it, samples hold the codes of the first layers, of shape
    (X, Y, C); with --frames N they are clips of shape (N, X, Y, C).

    A network for hs_api: a folder that `nmc export` wrote, JSON, arrays (.npz) or a pickle, which is read as data and
    can run nothing. The input axons, (steps, axons), says by 0 and 1 which axons fire when.

    A memory image: the folder that `nmc export --format hbm` wrote, read word by word.
    """
    from ...backends.cri.export import recognizes
    from ...backends.cri.image import recognizes_image
    from ...runtime.program import save
    from ..views import counts, view_of

    path = output or Path(f"{file.stem}.nmc")
    with out.bar("importing"):
        if recognizes_image(file):
            _refuse("a memory image", frames=frames, profile=profile)
            program, facts, told, warnings = _image(file, steps)
        elif recognizes(file):
            _refuse("a network for hs_api", frames=frames)
            program, facts, told, warnings = _hs_api(file, profile, steps)
        else:
            _refuse("an Akida program", profile=profile, steps=steps)
            program, facts, told, warnings = _akida(file, frames)
        save(program, path)
    out.warn(warnings)
    summary = view_of(program).summary()

    def show() -> None:
        click.echo(f"{path}: {summary['target']}, {counts(summary)}, {told}")

    out.result({"program": str(path), **facts, **summary}, show)


def _akida(file: Path, frames: int | None) -> tuple[Program, dict[str, Any], str, list[str]]:
    """The program, facts for --json, half a sentence about the source, and warnings."""
    from ...backends.akida.export import host_path, read_json
    from ...runtime.program.akida_kinds import TEMPORAL

    program = read_json(file, frames)
    single = not program.temporal and any(layer.kind in TEMPORAL for layer in program.layers)
    warning = "samples are single frames, so each starts with empty FIFOs; --frames N makes them clips"
    host = host_path(file)
    used = str(host) if host.exists() else None
    told = f"host file {used}" if used else "no host file: inputs are the layers' own codes"
    return program, {"host_file": used}, told, [warning] if single else []


def _hs_api(file: Path, profile: str | None, steps: int | None) -> tuple[Program, dict[str, Any], str, list[str]]:
    """The same of a network for hs_api."""
    from ...backends.cri.export import read_hs_api

    done = read_hs_api(file, profile, steps)
    whole = done.source == "folder"
    told = "as it was exported" if whole else f"profile {done.program.profile.name}, from {done.source}"
    warnings = list(done.notes)
    if not whole and steps is None:
        warnings.append(ONE_STEP)
    return done.program, {"source": done.source, "notes": list(done.notes)}, told, warnings


def _image(folder: Path, steps: int | None) -> tuple[Program, dict[str, Any], str, list[str]]:
    """The same of a memory image."""
    from ...backends.cri.image import read_image

    program, notes = read_image(folder, 1 if steps is None else steps)
    told = f"profile {program.profile.name}, from a memory image"
    return program, {"source": "hbm", "notes": notes}, told, [*notes, *([ONE_STEP] if steps is None else [])]


def _refuse(kind: str, **options: object) -> None:
    """NMC-X004 for an option that is for another kind of file."""
    from ...compiler.diagnostics import usage

    for name, value in options.items():
        if value is not None:
            raise usage("NMC-X004", "an option does not fit the file", name, f"it is {kind}", "leave it out")

"""nmc export"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..choice import Choice
from ..common import Output, nmc_command
from ..nir import nir_options, take_nir, write_network
from .compile import parse_shapes

if TYPE_CHECKING:
    from ...runtime.program.hybrid import HybridProgram


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
    "onnx": Format("akida", ".onnx", "backends.akida.export.onnx_stream", "write_onnx"),
    "hs-api": Format("cri", ".hs_api", "backends.cri.export", "write_hs_api"),
    "hbm": Format(
        "cri", ".hbm", "backends.cri.image", "write_image", ("packets", "natural_order", "avoid_defect_rows")
    ),
}


NETWORK_FORMAT = "nir"


@nmc_command("export")
@click.argument("program", metavar="PROGRAM|MODEL", type=click.Path(path_type=Path))
@click.option("--format", "name", required=True, type=Choice([*FORMATS, NETWORK_FORMAT]), help="What to write.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Default ./<program>.akida.json, .onnx, .hs_api, …"
)
@click.option("--akida-version", metavar="M.m.p", help="Version of the vendor's tools it is for; default 2.19.0.")
@click.option("--packets", is_flag=True, help="Memory image: write packets.txt even if it gets large.")
@click.option("--natural-order", is_flag=True, help="Memory image: leave neurons in the program's order.")
@click.option("--avoid-defect-rows", is_flag=True, help="Memory image: leave rows empty in which spikes get lost.")
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="nir: as for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="nir: weights for PyTorch code.")
@click.option("--classes", metavar="FILE|NAMES", help="nir: class names, one a line, or between commas.")
@nir_options
def command(
    out: Output,
    program: Path,
    name: str,
    output: Path | None,
    akida_version: str | None,
    packets: bool,
    natural_order: bool,
    avoid_defect_rows: bool,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    classes: str | None,
    **options: Any,
) -> None:
    """Write PROGRAM in a format that its target's vendor reads, or the spiking network MODEL as a NIR file.

    onnx: an Akida program as a model of one frame, which onnxruntime runs with the program's integers.

    A program with host segments becomes a folder (./<program>.segments) with a file for each segment, ONNX for the
    host's.
    MODEL is what `nmc compile` takes. --dt is then the timestep, in seconds, that the file is written for.
    """
    nir = take_nir(options)
    flags = {"packets": packets, "natural_order": natural_order, "avoid_defect_rows": avoid_defect_rows}
    given = {"akida_version": akida_version} | {flag: True for flag, set_ in flags.items() if set_}
    network = {"input_shape": input_shape or None, "state_dict": state_dict, "discretization": nir, "classes": classes}
    other = given if name == NETWORK_FORMAT else network
    _refuse(name, [option for option, value in other.items() if value is not None])
    if name == NETWORK_FORMAT:
        path, notes = write_network(program, output, parse_shapes(input_shape), state_dict, nir, classes)
        out.warn(notes)
        _show(out, {"format": name}, (path,))
        return
    from ...compiler.diagnostics import usage
    from ...runtime import load
    from ...runtime.program.hybrid import HybridProgram

    chosen, found = FORMATS[name], load(program)
    if found.target != chosen.target:
        formats = [other for other, format in FORMATS.items() if format.target == found.target]
        hint = f"formats of target {found.target!r}: {', '.join(formats) or 'none'}"
        what = f"a program for target {found.target!r} has no export format {name!r}"
        raise usage("NMC-X003", what, str(program), f"it is a format of target {chosen.target!r}", hint)
    write = getattr(import_module(f"...{chosen.module}", __package__), chosen.function)
    asked = {option: value for option, value in given.items() if value is not None}
    _refuse(name, sorted(asked.keys() - set(chosen.options)))
    paths: tuple[Path, ...]
    if isinstance(found, HybridProgram):
        paths = _segments(found, output or Path(f"{program.stem}.segments"), chosen.suffix, partial(write, **asked))
    else:
        with out.bar("exporting"):
            paths = write(found, output or Path(f"{program.stem}{chosen.suffix}"), **asked)
    _show(out, {"format": name, "target": found.target}, paths)


def _segments(program: HybridProgram, folder: Path, suffix: str, write: Callable[..., Any]) -> tuple[Path, ...]:
    """Write every segment into a folder: of the device in the format, of the host as ONNX."""
    from ...runtime.program.atomic import atomic_write, make_folder, together
    from ...runtime.program.hybrid import HostSegment

    make_folder(folder, parents=True)
    paths: list[Path] = []
    with together():
        for segment in program.segments:
            if isinstance(segment, HostSegment):
                path = folder / f"{segment.name}.onnx"
                atomic_write(path, lambda file, data=segment.model: file.write(data.tobytes()))
                paths.append(path)
            else:
                paths += write(segment.program, folder / f"{segment.name}{suffix}")
    return tuple(paths)


def _refuse(name: str, options: list[str]) -> None:
    """NmcError NMC-X004 (usage) if there are options that the format does not have."""
    from ...compiler.diagnostics import Diagnostic, Exit, NmcError

    if options:
        what = f"format {name!r} has no such option"
        raise NmcError([Diagnostic("NMC-X004", what, option, hint="leave it out") for option in options], Exit.USAGE)


def _show(out: Output, facts: dict[str, Any], paths: tuple[Path, ...]) -> None:
    files = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]

    def show() -> None:
        for file in files:
            click.echo(f"written: {file['path']}, {file['bytes']:,} bytes")

    out.result({**facts, "files": files}, show)

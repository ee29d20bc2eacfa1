"""Reads the vendor's JSON of an Akida program (docs/akida_json.md), whoever wrote it.

First what stands in the file is checked layer by layer, then whether the layers fit together. Each step tells all it
finds as NMC-F021, with paths such as layers/3/variables/weights.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ....compiler.diagnostics import usage
from ....runtime.program.akida import AT_ONCE, AkidaProgram, GraphInput, GraphOutput, Layer, Triple
from ....runtime.program.akida_check import MAX_FRAMES, validate
from ....runtime.program.akida_shapes import hosted, signals
from ....runtime.program.diagnostics import Diagnostic, Exit, NmcError, bad_file
from ....runtime.program.strict_json import parse_json
from ....runtime.program.timing import Timing
from .akida_json_fit import fitted
from .akida_json_host import HostFile, host_path, read_host, refused
from .akida_json_layers import Document

NAME_ANOTHER = "name a file written by `nmc export --format akida-json` or by the vendor's tools"


def read_json(path: str | os.PathLike[str], frames: int | None = None) -> AkidaProgram:
    """The program in a JSON file of layers; with its host file beside it, the very program that was exported.

    Without one, inputs take the layers' own codes (scale 1, zero point 0) as (X, Y, C), each under its layer's name;
    outputs are the layers nobody reads. A sample is a single frame then, or, with `frames`, a clip
    (frames, X, Y, C): FIFOs of temporal layers start empty with each sample, so only a clip shows what they do.

    NMC-F001, F002: no such file, or unreadable. F020: not a JSON of layers. F021: its content is unknown or malformed.
    F022: the host file is malformed or belongs to other layers. X004: `frames` with a host file, or out of range.
    """
    where = os.fspath(path)
    content = _content(path)
    try:
        data = parse_json(content)
    except ValueError as error:
        raise bad_file("NMC-F020", "the file is no JSON", where, str(error)[:200], NAME_ANOTHER) from error
    if not isinstance(data, dict) or not isinstance(data.get("layers"), list):
        what, why = "the file is no Akida program", "it has no list of layers"
        raise bad_file("NMC-F020", what, where, why, NAME_ANOTHER)
    sha256 = hashlib.sha256(content).hexdigest()
    host = read_host(host_path(path), sha256)
    _check_frames(frames, host_path(path) if host is not None else None)
    document = Document(data, named=host is not None)
    _stop(document.found, where)
    layers, found = fitted(document.layers)
    _stop(found, where)
    if host is not None:
        return _with_host(layers, host, host_path(path))
    origin = {"format": "akida-json", "akida_version": document.akida_version, "sha256": sha256}
    return _alone(layers, frames or 1, {"nmc": version("nmc"), "pipeline": "import", "source": origin})


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        raise bad_file("NMC-F001", "no such file", os.fspath(path), hint="check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise bad_file("NMC-F002", "cannot read the file", os.fspath(path), str(error), "check the path") from error


def _check_frames(frames: int | None, host: Path | None) -> None:
    if frames is not None and not 1 <= frames <= MAX_FRAMES:
        raise usage("NMC-X004", f"{frames} frames", "frames", hint=f"1 to {MAX_FRAMES}")
    if frames is not None and host is not None:
        why = f"{host} says how the host feeds the program"
        raise usage("NMC-X004", "a number of frames cannot be given", "frames", why, "leave it out")


def _stop(found: Iterable[Diagnostic], where: str) -> None:
    hint = "check the tool that wrote the file"
    problems = [replace(problem, code="NMC-F021", where=where, hint=hint) for problem in found]
    if problems:
        raise NmcError(problems, Exit.BAD_FILE)


def _with_host(layers: tuple[Layer, ...], host: HostFile, path: Path) -> AkidaProgram:
    if [note.name for note in host.layers] != [layer.name for layer in layers]:
        raise refused(path, "the host file is malformed", "its layers are not those of the file beside it")
    noted = tuple(
        replace(layer, origin=note.origin, proof=note.proof) for layer, note in zip(layers, host.layers, strict=True)
    )
    program = AkidaProgram(noted, host.inputs, host.outputs, host.provenance, host.task)
    try:
        validate(program)
    except NmcError as error:
        # The layers are consistent by themselves, so whatever is left to say concerns the host file.
        found = [problem for d in error.diagnostics for problem in refused(path, d.what, d.why).diagnostics]
        raise NmcError(found, Exit.BAD_FILE) from error
    return program


def _alone(layers: tuple[Layer, ...], frames: int, provenance: dict[str, Any]) -> AkidaProgram:
    """The program with inputs and outputs in the layers' own layout; samples of several frames have a time axis."""
    made = signals(AkidaProgram(layers, (), ()))
    read = {name for layer in layers for name in layer.inbounds}
    timing, axis = (Timing(0, 1, frames, 1), 1) if frames > 1 else (AT_ONCE, -1)

    def sample(shape: Triple) -> tuple[int, ...]:
        return (frames, *shape) if frames > 1 else shape

    inputs = []
    for layer in layers:
        if not layer.inbounds:
            code = hosted(layer)
            shape = sample(code.shape)
            inputs.append(GraphInput(layer.name, layer.name, shape, axis, "HWC", 1.0, 0, code.bits, code.signed))
    outputs = [
        GraphOutput(layer.name, layer.name, sample(made[layer.name].shape), "HWC", timing)
        for layer in layers
        if layer.name not in read
    ]
    program = AkidaProgram(layers, tuple(inputs), tuple(outputs), provenance)
    validate(program)
    return program

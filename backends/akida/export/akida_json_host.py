"""The host file beside a JSON of layers: how the host feeds and reads them, and where they came from.

The vendor's layout has no place for this, and its readers need not know of it (docs/akida_json.md).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ....runtime.program import records
from ....runtime.program.akida import AkidaProgram, GraphInput, GraphOutput
from ....runtime.program.atomic import atomic_write
from ....runtime.program.diagnostics import NmcError, bad_file
from ....runtime.program.strict_json import parse_json
from ....runtime.program.task import NO_TASK, Task

FORMAT_VERSION = 1
EXPORT_AGAIN = "export the program again, or move the host file away to read the layers alone"


@dataclass(frozen=True)
class LayerNote:
    """What the layout does not hold of one layer; see `Layer`."""

    name: str
    origin: tuple[str, ...]
    proof: dict[str, Any]


@dataclass(frozen=True)
class HostFile:
    """The content. `layers_sha256` is that of the bytes of the JSON file it belongs to; `layers` are in its order."""

    format: int
    layers_sha256: str
    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]
    layers: tuple[LayerNote, ...]
    provenance: dict[str, Any]
    task: Task = field(default=NO_TASK, metadata=records.OPTIONAL)


def host_path(path: str | os.PathLike[str]) -> Path:
    """Where the host file of the JSON file `path` lies: beside net.akida.json it is net.akida.host.json."""
    return Path(path).parent / f"{Path(path).stem}.host.json"


def write_host(program: AkidaProgram, path: Path, layers_sha256: str) -> None:
    """Write the host file of a valid program. NMC-F014 where the file system refuses."""
    notes = tuple(LayerNote(layer.name, layer.origin, layer.proof) for layer in program.layers)
    fed = (program.inputs, program.outputs, notes, program.provenance, program.task)
    host = HostFile(FORMAT_VERSION, layers_sha256, *fed)
    text = json.dumps(records.encode(host, HostFile, "", {}), indent=1, sort_keys=True, allow_nan=False)
    atomic_write(path, lambda file: file.write(f"{text}\n".encode()))


def read_host(path: Path, layers_sha256: str) -> HostFile | None:
    """The host file, None where there is none. NMC-F022 if it is malformed or belongs to other layers."""
    try:
        data = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise refused(path, "the host file cannot be read", str(error)) from error
    version = data.get("format") if isinstance(data, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        known = f"this nmc reads version {FORMAT_VERSION}"
        raise refused(path, f"the host file has format version {repr(version)[:80]}", known)
    try:
        host: HostFile = records.decode(data, HostFile, "", {})
    except records.FieldError as error:
        raise refused(path, "the host file is malformed", str(error)) from error
    if host.layers_sha256 != layers_sha256:
        raise refused(path, "the host file belongs to other layers", "their checksum is not that of the file beside it")
    return host


def refused(path: Path, what: str, why: str) -> NmcError:
    """NMC-F022 for the host file `path`."""
    return bad_file("NMC-F022", what, os.fspath(path), why, EXPORT_AGAIN)

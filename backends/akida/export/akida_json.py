"""The vendor's JSON of an Akida program (docs/akida_json.md): the writer. `akida_json_reader` reads it.

The layout holds layers only. How the host feeds and reads them goes to the host file beside it (`akida_json_host`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ....compiler.diagnostics import usage
from ....runtime.program.akida import AkidaProgram, Array, Layer
from ....runtime.program.akida_check import validate
from ....runtime.program.akida_kinds import FLAGS, PARAMETERS, WORDS
from ....runtime.program.atomic import atomic_write, together
from .akida_json_host import host_path, write_host

AKIDA_VERSION = "2.19.0"
IP_VERSION = "v2"


def write_json(
    program: AkidaProgram, path: str | os.PathLike[str], akida_version: str = AKIDA_VERSION
) -> tuple[Path, Path]:
    """Write the layers to `path` and the host file beside it; return both paths. Equal programs are equal bytes.

    akida_version goes into the file as the version of the vendor's tools that it is meant for: "M.m.p". NMC-X004 if
    it is no such text, NMC-F009 to F013 for an inconsistent program, NMC-F014 where a file cannot be written; then
    both files are as they were.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", akida_version, re.ASCII):
        hint = f"three numbers such as {AKIDA_VERSION}"
        raise usage("NMC-X004", f"{akida_version!r} is no version of the vendor's tools", "akida_version", hint=hint)
    validate(program)
    layers, host = Path(path), host_path(path)
    content = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        for line in _lines(program, akida_version):
            content.update(line.encode())
            file.write(line.encode())

    with together():
        atomic_write(layers, write)
        write_host(program, host, content.hexdigest())
    return layers, host


def _lines(program: AkidaProgram, akida_version: str) -> Iterator[str]:
    """The file line by line, one for each layer: a network's weights never lie in memory as text all at once."""
    yield f'{{"Akida version": "{akida_version}", "IP version": "{IP_VERSION}", "layers": [\n'
    for i, layer in enumerate(program.layers):
        yield json.dumps(_layer(layer), allow_nan=False) + (",\n" if i + 1 < len(program.layers) else "\n")
    yield '], "learning": null}\n'


def _layer(layer: Layer) -> dict[str, Any]:
    parameters = {name: _number(name, layer.parameters[name]) for name in PARAMETERS[layer.kind]}
    return {
        "name": layer.name,
        "inbounds": list(layer.inbounds),
        "parameters": {"layer_type": layer.kind, **parameters},
        "variables": {name: _variable(array) for name, array in sorted(layer.variables.items())},
    }


def _number(name: str, value: Any) -> int:
    """A parameter as the layout has it: words are counted from 0, flags are 0 or 1."""
    if name in WORDS:
        return WORDS[name].index(value)
    return int(value) if name in FLAGS else value


def _variable(array: Array) -> dict[str, Any]:
    bits = 8 * array.dtype.itemsize
    return {"shape": list(array.shape), "dtype": array.dtype.name, "bitwidth": bits, "data": array.tolist()}

"""The `.nmc` file: a safetensors file whose one metadata key, `nmc`, is canonical JSON (docs/program_file.md).

No pickle is read or written, and equal programs give equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors

from . import records
from .akida import AkidaProgram
from .akida_check import validate as validate_akida
from .atomic import atomic_write
from .budget import take_synapses
from .cri import CriProgram
from .cri_check import validate as validate_cri
from .diagnostics import bad_file
from .hybrid import HybridProgram
from .hybrid_check import validate as validate_hybrid
from .records import Arrays

FORMAT_VERSION = 1
KEY = "nmc"
DTYPES = ("I64", "F64", "F32", "I32", "I16", "I8", "U8")  # in the order in which arrays stand in a file
MAKE_AGAIN = "copy the file again, or compile the model again"

Array = np.ndarray[Any, np.dtype[Any]]
Program = CriProgram | AkidaProgram | HybridProgram


@dataclass(frozen=True)
class Kind:
    """What the file needs to know of one target's programs: their class, and what a consistent one is."""

    record: type[Program]
    validate: Callable[[Any], None]


KINDS: dict[str, Kind] = {
    "cri": Kind(CriProgram, validate_cri),
    "akida": Kind(AkidaProgram, validate_akida),
    "hybrid": Kind(HybridProgram, validate_hybrid),
}


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write a program: to a temporary name first, then renamed. NMC-F009 to F013 if it is inconsistent, else F014."""
    KINDS[_kind(program)].validate(program)
    description, arrays = _encode(program)
    description["digest"] = _digest(description, arrays)
    metadata = {KEY: _canonical(description)}
    atomic_write(path, lambda file: _write(file, arrays, metadata))


def load(path: str | os.PathLike[str]) -> Program:
    """Read a program and check all of it. NMC-F001 to F013 say what is wrong with a file."""
    where = os.fspath(path)
    text, arrays = _read(Path(path), where)
    description = _parse(text, where)
    version = description.pop("format", None)
    if type(version) is not int or version != FORMAT_VERSION:
        raise bad_file(
            "NMC-F006",
            f"the file has format version {version!r}, this nmc reads version {FORMAT_VERSION}",
            where,
            hint="use the nmc that wrote it, or compile the model again with this one",
        )
    target = description.pop("target", None)
    if not isinstance(target, str) or target not in KINDS:
        raise bad_file("NMC-F007", f"unknown target {target!r}", where, hint=f"known targets: {', '.join(KINDS)}")
    stored = description.pop("digest", None)
    if stored != _digest({"format": version, "target": target, **description}, arrays):
        raise bad_file("NMC-F008", "the content does not match its checksum", where, hint=MAKE_AGAIN)
    program = _decode(KINDS[target].record, description, arrays, where)
    if isinstance(program, CriProgram):
        take_synapses(program.axons.synapses + program.neurons.synapses, where)  # the tables still are the file's pages
    KINDS[target].validate(program)
    return program


def digest(program: Program) -> str:
    """sha256 over everything the program holds; equal programs have equal digests, whatever wrote them."""
    return _digest(*_encode(program))


def _encode(program: Program) -> tuple[dict[str, Any], Arrays]:
    arrays: Arrays = {}
    fields = records.encode(program, type(program), "", arrays)
    return {"format": FORMAT_VERSION, "target": _kind(program), **fields}, arrays


def _kind(program: Program) -> str:
    """What kind of program a file says that it holds."""
    return next(name for name, kind in KINDS.items() if isinstance(program, kind.record))


def _decode(record: type[Program], fields: dict[str, Any], arrays: Arrays, where: str) -> Program:
    rest = dict(arrays)
    try:
        program = records.decode(fields, record, "", rest)
    except records.FieldError as error:
        raise bad_file("NMC-F009", str(error), where, hint=MAKE_AGAIN) from error
    except records.ArrayMissing as error:
        raise bad_file("NMC-F010", f"array {error} is missing", where, hint=MAKE_AGAIN) from error
    if rest:
        raise bad_file("NMC-F010", f"unknown arrays: {', '.join(sorted(rest))}", where, hint=MAKE_AGAIN)
    return program


def _write(file: BinaryIO, arrays: Arrays, metadata: dict[str, str]) -> None:
    """A safetensors file, array by array: the library's own writer holds all of it in memory twice.

    The length of a JSON header (u64), the header, padded with blanks to 8 bytes, then the arrays' little-endian
    bytes, wide types first, so that each lies at a multiple of its item size.
    """
    little = {name: _little_endian(array) for name, array in arrays.items()}
    names = sorted(little, key=lambda name: (DTYPES.index(_dtype_name(little[name])), name))
    ends = np.cumsum([0, *(little[name].nbytes for name in names)]).tolist()
    entries: dict[str, Any] = {"__metadata__": metadata}
    for name, start, stop in zip(names, ends[:-1], ends[1:], strict=True):
        shape = list(little[name].shape)
        entries[name] = {"dtype": _dtype_name(little[name]), "shape": shape, "data_offsets": [start, stop]}
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    for name in names:
        file.write(little[name].data)


def _read(path: Path, where: str) -> tuple[str, Arrays]:
    """The description and the arrays of a safetensors file."""
    try:
        if path.exists() and not path.is_file():
            raise bad_file("NMC-F002", "cannot read the program", where, "it is not a file", "name a .nmc file")
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if KEY not in metadata:
                raise bad_file("NMC-F004", f"no metadata key {KEY!r}: not a program", where, hint="name a .nmc file")
            for name in sorted(file.keys()):
                _check_array(file, name, where)
        return _mapped(path)
    except FileNotFoundError as error:
        raise bad_file("NMC-F001", "no such file", where, hint="check the path") from error
    except (OSError, ValueError) as error:
        raise bad_file("NMC-F002", "cannot read the program", where, str(error), "check the path") from error
    except safetensors.SafetensorError as error:
        what = "the file is empty, cut short, or no program"
        raise bad_file("NMC-F003", what, where, str(error), MAKE_AGAIN) from error


def _check_array(file: Any, name: str, where: str) -> None:
    dtype, shape = file.get_slice(name).get_dtype(), file.get_slice(name).get_shape()
    if dtype not in DTYPES or len(shape) != 1:
        raise bad_file("NMC-F010", f"array {name} is {dtype}{shape}", where, "a program has no such array", MAKE_AGAIN)


def _mapped(path: Path) -> tuple[str, Arrays]:
    """Description and arrays of a safetensors file that the library has found sound. The arrays are read-only, in the
    file's own memory pages: the library's reader holds every array twice.

    Both come from here, since another process may have replaced the file after the library has read it.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:start])
    text = entries.pop("__metadata__")[KEY]
    arrays: Arrays = {}
    for name, entry in sorted(entries.items()):
        dtype = np.dtype(f"<{entry['dtype'][0].lower()}{int(entry['dtype'][1:]) // 8}")
        array = np.frombuffer(content, dtype, entry["shape"][0], start + entry["data_offsets"][0])
        # Other writers may put arrays anywhere; what lies across two words is slow to read, so it is copied.
        arrays[name] = array if array.flags.aligned else array.copy()
    return text, arrays


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        description = json.loads(text)
        if not isinstance(description, dict):
            raise ValueError(f"it is a {type(description).__name__}, not an object")
        if _canonical(description) != text:
            raise ValueError("it is not in canonical form")
    except (ValueError, RecursionError) as error:
        what = "the program description is no canonical JSON object"
        raise bad_file("NMC-F005", what, where, str(error), MAKE_AGAIN) from error
    return description


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def _digest(description: dict[str, Any], arrays: Arrays) -> str:
    """sha256 over the canonical JSON, then name, dtype, length and little-endian bytes of each array in name order."""
    total = hashlib.sha256(_canonical(description).encode())
    for name, array in sorted(arrays.items()):
        little = _little_endian(array)
        total.update(f"\n{name} {little.dtype.str} {len(little)}\n".encode())
        total.update(little.data)
    return total.hexdigest()


def _little_endian(array: Array) -> Array:
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _dtype_name(array: Array) -> str:
    return f"{array.dtype.kind.upper()}{8 * array.dtype.itemsize}"

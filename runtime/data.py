"""Input and output files of a run: X in .npz, .npy or .safetensors, Y in .npz."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .program.atomic import atomic_write
from .program.budget import take_memory
from .program.diagnostics import NmcError, bad_file
from .program.npz import NotNumbers, read_npy, read_npz, write_npz
from .result import Result

Array = np.ndarray[Any, np.dtype[Any]]
SUFFIXES = (".npz", ".npy", ".safetensors")
# What else the format has (BF16, F8_…) reads or fails depending on which packages happen to be imported.
SAFETENSORS_DTYPES = frozenset(["BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"])


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array] | Array:
    """The arrays of a file by name, or the array itself where there is one only: its name does not matter then.

    NmcError NMC-R001 (missing, unreadable), R002 (damaged, unknown kind), R003 (objects, dtypes numpy does not have).
    """
    where, suffix = os.fspath(path), Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise bad_file("NMC-R002", f"unknown kind of data file {suffix!r}", where, hint=f"give one of {known}")
    try:
        with Path(path).open("rb") as file:  # the folder, the missing file and the forbidden one say so here
            arrays = _read_safetensors(Path(path)) if suffix == ".safetensors" else _read_numpy(file)
    except FileNotFoundError as error:
        raise bad_file("NMC-R001", "no such file", where, hint="check the path") from error
    except NmcError:
        raise
    except OSError as error:
        raise bad_file("NMC-R001", "cannot read the file", where, error.strerror or str(error)) from error
    except NotNumbers as error:
        raise bad_file("NMC-R003", str(error), where, hint="store numeric arrays without pickled objects") from error
    except Exception as error:
        # zipfile, zlib, numpy and safetensors answer a damaged file with a dozen exception types, MemoryError for an
        # absurd shape among them.
        what = f"damaged, or no {suffix} file"
        raise bad_file("NMC-R002", what, where, f"{type(error).__name__}: {error}", "write it again") from error
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def write_result(path: str | os.PathLike[str], result: Result) -> None:
    """Write Y.npz; equal results give equal bytes. NMC-F014 where the file cannot be written.

    `<output>` float32, `<output>.int` int64, `<output>.edge` bool where there are edge frames, `counters` (JSON in a
    string array), and with a trace `trace/<layer>` (spike counts or activations) and, where there are potentials,
    `trace/<layer>.potential`. An output whose name is taken gets a trailing `_`.
    """
    arrays: dict[str, Array] = {"counters": np.array(json.dumps(result.counters, sort_keys=True))}
    for name, counts in result.trace.items():
        arrays[f"trace/{name}"] = counts
        if name in result.potentials:
            arrays[f"trace/{name}.potential"] = result.potentials[name]
    for name, values in result.outputs.items():
        parts: dict[str, Array] = {"": values}
        if name in result.integers:  # a host segment's output has none
            parts[".int"] = result.integers[name]
        if name in result.edges:
            parts[".edge"] = result.edges[name]
        free = name
        while any(free + part in arrays for part in parts):
            free += "_"
        arrays.update({free + part: array for part, array in parts.items()})
    atomic_write(path, lambda file: write_npz(file, arrays))


def _read_numpy(file: BinaryIO) -> dict[str, Array]:
    """What the content is decides, not the name."""
    size, packed = os.fstat(file.fileno()).st_size, file.read(2) == b"PK"
    file.seek(0)
    if not packed:
        take_memory(size, "an array")
        return {"": read_npy(file, size)}
    with zipfile.ZipFile(file) as archive:
        return read_npz(archive, size)


def _read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors import safe_open

    take_memory(path.stat().st_size, "the arrays of a .safetensors file")
    arrays = {}
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            dtype = file.get_slice(name).get_dtype()
            if dtype not in SAFETENSORS_DTYPES:
                raise NotNumbers(f"array {name!r} is {dtype}, which is no number of numpy's own")
            arrays[name] = file.get_tensor(name)
    return arrays

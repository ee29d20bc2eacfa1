"""Input and output files of a run: X in .npz, .npy or .safetensors, Y in .npz."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .program.atomic import atomic_write
from .program.diagnostics import bad_file
from .program.npz import write_npz
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
    except OSError as error:
        raise bad_file("NMC-R001", "cannot read the file", where, error.strerror or str(error)) from error
    except _NoArray as error:
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
        parts = {"": values, ".int": result.integers[name]}
        if name in result.edges:
            parts[".edge"] = result.edges[name]
        free = name
        while any(free + part in arrays for part in parts):
            free += "_"
        arrays.update({free + part: array for part, array in parts.items()})
    atomic_write(path, lambda file: write_npz(file, arrays))


class _NoArray(Exception):
    """An entry of the file is no array of numbers; the text says which."""


def _read_numpy(file: BinaryIO) -> dict[str, Array]:
    try:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: _is_array(name, loaded[name]) for name in loaded.files}
    except ValueError as error:
        if "Object arrays" in str(error):
            raise _NoArray("an array holds Python objects") from error
        raise


def _read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors import safe_open

    arrays = {}
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            dtype = file.get_slice(name).get_dtype()
            if dtype not in SAFETENSORS_DTYPES:
                raise _NoArray(f"array {name!r} is {dtype}, which is no number of numpy's own")
            arrays[name] = file.get_tensor(name)
    return arrays


def _is_array(name: str, item: object) -> Array:
    if not isinstance(item, np.ndarray):
        raise _NoArray(f"entry {name!r} is no array")
    return item

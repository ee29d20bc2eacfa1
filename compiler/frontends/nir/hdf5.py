"""The HDF5 container of a NIR file as nested dicts of arrays and texts; a process of its own (hdf5_child) reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ...diagnostics import bad_file
from ..common.problems import Report

# A file is damaged if the HDF5 library needs longer than that for it.
SECONDS, BYTES_PER_SECOND = 20.0, 10e6

Tree = dict[str, Any]
_CHILD = Path(__file__).with_name("hdf5_child.py")
_WHAT = "the file is not a NIR file, or it is damaged"


def read_tree(path: Path, report: Report) -> Tree:
    """All objects of the file by name: groups as dicts, datasets as arrays or (single texts) str. What is damaged is
    reported and left out. NmcError if there is no such file, or it is not HDF5."""
    try:
        size = path.stat().st_size
        path.open("rb").close()
    except OSError as error:
        raise bad_file("NMC-I001", "cannot read the NIR file", str(path), error.strerror or str(error)) from None
    head, _, body = read_apart(path, SECONDS + size / BYTES_PER_SECOND).partition(b"\n")
    said = json.loads(head)
    for place, why in said["damage"]:
        report.damaged("NMC-I040", _WHAT, place, why)
    return _tree(said["tree"], memoryview(body))


def read_apart(path: Path, limit: float) -> bytes:
    """What hdf5_child.py says about the file. NmcError if it takes longer than `limit` seconds, or crashes."""
    try:
        done = subprocess.run([sys.executable, "-P", str(_CHILD), str(path)], capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise bad_file("NMC-I040", _WHAT, str(path), f"the HDF5 library is not done after {limit:.0f} s") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines and done.returncode > 0 else f"the HDF5 library crashed (exit code {done.returncode})"
        raise bad_file("NMC-I040", _WHAT, str(path), why)
    return done.stdout


def _tree(said: dict[str, Any], body: memoryview) -> Tree:
    return {name: _value(value, body) for name, value in said.items()}


def _value(said: Any, body: memoryview) -> Any:
    if isinstance(said, dict):
        return _tree(said, body)
    if isinstance(said, str):
        return said
    if len(said) == 2:
        shape, texts = said
        return np.array(texts, dtype=object).reshape(shape)
    dtype, shape, offset, length = said
    return np.frombuffer(body[offset : offset + length], np.dtype(dtype)).reshape(shape)

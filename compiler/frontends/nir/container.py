"""Writes records as the HDF5 file that NIR defines. Equal records give equal bytes."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np

from ....runtime.program.atomic import atomic_write
from .records import Array, Record

VERSION = "1.0.8"  # of NIR, whose primitives are written
_PACKED = 1024  # arrays of more elements are compressed


def write_container(path: Path, graph: Record) -> None:
    """Write the graph to a temporary file, then rename it. NmcError NMC-F014 if the file system refuses."""
    stream = io.BytesIO()
    with h5py.File(stream, "w", track_order=False) as file:
        file.create_dataset("version", data=VERSION, dtype=h5py.string_dtype())
        _write(file.create_group("node"), graph)
    atomic_write(path, lambda target: target.write(stream.getvalue()))


def _write(group: h5py.Group, record: Record) -> None:
    _put(group, "type", record.kind)
    for name, value in sorted(record.parameters.items()):
        _put(group, name, value)
    if record.kind != "NIRGraph":
        return
    nodes = group.create_group("nodes")
    for name, inner in sorted(record.nodes.items()):
        _write(nodes.create_group(name), inner)
    pairs = np.array(record.edges, dtype=object).reshape(-1, 2)
    group.create_dataset("edges", data=pairs, dtype=h5py.string_dtype())
    metadata = group.create_group("metadata")
    for name, value in sorted(record.metadata.items()):
        _put(metadata, name, value)


def _put(group: h5py.Group, name: str, value: Array | str) -> None:
    if isinstance(value, str):
        group.create_dataset(name, data=value, dtype=h5py.string_dtype())
    else:
        packing = {"compression": "gzip", "compression_opts": 4} if value.size > _PACKED else {}
        group.create_dataset(name, data=np.ascontiguousarray(value) if value.ndim else value, **packing)

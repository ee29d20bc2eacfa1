"""Arrays to .npz files whose bytes depend on nothing but the arrays; and back, where no size is believed unchecked."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any, BinaryIO

import numpy as np

from .budget import take_memory

Array = np.ndarray[Any, np.dtype[Any]]
_MAGIC = b"\x93NUMPY"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DENSEST = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}  # bytes that a packed byte can stand for


class NotNumbers(Exception):
    """An entry or file is no array of numbers; the text says which."""


def write_npz(file: BinaryIO, arrays: dict[str, Array]) -> None:
    """Arrays as an uncompressed .npz under any names, in the given order, without a time of day in it."""
    # np.savez takes names as keyword arguments and so cannot write an array called `file`.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_npz(archive: zipfile.ZipFile, size: int) -> dict[str, Array]:
    """All arrays by name of an archive of `size` bytes.

    NotNumbers for an entry that is none; ValueError for two of one name and for sizes that cannot be; else what zipfile
    and numpy raise for damaged content. NmcError NMC-R050 beyond the command's limits.
    """
    entries = archive.infolist()
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError("two entries have the same name")
    for entry in entries:
        if not 0 <= entry.header_offset < size:
            raise ValueError(f"{entry.filename} is said to start at byte {entry.header_offset:,} of {size:,}")
        if entry.file_size > _DENSEST.get(entry.compress_type, 0) * min(entry.compress_size, size):
            packed = f"{entry.compress_size:,} bytes by method {entry.compress_type} in a file of {size:,}"
            raise ValueError(f"{entry.filename} is said to have {entry.file_size:,} bytes, packed in {packed}")
    take_memory(sum(entry.file_size for entry in entries), f"{len(entries)} arrays of a .npz file")
    return {name: _member(archive, entry, name) for name, entry in zip(names, entries, strict=True)}


def read_npy(file: IO[bytes], size: int) -> Array:
    """The array of a .npy stream of `size` bytes, which its header must tell of exactly. NotNumbers, ValueError."""
    header = _HEADERS.get(np.lib.format.read_magic(file))
    if header is None:
        raise NotNumbers("an array has names that are no plain text")
    start = file.tell()
    if int.from_bytes(file.read(2 if header is _HEADERS[1, 0] else 4), "little") > size:
        raise ValueError("the header is longer than the file")
    file.seek(start)
    shape, _, dtype = header(file)
    if dtype.hasobject:
        raise NotNumbers("an array holds Python objects")
    told, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if told != there or min(shape, default=0) < 0:
        raise ValueError(f"the header tells of {shape} of {dtype}, {told:,} bytes; {there:,} bytes follow")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(entry) as member:
        if member.read(len(_MAGIC)) != _MAGIC:
            raise NotNumbers(f"entry {name!r} is no array")
        member.seek(0)
        return read_npy(member, entry.file_size)

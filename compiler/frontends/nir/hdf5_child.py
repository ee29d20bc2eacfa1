"""Reads an HDF5 file and writes its content to standard output: `python hdf5_child.py FILE`.

The HDF5 library can loop for ever or crash on damaged files, so it works in a process of its own (see hdf5.py); this
file imports nothing of nmc. The output is one line of JSON, then the arrays' bytes. The JSON holds `tree` (groups as
objects, texts as strings, arrays as [dtype, shape, offset, length], arrays of texts as [shape, texts]) and `damage`,
pairs of an object and what is wrong with it. Links to other files, filters that would be loaded as plug-ins, and
datasets that unpack to far more than they store are such damage.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import h5py
import numpy as np

MAX_DEPTH = 32
MAX_OBJECTS = 1 << 20
# Deflate packs at most 1032 : 1; what is small may be stored without any data.
MAX_RATIO, SMALL = 1100, 1 << 16
_FILTERS = {1, 2, 3, 4, 6, 32000}  # deflate, shuffle, fletcher32, szip, scaleoffset, lzf


class Damage(Exception):
    """An object of the file cannot be used; the text says why."""


class Reader:
    """Gathers `damage` and the `arrays`' bytes while it walks the groups."""

    def __init__(self) -> None:
        self.damage: list[tuple[str, str]] = []
        self.arrays: list[bytes] = []
        self.objects = 0
        self.length = 0

    def group(self, group: h5py.Group, where: str, above: tuple[Any, ...]) -> dict[str, Any]:
        """The objects in a group. `above` are the groups that it lies in."""
        found: dict[str, Any] = {}
        for name in map(str, group):
            try:
                found[name] = self._object(group, name, f"{where}/{name}", above)
            except Exception as error:  # h5py raises many kinds, all of them mean damage here
                self.damage.append((f"{where}/{name}", (str(error).splitlines() or [type(error).__name__])[0]))
        return found

    def _object(self, group: h5py.Group, name: str, place: str, above: tuple[Any, ...]) -> Any:
        self.objects += 1
        if self.objects > MAX_OBJECTS:
            raise Damage(f"the file has more than {MAX_OBJECTS} objects")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise Damage("it is a link to somewhere else")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            return self._content(item)
        if not isinstance(item, h5py.Group):
            raise Damage("it is neither a group nor a dataset")
        if len(above) >= MAX_DEPTH or any(item == other for other in above):
            raise Damage("groups are nested too deeply, or inside themselves")
        return self.group(item, place, (*above, item))

    def _content(self, data: h5py.Dataset) -> Any:
        text = h5py.check_string_dtype(data.dtype) is not None
        if not text and data.dtype.kind not in "fiub":
            raise Damage(f"its elements are of type {data.dtype}, not numbers or text")
        if data.shape is None or data.is_virtual or data.external:
            raise Damage("its elements lie outside the file, or there are none")
        plist = data.id.get_create_plist()
        if any(plist.get_filter(i)[0] not in _FILTERS for i in range(plist.get_nfilters())):
            raise Damage("it is packed by a filter that is not part of HDF5")
        size = data.size * data.dtype.itemsize
        if size > SMALL + MAX_RATIO * data.id.get_storage_size():
            raise Damage(f"it claims {size} bytes and stores {data.id.get_storage_size()}")
        value = data[()]
        if not text:
            return self._array(np.asarray(value))
        texts = [t.decode("utf-8") if isinstance(t, bytes) else str(t) for t in np.asarray(value, object).ravel()]
        return texts[0] if data.shape == () else [list(data.shape), texts]

    def _array(self, array: np.ndarray[Any, Any]) -> list[Any]:
        plain = array.astype(np.float32 if array.dtype == np.float16 else array.dtype.newbyteorder("<"))
        stored = np.ascontiguousarray(plain).tobytes()
        self.arrays.append(stored)
        self.length += len(stored)
        return [plain.dtype.str, list(array.shape), self.length - len(stored), len(stored)]


def content(path: str) -> list[bytes]:
    """The output in parts."""
    reader = Reader()
    tree: dict[str, Any] = {}
    try:
        with open(path, "rb") as stream, h5py.File(stream, "r") as file:  # noqa: PTH123
            tree = reader.group(file, "", ())
    except Exception as error:  # as above
        reader.damage.append((path, (str(error).splitlines() or [type(error).__name__])[0]))
    return [json.dumps({"tree": tree, "damage": reader.damage}).encode() + b"\n", *reader.arrays]


if __name__ == "__main__":
    for part in content(sys.argv[1]):
        sys.stdout.buffer.write(part)

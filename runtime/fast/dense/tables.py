"""The tables that operations point into, while they grow."""

from __future__ import annotations

from typing import Any

import numpy as np

from .operation import Tables

Array = np.ndarray[Any, np.dtype[Any]]
KINDS = (np.int32, np.int64, np.int8, np.int32, np.int64, np.float32)


class Growing:
    """Arrays behind one another, by the name of their table."""

    def __init__(self) -> None:
        # No table is empty, so compiled code always gets an address.
        self._parts: dict[str, list[Array]] = {name: [np.zeros(1)] for name in Tables._fields}
        self._length = dict.fromkeys(Tables._fields, 1)

    def put(self, name: str, values: Array) -> int:
        """Add values to a table; the index of the first."""
        first = self._length[name]
        self._parts[name].append(values.ravel())
        self._length[name] += values.size
        return first

    def done(self) -> Tables:
        joined: list[Any] = [
            np.concatenate([part.astype(kind) for part in self._parts[name]])
            for name, kind in zip(Tables._fields, KINDS, strict=True)
        ]
        return Tables(*joined)

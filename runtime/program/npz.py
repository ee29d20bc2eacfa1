"""Arrays to .npz files whose bytes depend on nothing but the arrays."""

from __future__ import annotations

import zipfile
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def write_npz(file: BinaryIO, arrays: dict[str, Array]) -> None:
    """Arrays as an uncompressed .npz under any names, in the given order, without a time of day in it."""
    # np.savez takes names as keyword arguments and so cannot write an array called `file`.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)

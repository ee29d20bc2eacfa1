"""Arrays of .npz files: numbers and text only."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import numpy as np

from ....runtime.program import npz
from ....runtime.program.diagnostics import NmcError
from .hs_api_problems import MAX_BYTES, Refusal

Array = np.ndarray[Any, np.dtype[Any]]
SUFFIX = ".npy"


def read_npz(content: bytes) -> dict[str, Array]:
    """All arrays by name. Refusal NMC-F030 (damaged, Python objects), F035 (unpacks to more than MAX_BYTES)."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MAX_BYTES:
                raise Refusal("F035", f"it unpacks to more than {MAX_BYTES:,} bytes")
            names = [member.filename for member in members]
            if len(set(names)) < len(names) or not all(name.endswith(SUFFIX) for name in names):
                raise Refusal("F030", "it holds something else than arrays, or two of one name")
            return npz.read_npz(archive, len(content))
    except (Refusal, NmcError):
        raise
    except Exception as error:
        # zipfile, zlib and numpy answer a damaged file with a dozen exception types, MemoryError for an absurd shape
        # among them.
        raise Refusal("F030", f"damaged, or no .npz file: {type(error).__name__}: {str(error)[:200]}") from error

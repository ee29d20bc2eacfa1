"""Writing a file so that a reader finds the old content or the new one, never a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .diagnostics import NmcError, bad_file


def atomic_write(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a temporary file beside `path`, flush it to the disk, then rename it to `path`.

    If anything fails, `path` is left as it was and the temporary file is removed. What `write` itself raises passes
    through, OSError apart; NMC-F014 says why the file system refused.
    """
    final = Path(os.path.realpath(path))  # a link stays a link: what it points to is replaced
    temporary = final.with_name(f".nmc-{secrets.token_hex(8)}.tmp")
    try:
        if final.exists() and not (final.is_file() and os.access(final, os.W_OK)):
            raise _refused(path, "it is there already, and is not a file that may be written")
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except BaseException as error:
        _remove(temporary)
        if isinstance(error, OSError):
            raise _refused(path, error.strerror or str(error)) from error
        raise


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return  # e.g. the folder itself is missing: the first error is the one to report


def _refused(path: str | os.PathLike[str], why: str) -> NmcError:
    return bad_file(
        "NMC-F014",
        f"cannot write {os.fspath(path)}",
        why=why,
        hint="name a file in a folder that exists and may be written, on a disk with space left",
    )

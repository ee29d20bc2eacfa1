"""Writing a file so that a reader finds the old content or the new one, never a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from .diagnostics import NmcError, bad_file

_PENDING: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("nmc_pending_files", default=None)


def atomic_write(path: str | os.PathLike[str], write: Callable[[BinaryIO], object]) -> None:
    """Call `write` with a temporary file beside `path`, flush it to the disk, then rename it to `path`.

    If anything fails, `path` is left as it was and the temporary file, `.nmc-<16 hex digits>.tmp`, is removed; a
    process that is killed leaves it there, where nothing reads it. What `write` itself raises passes through, OSError
    apart; NMC-F014 says why the file system refused.
    """
    final = Path(os.path.realpath(path))  # a link stays a link: what it points to is replaced
    temporary = final.with_name(f".nmc-{secrets.token_hex(8)}.tmp")
    with together() as pending:
        pending.append((temporary, final))
        try:
            if final.exists() and not (final.is_file() and os.access(final, os.W_OK)):
                raise _refused(path, "it is there already, and is not a file that may be written")
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:
            pending.remove((temporary, final))
            _remove(temporary)
            if isinstance(error, OSError):
                raise _refused(path, error.strerror or str(error)) from error
            raise


@contextmanager
def together() -> Iterator[list[tuple[Path, Path]]]:
    """Within, what `atomic_write` writes is renamed at the end: after an exception no file is replaced at all.

    Gives the (temporary, final) names. Only between two of the renames can a kill leave files of which some are new;
    readers of such formats compare digests. NMC-F014 where the file system refuses a name.
    """
    outer = _PENDING.get()
    if outer is not None:
        yield outer
        return
    pending: list[tuple[Path, Path]] = []
    token = _PENDING.set(pending)
    try:
        yield pending
        for temporary, final in pending:
            try:
                temporary.replace(final)
            except OSError as error:
                raise _refused(final, error.strerror or str(error)) from error
    finally:
        _PENDING.reset(token)
        for temporary, _ in pending:
            _remove(temporary)


def make_folder(path: str | os.PathLike[str], parents: bool = False) -> Path:
    """The folder `path`, made where it is not there, with `parents` also those above it. NMC-F014."""
    folder = Path(path)
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        why = getattr(error, "strerror", None) or str(error)
        hint = "name a folder that is there or may be made, not a file"
        raise bad_file("NMC-F014", f"cannot make the folder {folder}", why=why, hint=hint) from error
    return folder


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

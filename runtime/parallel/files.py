"""Files that every process of a run opens: by their path where they are there, else from their bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..program.diagnostics import bad_file


@dataclass(frozen=True)
class SharedFile:
    """A file as it was when the run began. `content` is for processes that do not have it at `path`."""

    path: str
    sha256: str
    content: bytes | None = field(default=None, compare=False, repr=False)

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The path of the file on this machine, to be opened within. NMC-R001, NMC-R075 where it is another one now.

        A program that is loaded stays in the pages of its file, also when that has no name any more.
        """
        if self.content is None:
            if sha256_of(self.path) != self.sha256:
                raise bad_file("NMC-R075", "the file changed during the run", self.path, hint="run the command again")
            yield Path(self.path)
            return
        handle, name = tempfile.mkstemp(suffix=Path(self.path).suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.content)
            yield Path(name)
        finally:
            Path(name).unlink()


def shared_file(path: str | os.PathLike[str]) -> SharedFile:
    """The file at `path` as it is now, an absolute path. NMC-R001."""
    return SharedFile(str(Path(path).resolve()), sha256_of(path))


def with_content(file: SharedFile) -> SharedFile:
    """The same with its bytes. NMC-R001."""
    with file.local() as path:
        return replace(file, content=path.read_bytes())


def is_here(file: SharedFile) -> bool:
    """Whether this machine has the file at its path."""
    return Path(file.path).is_file() and sha256_of(file.path) == file.sha256


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Of the bytes of a file, hexadecimal. NMC-R001."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        why = error.strerror or str(error)
        raise bad_file("NMC-R001", "cannot read the file", os.fspath(path), why, "check the path") from error


def external_digests(model: str) -> list[str]:
    """sha256 of the files beside an ONNX model that hold weights of it; none for a model that is one file. NMC-R001."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        tensors = onnx.load(model, load_external_data=False).graph.initializer
    except Exception:  # the float model itself says what is wrong with its file
        return []
    stored = [
        entry.value for t in tensors if uses_external_data(t) for entry in t.external_data if entry.key == "location"
    ]
    return [sha256_of(Path(model).parent / name) for name in sorted(set(stored))]

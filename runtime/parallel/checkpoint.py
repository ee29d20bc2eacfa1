"""Finished parts of a run in a file that only grows, so that a run that was ended goes on where it was.

A line is a sha256, a blank and JSON text. The first one says what the file is and what the run is (its key), each other
one what a part gave; the digest is that of the text, for a part of the key's digest and the text. A last line without
an end is what a kill has left of the part that was being written: it is cut off. Any other damage is refused.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..program.atomic import atomic_write
from ..program.diagnostics import NmcError, bad_file, usage

KIND = "nmc checkpoint"
VERSION = 1
SUFFIX = ".nmc-parts"
Key = Mapping[str, Any]
"""What a run is: plain JSON from which all it gives follows. A checkpoint goes on with a run of the same key only."""


def key_digest(key: Key) -> str:
    return hashlib.sha256(_canonical(key)).hexdigest()


def checkpoint_path(path: str | os.PathLike[str], key: Key) -> Path:
    """The file of a run: `path` itself, or, where that is a folder, the one in it that is named after the key."""
    given = Path(path)
    return given / f"{key_digest(key)[:16]}{SUFFIX}" if given.is_dir() else given


@contextmanager
def open_checkpoint(path: str | os.PathLike[str], key: Key, parts: int) -> Iterator[Checkpoint]:
    """The checkpoint at `path` of a run of so many parts, begun if there is none; one process at a time has it open.

    NmcError NMC-F014 (cannot be written), R073 (damaged, or no checkpoint), R074 (of another run, or open elsewhere).
    """
    where = os.fspath(path)
    head = {"file": KIND, "version": VERSION, "key": dict(key)}
    if not Path(path).exists() or not Path(path).stat().st_size:
        atomic_write(path, lambda file: file.write(_line(head, "")))
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND)
    except OSError as error:
        raise bad_file("NMC-F014", f"cannot write {where}", why=error.strerror or str(error)) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            hint = "wait until that run ends, or name another file"
            raise usage("NMC-R074", "another run has the checkpoint open", where, hint=hint) from error
        yield Checkpoint(file, where, key_digest(key), _read(Path(path), head, parts))
    finally:
        os.close(file)


class Checkpoint:
    """An open checkpoint. done: what each finished part gave, by its number."""

    def __init__(self, file: int, where: str, digest: str, done: dict[int, Any]):
        self.done = done
        self._file, self._where, self._digest = file, where, digest

    def add(self, part: int, gave: Any) -> None:
        """Append what a part gave, plain JSON; it is on the disk when this returns. NMC-F014."""
        line = _line({"part": part, "gave": gave}, self._digest)
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except OSError as error:
            raise bad_file("NMC-F014", f"cannot write {self._where}", why=error.strerror or str(error)) from error
        self.done[part] = gave


def _read(path: Path, head: dict[str, Any], parts: int) -> dict[int, Any]:
    """What is in the file of a run with that head; what a kill has left at its end is cut off."""
    first, *lines = path.read_bytes().split(b"\n")
    found = _parse(first, "", path, 1)
    if not lines or found.get("file") != KIND or found.get("version") != VERSION:
        raise _damaged(path, f"it does not begin as a checkpoint of version {VERSION} does")
    if found["key"] != head["key"]:
        _refuse_key(path, found["key"], head["key"])
    digest, done = key_digest(head["key"]), dict[int, Any]()
    for number, line in enumerate(lines[:-1], 2):
        record = _parse(line, digest, path, number)
        if record["part"] in done or not 0 <= record["part"] < parts:
            raise _damaged(path, f"line {number} holds part {record['part']} again, or one beyond the {parts} parts")
        done[record["part"]] = record["gave"]
    if lines[-1]:
        os.truncate(path, path.stat().st_size - len(lines[-1]))
    return done


def _parse(line: bytes, digest: str, path: Path, number: int) -> dict[str, Any]:
    """The record of a line. Its digest is right only if this module has written it, so its fields are there."""
    given, _, text = line.partition(b" ")
    if given.decode(errors="replace") != _sha256(text, digest):
        raise _damaged(path, f"line {number} does not match its checksum")
    return json.loads(text)


def _refuse_key(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    names = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    hint = "give the same files and options as before, or name another file"
    raise bad_file("NMC-R074", "the checkpoint is of another run", str(path), f"other: {', '.join(names)}", hint)


def _damaged(path: Path, why: str) -> NmcError:
    hint = "remove the file to start anew; the other lines cannot be trusted either"
    return bad_file("NMC-R073", "the checkpoint is damaged, or is none", str(path), why, hint)


def _line(record: Mapping[str, Any], digest: str) -> bytes:
    text = _canonical(record)
    return f"{_sha256(text, digest)} ".encode() + text + b"\n"


def _sha256(text: bytes, digest: str) -> str:
    return hashlib.sha256(digest.encode() + text).hexdigest()


def _canonical(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

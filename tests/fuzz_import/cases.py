"""A case is a number: the model, the fault and every random choice follow from it."""

from __future__ import annotations

from pathlib import Path
from random import Random

from onnx import ModelProto

from .corpus import corpus
from .damage import change_bytes, change_fields
from .hostile import FAULTS, MODEL, Files


def files_of(number: int) -> tuple[str, Files]:
    """A case's name (its model and its fault) and its files."""
    rng = Random(number)
    name, content = rng.choice(list(corpus().items()))
    kind = rng.random()
    if kind < 0.2:
        return f"{name}, bytes", {MODEL: change_bytes(content, rng)}
    if kind < 0.55:
        return f"{name}, fields", {MODEL: change_fields(content, rng)}
    fault = rng.choice(FAULTS)
    return f"{name}, {fault.__name__}", fault(ModelProto.FromString(content), rng)


def write(files: Files, folder: Path) -> Path:
    """Write the files into a folder, in the place of those of their names; returns the path of the model."""
    for name, content in files.items():
        (folder / name).unlink(missing_ok=True)  # a link of another case is not to be written through
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).symlink_to(content)
    return folder / MODEL

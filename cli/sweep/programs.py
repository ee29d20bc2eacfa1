"""The programs of a sweep, in a folder where a sweep that goes on finds them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...runtime.parallel.checkpoint import checkpoint_path, key_digest, open_checkpoint
from ...runtime.parallel.files import sha256_of
from ...runtime.parallel.pool import Pool
from ...runtime.program.atomic import atomic_write
from ...runtime.program.diagnostics import Diagnostic, bad_file
from .grid import Point
from .point import Compiled, Source, compile_point

CUT = 16
"""Digits of a key in the name of a program's file."""


@dataclass(frozen=True)
class Made:
    """A point of the grid with its program, None where `problems` say why there is none, with their exit code. `facts`
    are columns of its row."""

    point: Point
    path: Path | None
    facts: dict[str, Any]
    problems: tuple[Diagnostic, ...] = ()
    exit_code: int = 0


def compile_points(
    source: Source,
    identity: dict[str, Any],
    points: Sequence[Point],
    folder: Path,
    pool: Pool,
    progress: Callable[[int, int], object] | None = None,
) -> list[Made]:
    """Compile all points. identity: what beside the options a program follows from, plain JSON.

    NmcError NMC-F014, and R073 where a program in the folder is not the one that was made for its point.
    """
    keys = [{"nmc": version("nmc"), **identity, "options": point} for point in points]
    paths = [folder / f"{key_digest(key)[:CUT]}.nmc" for key in keys]
    found: dict[int, Made] = {}
    for i, key in enumerate(keys):
        with open_checkpoint(checkpoint_path(folder, key), key, 1) as kept:
            if 0 in kept.done:
                found[i] = _again(points[i], paths[i], kept.done[0])
    waiting = [i for i in range(len(points)) if i not in found]
    tasks = ((source, points[i], str(paths[i]) if pool.local else None) for i in waiting)
    for index, compiled in pool.run(compile_point, tasks):
        i = waiting[index]
        found[i] = _made(points[i], paths[i], compiled)
        if compiled.problems == ():  # what failed is tried again
            with open_checkpoint(checkpoint_path(folder, keys[i]), keys[i], 1) as kept:
                kept.add(0, {"facts": found[i].facts, "program": sha256_of(paths[i])})
        if progress:
            progress(len(found), len(points))
    return [found[i] for i in range(len(points))]


def _made(point: Point, path: Path, compiled: Compiled) -> Made:
    content = compiled.content
    if compiled.problems:
        return Made(point, None, {}, compiled.problems, compiled.exit_code)
    if content is not None:
        atomic_write(path, lambda file: file.write(content))
    return Made(
        point, path, {**compiled.facts, "compile_seconds": compiled.seconds, "program_bytes": path.stat().st_size}
    )


def _again(point: Point, path: Path, record: dict[str, Any]) -> Made:
    """A point that the folder has."""
    if sha256_of(path) != record["program"]:
        raise bad_file("NMC-R073", "the program is not the one that was made here", str(path), hint="remove the folder")
    return Made(point, path, record["facts"])

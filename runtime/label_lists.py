"""Lists that come with folders of clips: which folder has which label, and the order of the classes."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from .program.diagnostics import Diagnostic, Exit, NmcError, bad_file

SHOWN = 20
HEADER = ("video_id", "label")


def read_label_list(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """(folder, label name) for every line of a CSV: `folder;label`, or more columns and a first line that names them.

    The separator is ";" if the first line holds one, else ",". A first line that holds the names `video_id` and
    `label` says which columns to take. NmcError NMC-R021 with every line that is malformed or repeats a folder.
    """
    where, text = os.fspath(path), _read_text(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    try:
        rows = [(lines.line_num, [cell.strip() for cell in line]) for line in lines if line]
    except csv.Error as error:
        raise bad_file("NMC-R021", f"line {lines.line_num} is malformed", where, str(error)) from error
    width, columns = 2, (0, 1)
    if rows and set(HEADER) <= set(rows[0][1]):
        header = rows.pop(0)[1]
        width, columns = len(header), (header.index(HEADER[0]), header.index(HEADER[1]))
    problems: list[Diagnostic] = []
    found: dict[str, str] = {}
    for number, cells in rows:
        folder, label = (cells[i] for i in columns) if len(cells) == width else ("", "")
        if folder and label and folder not in found:
            found[folder] = label
        elif folder in found:
            problems.append(Diagnostic("NMC-R021", f"line {number} names folder {folder!r} again", where))
        else:
            hint = "a line is folder;label" if width == 2 else f"a line has {width} fields, as the first line says"
            problems.append(Diagnostic("NMC-R021", f"line {number} is malformed", where, _why(cells, width), hint))
    if not rows:
        problems.append(Diagnostic("NMC-R021", "the list names no clips", where))
    stop(problems)
    return list(found.items())


def _why(cells: Sequence[str], width: int) -> str:
    return "the folder or the label is empty" if len(cells) == width else f"it has {len(cells)} field(s), not {width}"


def read_class_list(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Class names, one a line, in the order of the class indices; NMC-R021 for empty lines and repeated names."""
    where, names = os.fspath(path), [line.strip() for line in _read_text(path).splitlines()]
    problems = []
    for i, name in enumerate(names):
        if not name or name in names[:i]:
            what = f"line {i + 1} repeats class {name!r}" if name else f"line {i + 1} is empty"
            problems.append(Diagnostic("NMC-R021", what, where, hint="one class name a line"))
    if not names:
        problems.append(Diagnostic("NMC-R021", "the list names no classes", where, hint="one class name a line"))
    stop(problems)
    return tuple(names)


def stop(problems: Sequence[Diagnostic]) -> None:
    """NmcError with the first problems and the number of those left out, if there are any problems."""
    if len(problems) > SHOWN:
        rest = Diagnostic("NMC-R021", f"and {len(problems) - SHOWN:,} more such problems")
        problems = [*problems[:SHOWN], rest]
    if problems:
        raise NmcError(problems, Exit.BAD_FILE)


def read_lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a text file; NmcError NMC-R001, R021 for one that is not UTF-8."""
    return _read_text(path).splitlines()


def _read_text(path: str | os.PathLike[str]) -> str:
    where = os.fspath(path)
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise bad_file("NMC-R001", "no such file", where, hint="check the path") from error
    except OSError as error:
        raise bad_file("NMC-R001", "cannot read the file", where, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise bad_file("NMC-R021", "the list is not text in UTF-8", where, str(error)) from error

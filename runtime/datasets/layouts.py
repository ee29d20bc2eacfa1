"""The folders that data sets of events come in: which parts of which recordings have which label."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..label_lists import read_lines, stop
from ..program.diagnostics import Diagnostic, bad_file
from .files import SUFFIXES

SPLITS = ("train", "test")
HALVES = {"train": "train", "test": "test", "ibmgesturetrain": "train", "ibmgesturetest": "test"}
"""Folders of halves, in small letters: those of N-MNIST and SpikingJelly, and of tonic's DVS128 Gesture."""
GESTURES = (
    *("hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter-clockwise"),
    *("left arm clockwise", "left arm counter-clockwise", "arm roll", "air drums", "air guitar", "other gestures"),
)
"""The classes of DVS128 Gesture, 1 to 11 in its files."""
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
NUMBER = re.compile(r"[0-9]{1,9}")
LAST = 1 << 62  # microseconds
PERSON = re.compile(r"user[0-9]+_.+")


@dataclass(frozen=True)
class Clip:
    """A sample: the events of a file, of all of it or of start ≤ t < stop in µs, and its label."""

    file: Path
    label: int
    start: int | None = None
    stop: int | None = None

    @property
    def where(self) -> str:
        return str(self.file) if self.start is None else f"{self.file}, {self.start} to {self.stop} µs"


def trials(folder: Path, split: str) -> list[Clip]:
    """DVS128 Gesture as published: `trials_to_<split>.txt` lists recordings, and beside each lie its labels.

    NmcError NMC-R001, R021 with all files that are missing and all lines of labels that are malformed.
    """
    lines = read_lines(folder / f"trials_to_{split}.txt")
    clips: list[Clip] = []
    problems: list[Diagnostic] = []
    for file in (folder / line.strip() for line in lines if line.strip()):
        beside = file.with_name(f"{file.stem}_labels.csv")
        missing = [path for path in (file, beside) if not path.is_file()]
        what, hint = "a recording or its labels are missing", "unpack the whole archive, or take the line off the list"
        problems += [Diagnostic("NMC-R021", what, str(path), hint=hint) for path in missing]
        if not missing:
            for label in _labels(beside):
                if isinstance(label, Diagnostic):
                    problems.append(label)
                else:
                    clips.append(Clip(file, *label))
    if not clips and not problems:
        problems.append(Diagnostic("NMC-R021", "the list names no recordings", str(folder / f"trials_to_{split}.txt")))
    stop(problems)
    return clips


def _labels(path: Path) -> Iterator[tuple[int, int, int] | Diagnostic]:
    """(class from 0, start, stop) for every line of a recording's labels, or what is wrong with it."""
    try:
        rows = [(number, row) for number, row in enumerate(csv.reader(read_lines(path)), 1) if row]
    except csv.Error as error:
        yield Diagnostic("NMC-R021", "the labels of a recording are malformed", str(path), str(error))
        return
    if not rows or [field.strip() for field in rows[0][1]] != COLUMNS:
        yield Diagnostic("NMC-R021", f"the first line is not {','.join(COLUMNS)}", str(path))
        return
    if len(rows) == 1:
        yield Diagnostic("NMC-R021", "the recording has no labels", str(path))
    for number, row in rows[1:]:
        try:
            gesture, start, end = map(int, row)
            if not 1 <= gesture <= len(GESTURES):
                raise ValueError(f"there is no class {gesture}")
            if not 0 <= start < end < LAST:
                raise ValueError(f"a gesture from {start} to {end} µs")
        except ValueError as error:
            yield Diagnostic("NMC-R021", f"line {number} is malformed", str(path), str(error))
        else:
            yield gesture - 1, start, end


def persons(folder: Path) -> list[Clip]:
    """DVS128 Gesture as it comes with tonic: `user24_led/3.npy` is a recording of class 3. NmcError NMC-R021."""
    files = [file for person in subfolders(folder) for file in recordings(person)]
    wrong = [file for file in files if not NUMBER.fullmatch(file.stem)]
    hint = "recordings of tonic are called by the number of their class: 3.npy"
    stop([Diagnostic("NMC-R021", "the name of the recording is no class", str(file), hint=hint) for file in wrong])
    return [Clip(file, int(file.stem)) for file in files]


def class_folders(folder: Path, names: Sequence[str]) -> tuple[list[Clip], tuple[str, ...]]:
    """A folder for each class, with its recordings, one of every class in turn; and the classes' names.

    Folders called by numbers are classes by index. Others are classes by name: their index is that in `names`, or
    without these that among the sorted folders. NmcError NMC-R020, R021.
    """
    folders = subfolders(folder)
    if not folders:
        hint = "docs/datasets.md shows the folders of each format"
        raise bad_file("NMC-R021", "there are no folders of classes", str(folder), hint=hint)
    order = tuple(names)
    if all(NUMBER.fullmatch(entry.name) for entry in folders):
        labels = [int(entry.name) for entry in folders]
    else:
        order = order or tuple(entry.name for entry in folders)
        unknown = [entry for entry in folders if entry.name not in order]
        what = f"the folder is not called as one of the {len(order)} classes"
        hint = "the classes are those of --classes, or those that the program was compiled with"
        stop([Diagnostic("NMC-R020", what, str(entry), hint=hint) for entry in unknown])
        labels = [order.index(entry.name) for entry in folders]
    found = [recordings(entry) for entry in folders]
    empty = [entry for entry, files in zip(folders, found, strict=True) if not files]
    stop([Diagnostic("NMC-R021", "the folder holds no recordings", str(entry)) for entry in empty])
    numbered = [
        (turn, label, file) for label, files in zip(labels, found, strict=True) for turn, file in enumerate(files)
    ]
    return [Clip(file, label) for _, label, file in sorted(numbered)], order


def split_folder(folder: Path, split: str | None) -> tuple[Path, str | None]:
    """The half of a data set that is asked for, by default "test", if it lies in a folder of its own (HALVES), and
    which one it is. NmcError NMC-R021 where one is asked for and is not there."""
    halves = {HALVES[entry.name.lower()]: entry for entry in subfolders(folder) if entry.name.lower() in HALVES}
    if not halves:
        if split is not None:
            hint = "leave out --split, or name the folder that holds both halves"
            raise bad_file("NMC-R021", f"there is no folder of the {split} recordings", str(folder), hint=hint)
        return folder, None
    wanted = split or "test"
    if wanted not in halves:
        raise bad_file("NMC-R021", f"there is no folder of the {wanted} recordings", str(folder), hint="--split")
    return halves[wanted], wanted


def subfolders(folder: Path) -> list[Path]:
    """Those that are not hidden, in order: by number where their names are numbers."""
    return sorted((entry for entry in _entries(folder) if entry.is_dir()), key=_natural)


def recordings(folder: Path) -> list[Path]:
    """The recordings in a folder, in order; other files do not count."""
    return sorted((entry for entry in _entries(folder) if entry.suffix.lower() in SUFFIXES), key=_natural)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder and not hidden; NmcError NMC-R021."""
    try:
        return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise bad_file("NMC-R021", "cannot read the folder", str(folder), error.strerror or str(error)) from error


def _natural(path: Path) -> tuple[int, str]:
    return (int(path.stem) if NUMBER.fullmatch(path.stem) else -1, path.name)

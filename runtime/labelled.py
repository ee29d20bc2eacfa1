"""Labelled samples to evaluate a program on, read part by part: arrays of a file, folders of frames or recordings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from .arith import Ints
from .data import read_arrays
from .datasets.binning import Binning
from .datasets.samples import KINDS, kind_of, open_events
from .encode import Array, Sample, check_inputs
from .frames import open_frames
from .label_lists import read_class_list
from .program.container import Program
from .program.diagnostics import bad_file, usage

LABEL_NAMES = ("labels", "label", "y")
Format = Literal["auto", "npz", "frames", "dvs128", "nmnist", "events"]
FORMATS: tuple[Format, ...] = ("auto", "npz", "frames", *KINDS)


class Labelled(Protocol):
    """Samples with their classes. Anything with these three can be evaluated.

    labels  int64 (n,), the class index of every sample
    names   the classes' names by index; () where they have none
    """

    @property
    def labels(self) -> Ints: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def read(self, low: int, high: int) -> Mapping[str, Array]:
        """Samples low … high−1 by input name, (high − low, *shape) each, in the source model's values and layout."""
        ...


@runtime_checkable
class Divisible(Labelled, Protocol):
    """What labelled samples offer beside if other processes can read them, and an evaluation of them can be resumed."""

    def cut(self, low: int, high: int) -> Labelled:
        """Samples low … high−1 alone; they go to another process by pickle."""
        ...

    def digest(self) -> str:
        """sha256, hexadecimal, of all samples and labels, or of what tells that they are others now."""
        ...


@dataclass(frozen=True)
class LabelledArrays:
    """Samples that are in memory: arrays (n, *shape) by input name, integer labels (n,), else NmcError NMC-R020."""

    arrays: Mapping[str, Array]
    labels: Ints
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, array in self.arrays.items():
            _check_whole(self.labels, len(array), f"labels of {name!r}")

    def read(self, low: int, high: int) -> dict[str, Array]:
        return {name: array[low:high] for name, array in self.arrays.items()}

    def cut(self, low: int, high: int) -> LabelledArrays:
        return LabelledArrays(self.read(low, high), self.labels[low:high], self.names)

    def digest(self) -> str:
        """Of names, dtypes, shapes and values of all arrays, the labels under the name ""."""
        total = hashlib.sha256()
        for name, array in sorted({**self.arrays, "": self.labels}.items()):
            total.update(repr((name, array.dtype.str, array.shape)).encode())
            total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()


def open_labelled(
    path: str | os.PathLike[str],
    program: Program,
    *,
    labels: str | os.PathLike[str] | None = None,
    classes: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    limit: int | None = None,
    kind: Format = "auto",
    split: str | None = None,
    events: Binning | None = None,
) -> Labelled:
    """The labelled samples of a file, of a folder of frame folders, or of a folder of recordings of an event camera.

    labels   the CSV that lists the frame folders and their labels: for these only
    classes  a file with the class names, one a line, in the order of the class indices; default: the program's
    scale    pixel values 0 … 255 are divided by it (default: as the program says, or 255); for frame folders only
    limit    the first `limit` samples only
    kind     "npz" (`read_labelled`; also .safetensors), "frames" (`frames.open_frames`), "dvs128", "nmnist" or "events"
             (`datasets.samples.open_events`); "auto" tells by what is there
    split    which half of a data set of recordings: "train" or "test" (default)
    events   how events become frames: for recordings only

    NmcError NMC-R020 (labels; usage: what does not belong to this kind), R021 (frames, lists), R022 (no package to read
    images with), R001 to R007.
    """
    where = Path(path)
    chosen = kind if kind != "auto" else _kind_of(where, labels is not None)
    if chosen == "npz" or not where.is_dir():  # what is no folder is refused as a file, for what it is
        kinds = {"labels": labels, "scale": scale, "split": split, "events": events}
        given = [name for name, value in kinds.items() if value is not None] + (
            [kind] if kind not in ("auto", "npz") else []
        )
        if given and where.exists():
            what = f"{' and '.join(given)} belong to a folder of frames or recordings, and the data is a file"
            raise usage("NMC-R020", what, os.fspath(path), hint="a file holds its labels and values as they are")
        names = _names(program, classes)
        data = read_labelled(path, program.inputs)
        return LabelledArrays(data.read(0, len(data.labels) if limit is None else limit), data.labels[:limit], names)
    if chosen in KINDS:
        _only(
            {"labels": labels, "scale": scale}, "a folder of frames, and here are recordings of an event camera", path
        )
        names = () if classes is None else read_class_list(classes)
        return open_events(path, chosen, program, names, split, events, limit)
    _only({"split": split, "events": events}, "recordings of an event camera, and here are frames", path)
    if labels is None:
        hint = "give the CSV with one line `folder;label` for every clip (--labels)"
        raise usage("NMC-R020", "a folder of frames needs a list of labels", os.fspath(path), hint=hint)
    return open_frames(path, labels, program, _names(program, classes), scale, limit)


def _kind_of(path: Path, listed: bool) -> Format:
    if not path.is_dir():
        return "npz"
    return "frames" if listed else kind_of(path) or "frames"


def _names(program: Program, classes: str | os.PathLike[str] | None) -> tuple[str, ...]:
    return program.task.classes if classes is None else read_class_list(classes)


def _only(given: Mapping[str, object], what: str, path: str | os.PathLike[str]) -> None:
    names = " and ".join(name for name, value in given.items() if value is not None)
    if names:
        raise usage("NMC-R020", f"{names} belong to {what}", os.fspath(path), hint="leave them out")


def read_labelled(path: str | os.PathLike[str], inputs: Sequence[Sample]) -> LabelledArrays:
    """A file (.npz, .safetensors) with one array per input under its name, or a single one under any name, and labels.

    The labels are integers (n,) called `labels`, `label` or `y`. Any other array is refused by name (NMC-R004).
    """
    where, given = os.fspath(path), read_arrays(path)
    arrays: dict[str, Any] = dict(given) if isinstance(given, dict) else {"": given}
    wanted = {entry.name for entry in inputs}
    found = [name for name in LABEL_NAMES if name in arrays and name not in wanted]
    if len(found) != 1:
        names = ", ".join(map(repr, LABEL_NAMES))
        what = f"several arrays of labels: {', '.join(map(repr, found))}" if found else "no array of labels"
        raise bad_file("NMC-R020", what, where, hint=f"store one integer array (n,) under one of the names {names}")
    labels = arrays.pop(found[0])
    if len(inputs) == 1 and len(arrays) == 1:
        arrays = {inputs[0].name: next(iter(arrays.values()))}
    if arrays.keys() != wanted:
        wrong = [f"{name!r} is missing" for name in sorted(wanted - arrays.keys())]
        wrong += [f"{name!r} is neither an input nor the labels" for name in sorted(arrays.keys() - wanted)]
        expected = ", ".join(map(repr, sorted(wanted)))
        raise bad_file("NMC-R004", f"the arrays are not the inputs {expected}", where, "; ".join(wrong))
    checked = check_inputs(inputs, arrays)
    for array in checked.values():
        _check_whole(labels, len(array), where)
    # A label beyond int64 would turn negative; either way it lies outside the classes, which `check_labels` says.
    return LabelledArrays(checked, labels.astype(np.int64))


def _check_whole(labels: Array, samples: int, where: str) -> None:
    if labels.dtype.kind not in "iu":
        raise bad_file("NMC-R020", f"labels must be integers, not {labels.dtype}", where, hint="astype(np.int64)")
    if labels.shape != (samples,):
        raise bad_file("NMC-R020", f"labels must have shape ({samples},), not {labels.shape}", where)


def check_labels(data: Labelled, classes: int) -> None:
    """NmcError NMC-R020 unless there are samples, their labels are classes of the network, and so are the names."""
    labels = data.labels
    if data.names and len(data.names) != classes:
        hint = "list all classes of the network in the order of its outputs (--classes)"
        raise bad_file("NMC-R020", f"there are {len(data.names)} class names; the network has {classes}", hint=hint)
    if not len(labels):
        raise bad_file("NMC-R020", "there are no samples to evaluate")
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        first = f"the first is {labels[wrong[0]]}, of sample {wrong[0]}"
        what = f"{len(wrong)} of {len(labels)} labels lie outside the classes 0 to {classes - 1}"
        raise bad_file("NMC-R020", what, why=first)

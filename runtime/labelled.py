"""Labelled samples to evaluate a program on, read part by part: arrays of a file, or folders of frames."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .arith import Ints
from .data import read_arrays
from .encode import Array, Sample, check_inputs
from .frames import PIXEL_MAX, open_frames
from .label_lists import read_class_list
from .program.container import Program
from .program.diagnostics import bad_file, usage

LABEL_NAMES = ("labels", "label", "y")


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


def open_labelled(
    path: str | os.PathLike[str],
    program: Program,
    *,
    labels: str | os.PathLike[str] | None = None,
    classes: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    limit: int | None = None,
) -> Labelled:
    """The labelled samples of a file (`read_labelled`) or of a folder of frame folders (`frames.open_frames`).

    labels   the CSV that lists the frame folders and their labels: for a folder, and only there
    classes  a file with the class names, one a line, in the order of the class indices
    scale    pixel values 0 … 255 are divided by it (default 255); for a folder only
    limit    the first `limit` samples only

    NmcError NMC-R020 (labels), R021 (frames, lists), R022 (no package to read images with), R001 to R007.
    """
    names = () if classes is None else read_class_list(classes)
    if Path(path).is_dir():
        if labels is None:
            hint = "give the CSV with one line `folder;label` for every clip (--labels)"
            raise usage("NMC-R020", "a folder of frames needs a list of labels", os.fspath(path), hint=hint)
        return open_frames(path, labels, program, names, PIXEL_MAX if scale is None else scale, limit)
    given = [name for name, value in (("labels", labels), ("scale", scale)) if value is not None]
    if given and Path(path).exists():
        what = f"{' and '.join(given)} belong to a folder of frames, and the data is a file"
        raise usage("NMC-R020", what, os.fspath(path), hint="a file holds its labels and values as they are")
    data = read_labelled(path, program.inputs)
    return LabelledArrays(data.read(0, len(data.labels) if limit is None else limit), data.labels[:limit], names)


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

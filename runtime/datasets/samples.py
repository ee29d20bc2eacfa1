"""Recordings of event cameras as labelled samples, read and made frames when asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..aedat import Events
from ..arith import Ints
from ..frames import Pixels, pixels_of
from ..label_lists import stop
from ..program.container import Program
from ..program.diagnostics import Diagnostic, NmcError, usage
from .binning import POLARITIES, Binning, event_frames
from .files import read_recording
from .layouts import GESTURES, PERSON, Clip, class_folders, persons, recordings, split_folder, subfolders, trials

Floats32 = NDArray[np.float32]
Kind = Literal["dvs128", "nmnist", "events"]

KINDS: tuple[Kind, ...] = ("dvs128", "nmnist", "events")
SENSORS = {"dvs128": (128, 128), "nmnist": (34, 34)}


@dataclass(frozen=True)
class Take:
    """What becomes of recordings: the input that takes them, how events become its frames, the sensor's (w, h)."""

    pixels: Pixels
    how: Binning
    sensor: tuple[int, int]

    def __call__(self, events: Events) -> Floats32:
        """A sample as the source model takes it, `pixels.shape`. ValueError (`event_frames`)."""
        size = (self.pixels.height, self.pixels.width)
        return self.pixels.arrange(event_frames(events, self.how, self.sensor, self.pixels.frames, size))

    def facts(self) -> dict[str, Any]:
        """As JSON data."""
        how, (width, height) = self.how, self.sensor
        return {
            "sensor": f"{width}x{height}",
            "frames": self.pixels.frames,
            "size": f"{self.pixels.width}x{self.pixels.height}",
            "bins": how.bins if how.window is None else "window",
            "window_us": how.window,
            "values": how.values,
            "resize": how.resize,
            "polarity": "off-on" if how.on else "on-off",
        }


@dataclass(frozen=True)
class EventSamples:
    """Labelled recordings; labels and names as `Labelled`. `split` is the half of the data set, None if it has none."""

    take: Take
    clips: tuple[Clip, ...]
    names: tuple[str, ...]
    kind: Kind
    split: str | None

    @property
    def labels(self) -> Ints:
        return np.array([clip.label for clip in self.clips], np.int64)

    def facts(self) -> dict[str, Any]:
        """What the samples are and how they were made, as JSON data."""
        return {"format": self.kind, "split": self.split, **self.take.facts()}

    def cut(self, low: int, high: int) -> EventSamples:
        return replace(self, clips=tuple(replace(clip, file=clip.file.absolute()) for clip in self.clips[low:high]))

    def digest(self) -> str:
        """Of the files' paths, sizes and times of change, the labels, and how frames are made."""
        total = hashlib.sha256(repr(self.facts()).encode())
        for clip in self.clips:
            key = _key(clip.file)
            total.update(repr((str(clip.file.resolve()), *key[1:], clip.label, clip.start, clip.stop)).encode())
        return total.hexdigest()

    def read(self, low: int, high: int) -> dict[str, Floats32]:
        """Samples low … high−1, (high − low, *shape); NmcError with all recordings of theirs that are damaged (R001 to
        R003), or whose events do not make frames (R005)."""
        made = np.zeros((len(self.clips[low:high]), *self.take.pixels.shape), np.float32)
        problems: dict[Diagnostic, None] = {}
        for sample, clip in zip(made, self.clips[low:high], strict=True):
            try:
                sample[...] = self.take(_part(clip))
            except NmcError as error:
                problems |= dict.fromkeys(error.diagnostics)
            except ValueError as error:
                what, hint = "the recording does not make frames", "--sensor is the camera's size, --bins makes frames"
                problems[Diagnostic("NMC-R005", what, clip.where, str(error), hint)] = None
        stop(list(problems))
        return {self.take.pixels.name: made}


def _part(clip: Clip) -> Events:
    events = _recording(*_key(clip.file))
    return events if clip.start is None or clip.stop is None else events.between(clip.start, clip.stop)


def _key(file: Path) -> tuple[Path, int, int]:
    try:
        found = file.stat()
    except OSError:
        return file, -1, -1
    return file, found.st_size, found.st_mtime_ns


# Samples of DVS128 Gesture follow one another in one recording: the last one that was read is kept.
@lru_cache(maxsize=1)
def _recording(file: Path, size: int, changed: int) -> Events:
    return read_recording(file)


def kind_of(folder: Path) -> Kind | None:
    """Which kind of data set of events lies in a folder, by the names in it; None for another one."""
    if any((folder / f"trials_to_{half}.txt").is_file() for half in ("train", "test")):
        return "dvs128"
    first = next(iter(subfolders(folder)), None)
    inside = folder if first is None else split_folder(folder, None)[0]
    for entry in subfolders(inside):
        for file in recordings(entry):
            if PERSON.fullmatch(entry.name) and file.suffix.lower() == ".npy":
                return "dvs128"
            return "nmnist" if file.suffix.lower() == ".bin" else "events"
    return None


def open_events(
    folder: str | os.PathLike[str],
    kind: Kind,
    program: Program,
    names: Sequence[str] = (),
    split: str | None = None,
    how: Binning | None = None,
    limit: int | None = None,
) -> EventSamples:
    """The recordings in a folder, for a program with one input of two channels.

    kind    "dvs128"  DVS128 Gesture, 128x128 pixels: as published, or as tonic or SpikingJelly convert it
            "nmnist"  N-MNIST and what is like it, 34x34 pixels: folders 0 … 9 of .bin files
            "events"  a folder for each class, with recordings of any kind (`files`); how.sensor is needed
    names   class names by index; without them the program's, or the data set's
    split   "train" or "test" (by default) of a data set that has both
    how     by default Binning()
    limit   the first `limit` recordings only

    NmcError NMC-R001, R004, R005, R020, R021: all problems of the folders at once; damaged recordings show when read.
    """
    how, root = how or Binning(), Path(folder)
    pixels = pixels_of(program, (POLARITIES,))
    sensor = how.sensor or SENSORS.get(kind)
    if sensor is None:
        hint = "name the camera's size, for example --sensor 346x260"
        raise usage("NMC-R020", "the size of the event camera is not known", os.fspath(folder), hint=hint)
    known = tuple(names) or program.task.classes
    if any((root / f"trials_to_{half}.txt").is_file() for half in ("train", "test")):
        split = split or "test"
        clips = trials(root, split)
    else:
        root, split = split_folder(root, split)
        if any(PERSON.fullmatch(entry.name) for entry in subfolders(root)):
            clips = persons(root)
        else:
            clips, known = class_folders(root, known)
    if kind == "dvs128" and not known:
        known = GESTURES
    return EventSamples(Take(pixels, how, sensor), tuple(clips[:limit]), known, kind, split)

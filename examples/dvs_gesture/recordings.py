"""The DVS128 Gesture data set: its folder, its labels, and samples as the network takes them.

The folder holds `user*.aedat`, a `user*_labels.csv` beside each, `trials_to_train.txt` and `trials_to_test.txt`:
https://research.ibm.com/interactive/dvsgesture
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nmc.runtime.aedat import Events, read_events

Split = Literal["train", "test"]
Frames = NDArray[np.float32]

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
COLUMNS = ["class", "startTime_usec", "endTime_usec"]
SENSOR = 128  # pixels on a side
SIZE = 63
FRAMES = 10


class DataError(ValueError):
    """The folder is not the data set, or a file in it is damaged; the message names the file and the line."""


@dataclass(frozen=True)
class Label:
    """A gesture in a recording: class from 0, and start ≤ t < stop in microseconds."""

    gesture: int
    start: int
    stop: int


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None


def recordings(folder: Path, split: Split) -> list[Path]:
    """The recordings of one half, in the order of its list. DataError names all that are missing."""
    names = [line.strip() for line in _lines(folder / f"trials_to_{split}.txt")]
    found = [folder / name for name in names if name]
    missing = [str(file) for path in found for file in (path, labels_of(path)) if not file.is_file()]
    if missing:
        raise DataError(f"missing: {', '.join(missing)}")
    return found


def labels_of(recording: Path) -> Path:
    return recording.with_name(f"{recording.stem}_labels.csv")


def _label(fields: list[str]) -> Label:
    gesture, start, stop = map(int, fields)
    if not 1 <= gesture <= len(CLASSES):
        raise ValueError(f"there is no class {gesture}")
    if not 0 <= start < stop:
        raise ValueError(f"a gesture from {start} to {stop} µs")
    return Label(gesture - 1, start, stop)


def read_labels(path: Path) -> list[Label]:
    """The labels of a recording; classes 1 to 11 of the file become 0 to 10."""
    rows = [(number, row) for number, row in enumerate(csv.reader(_lines(path)), 1) if row]
    if not rows or [field.strip() for field in rows[0][1]] != COLUMNS:
        raise DataError(f"{path}: the first line is not {','.join(COLUMNS)}")
    labels = []
    for number, row in rows[1:]:
        try:
            labels.append(_label(row))
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {error}") from None
    return labels


def samples(recording: Path) -> Iterator[tuple[Events, Label]]:
    """The labelled parts of a recording. DataError if one has fewer events than frames."""
    events = read_events(recording)
    for label in read_labels(labels_of(recording)):
        part = events.between(label.start, label.stop)
        if len(part) < FRAMES:
            raise DataError(f"{recording}: {len(part)} events from {label.start} to {label.stop} µs")
        yield part, label


def count_frames(events: Events, frames: int = FRAMES) -> NDArray[np.int32]:
    """Counts of events (frames, 2, SENSOR, SENSOR), darker and brighter, rows before columns.

    Each frame counts the same number of events, n // frames; the last one takes the remainder too. ValueError for fewer
    events than frames, and for events outside the sensor.
    """
    if len(events) < frames:
        raise ValueError(f"{len(events)} events do not fill {frames} frames")
    if max(events.x.max(), events.y.max()) >= SENSOR or min(events.x.min(), events.y.min()) < 0:
        raise ValueError(f"events outside the {SENSOR}×{SENSOR} pixels of the sensor")
    frame = np.minimum(np.arange(len(events)) // (len(events) // frames), frames - 1)
    place = ((frame * 2 + events.on) * SENSOR + events.y) * SENSOR + events.x
    counts = np.bincount(place, minlength=frames * 2 * SENSOR * SENSOR)
    return counts.astype(np.int32).reshape(frames, 2, SENSOR, SENSOR)


def resize(images: NDArray[Any], size: int) -> NDArray[np.float64]:
    """Square images (…, old, old) as (…, size, size): bilinear, with half-pixel centres, without antialiasing.

    Pixel i lies at (i + 1/2) · old / size − 1/2, between two pixels of the image or on its first or last one; torch
    calls it align_corners=False.
    """
    old = images.shape[-1]
    at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    first = np.floor(at).astype(int)
    second, share = np.minimum(first + 1, old - 1), at - first
    rows = images[..., first, :] * (1 - share)[:, None] + images[..., second, :] * share[:, None]
    return rows[..., first] * (1 - share) + rows[..., second] * share


def binary_frames(events: Events, frames: int = FRAMES, size: int = SIZE) -> Frames:
    """What the network takes: (frames, 2, size, size), 1 where the resized count is above 0, else 0."""
    return (resize(count_frames(events, frames), size) > 0).astype(np.float32)


def load(folder: Path, split: Split, limit: int | None = None) -> tuple[Frames, NDArray[np.int64]]:
    """The first `limit` samples of one half of the data set: frames (n, FRAMES, 2, SIZE, SIZE) and classes (n,)."""
    made, gestures = [], []
    for recording in recordings(folder, split):
        for events, label in samples(recording):
            made.append(binary_frames(events))
            gestures.append(label.gesture)
            if len(made) == limit:
                return np.stack(made), np.array(gestures)
    if not made:
        raise DataError(f"{folder}: no sample is listed for {split}")
    return np.stack(made), np.array(gestures)

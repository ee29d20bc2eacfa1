"""Recordings of event cameras as frames of ON and OFF events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...runtime.aedat import AedatError, read_events
from ...runtime.encode import Array
from ...runtime.program.budget import take_memory
from ...runtime.program.diagnostics import bad_file
from .view import EVENTS, View

EVENT_FILES = ".aedat"


@dataclass(frozen=True)
class Sensor:
    """Pixels of the camera, and how many microseconds of events make a frame."""

    width: int = 128
    height: int = 128
    window: int = 50_000


def event_frames(path: Path, view: View, sensor: Sensor) -> tuple[Iterator[Array], int]:
    """Frame k holds a 1 wherever an event fell in window k after the first event, else 0; and how many there are.

    Column x of the sensor belongs to column ⌊x · W / width⌋ of the frame, rows likewise. NmcError NMC-R001, R002 for a
    file that is no AEDAT 3.1, R005 for a program that takes no events, a recording without any, or another sensor, R050
    for more frames than memory has room for.
    """
    if view.channels != EVENTS:
        what = f"input {view.name!r} takes images of {view.channels} channels, and {path.name} holds events"
        raise bad_file("NMC-R005", what, str(path), hint="a network for events has 2 channels, ON and OFF")
    try:
        events = read_events(path)
    except AedatError as error:
        raise bad_file("NMC-R002", "no AEDAT 3.1 file, or a damaged one", str(path), str(error)) from error
    except OSError as error:
        raise bad_file("NMC-R001", "cannot read the file", str(path), error.strerror or str(error)) from error
    if not len(events):
        raise bad_file("NMC-R005", "the recording holds no events", str(path))
    x, y = events.x.astype(np.int64), events.y.astype(np.int64)
    if x.max() >= sensor.width or y.max() >= sensor.height:
        what = f"an event at ({x.max()}, {y.max()}) or beyond lies outside {sensor.width}x{sensor.height} pixels"
        raise bad_file("NMC-R005", what, str(path), hint="name the camera's size: --sensor 346x260")
    rows, columns = y * view.height // sensor.height, x * view.width // sensor.width
    channels = np.where(events.on, view.on, 1 - view.on)
    frame = (events.t - events.t.min()) // sensor.window
    count = int(frame.max()) + 1
    take_memory(8 * count, f"a recording of {count:,} frames")

    def frames() -> Iterator[Array]:
        order = np.argsort(frame, kind="stable")
        ends = np.searchsorted(frame[order], np.arange(count + 1))
        for low, high in pairwise(ends):
            seen = order[low:high]
            picture = np.zeros((view.height, view.width, EVENTS), np.float32)
            picture[rows[seen], columns[seen], channels[seen]] = 1
            yield view.frame(picture)

    return frames(), count

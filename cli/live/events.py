"""Recordings of event cameras as frames of ON and OFF events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...runtime.datasets.binning import POLARITIES, Binning, check_places, drawn, frame_numbers
from ...runtime.datasets.files import read_recording
from ...runtime.encode import Array
from ...runtime.program.budget import take_memory
from ...runtime.program.diagnostics import bad_file
from .view import View

EVENT_FILES = (".aedat", ".bin")


@dataclass(frozen=True)
class Sensor:
    """Pixels of the camera, and how many microseconds of events make a frame."""

    width: int = 128
    height: int = 128
    window: int = 50_000


def event_frames(path: Path, view: View, sensor: Sensor) -> tuple[Iterator[Array], int]:
    """Frame k holds a 1 wherever an event fell in window k after the first event, else 0; and how many there are.

    Events become frames as `Binning` says. NmcError NMC-R001, R002 for a damaged file, R005 for a program that takes no
    events, a recording without any, or another sensor, R050 for more frames than memory has room for.
    """
    if view.channels != POLARITIES:
        what = f"input {view.name!r} takes images of {view.channels} channels, and {path.name} holds events"
        raise bad_file("NMC-R005", what, str(path), hint="a network for events has 2 channels, ON and OFF")
    events, how = read_recording(path), Binning(window=sensor.window, on=view.on)
    pixels, size = (sensor.width, sensor.height), (view.height, view.width)
    try:
        check_places(events, pixels)
        frame = frame_numbers(events, how, 1)
    except ValueError as error:
        hint = "name the camera's size: --sensor 346x260"
        raise bad_file("NMC-R005", "the recording does not make frames", str(path), str(error), hint) from error
    count = int(frame.max()) + 1
    take_memory(8 * count, f"a recording of {count:,} frames")

    def frames() -> Iterator[Array]:
        order = np.argsort(frame, kind="stable")
        ends = np.searchsorted(frame[order], np.arange(count + 1))
        for low, high in pairwise(ends):
            seen = events.at(order[low:high])
            (picture,) = drawn(seen, np.zeros(len(seen), np.int64), how, pixels, 1, size)
            yield view.frame(picture)

    return frames(), count

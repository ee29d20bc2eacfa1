"""From events to frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..aedat import Events
from ..arith import Floats, Ints

Floats32 = NDArray[np.float32]

POLARITIES = 2


@dataclass(frozen=True)
class Binning:
    """How the n events of a recording, from t₀ to t₁, become the m frames that a network takes.

    bins    "count"  frame k has the events k·(n // m) to (k + 1)·(n // m) − 1, the last one the remainder too
            "time"   frame k has those with t₀ + k·d ≤ t < t₀ + (k + 1)·d, d = (t₁ − t₀) // m; the last one the rest too
    window  microseconds: instead of `bins`, frame k has those with t₀ + k·window ≤ t < t₀ + (k + 1)·window. Events
            behind the last frame's window are left out; frames behind the last event are empty
    values  "binary"  1 where there is more than nothing, else 0
            "count"   how many events
    resize  "move"      an event at column x of the sensor counts at column ⌊x · W / width⌋ of the frame, rows likewise
            "bilinear"  counts of the sensor's pixels are interpolated (`resized`)
    on      the channel of events that became brighter (ON), 0 or 1; the other one has those that became darker
    sensor  (width, height) in pixels, None as the data set has it

    "count" and "time" with values "count" are the frames that SpikingJelly makes with `split_by` "number" and "time".
    """

    bins: Literal["count", "time"] = "count"
    window: int | None = None
    values: Literal["binary", "count"] = "binary"
    resize: Literal["move", "bilinear"] = "move"
    on: int = 1
    sensor: tuple[int, int] | None = None


def event_frames(events: Events, how: Binning, sensor: tuple[int, int], frames: int, size: tuple[int, int]) -> Floats32:
    """Frames (frames, H, W, 2) of a recording; size is (H, W), sensor (width, height).

    ValueError, which says why, for events outside the sensor and too few of them to fill the frames.
    """
    return drawn(events, frame_numbers(events, how, frames), how, sensor, frames, size)


def frame_numbers(events: Events, how: Binning, frames: int) -> Ints:
    """The frame of every event, int64 (n,); with a window it may be one behind the last."""
    if not len(events):
        raise ValueError("the recording holds no events")
    if how.window is not None:
        return (events.t - events.t.min()) // how.window
    if how.bins == "count":
        share = len(events) // frames
        if not share:
            raise ValueError(f"{len(events)} events do not fill {frames} frames")
        return np.minimum(np.arange(len(events), dtype=np.int64) // share, frames - 1)
    first, last = int(events.t.min()), int(events.t.max())
    length = (last - first) // frames
    if not length:
        raise ValueError(f"events of {last - first} µs do not fill {frames} frames")
    return np.minimum((events.t - first) // length, frames - 1)


def drawn(
    events: Events, frame: Ints, how: Binning, sensor: tuple[int, int], frames: int, size: tuple[int, int]
) -> Floats32:
    """Frames (frames, H, W, 2) of events whose frames are known; those of other frames are left out. ValueError."""
    check_places(events, sensor)
    (width, height), shown = sensor, frame < frames
    x, y = events.x[shown].astype(np.int64), events.y[shown].astype(np.int64)
    if how.resize == "move":
        x, y = x * size[1] // width, y * size[0] // height
        height, width = size
    channel = np.where(events.on[shown], how.on, 1 - how.on)
    place = ((frame[shown] * POLARITIES + channel) * height + y) * width + x
    shape = (frames, POLARITIES, height, width)
    counts: NDArray[Any] = np.bincount(place, minlength=frames * POLARITIES * height * width).reshape(shape)
    if (height, width) != size:
        counts = resized(counts, *size)
    made = counts > 0 if how.values == "binary" else counts
    return made.astype(np.float32).transpose(0, 2, 3, 1)


def check_places(events: Events, sensor: tuple[int, int]) -> None:
    """ValueError for events outside the sensor."""
    width, height = sensor
    outside = (events.x < 0) | (events.x >= width) | (events.y < 0) | (events.y >= height)
    if outside.any():
        first = int(outside.argmax())
        place = f"the first at ({events.x[first]}, {events.y[first]})"
        count = int(np.count_nonzero(outside))
        raise ValueError(f"{count} of {len(events)} events lie outside {width}x{height} pixels, {place}")


def resized(images: NDArray[Any], height: int, width: int) -> Floats:
    """Images (…, h, w) as (…, height, width): bilinear, with half-pixel centres, without antialiasing.

    Row i lies at (i + 1/2) · h / height − 1/2, between two rows of the image or on its first or last one, columns
    likewise; torch calls it align_corners=False.
    """
    rows = _between(images, height, -2)
    return _between(rows, width, -1)


def _between(images: NDArray[Any], size: int, axis: int) -> Floats:
    old = images.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    first = np.floor(at).astype(int)
    share = (at - first).reshape((-1,) + (1,) * (-1 - axis))
    second = np.minimum(first + 1, old - 1)
    return np.take(images, first, axis) * (1 - share) + np.take(images, second, axis) * share

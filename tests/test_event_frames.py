"""From events to frames: by number, by time, by windows; resized, counted or binary; and what makes no frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from event_files import frames_by_hand, recording

from nmc.runtime.aedat import Events
from nmc.runtime.datasets.binning import Binning, drawn, event_frames, frame_numbers, resized

SENSOR, SIZE = (13, 9), (9, 13)


def events_of(*rows: tuple[int, int, int, bool]) -> Events:
    t, x, y, on = zip(*rows, strict=True)
    return Events(np.array(t, np.int64), np.array(x, np.int16), np.array(y, np.int16), np.array(on))


def at_times(*times: int) -> Events:
    return events_of(*((t, 0, 0, True) for t in times))


def numbers(how: Binning, frames: int, *times: int) -> list[int]:
    return frame_numbers(at_times(*times), how, frames).tolist()


def test_frames_of_equally_many_events() -> None:
    assert numbers(Binning("count"), 3, *range(8)) == [0, 0, 1, 1, 2, 2, 2, 2]
    assert numbers(Binning("count"), 3, 5, 5, 5) == [0, 1, 2]
    assert numbers(Binning("count"), 1, 5, 5, 5) == [0, 0, 0]


def test_frames_of_equal_times() -> None:
    """d = (110 − 100) // 3 = 3: frames begin at 100, 103 and 106."""
    assert numbers(Binning("time"), 3, 100, 102, 103, 105, 106, 109, 110) == [0, 0, 1, 1, 2, 2, 2]
    assert numbers(Binning("time"), 2, 100, 100, 110) == [0, 0, 1]


def test_windows_begin_at_the_first_event() -> None:
    how = Binning(window=10)
    assert numbers(how, 2, 105, 114, 115, 130) == [0, 0, 1, 2]
    frames = event_frames(at_times(105, 114, 115, 130), how, SENSOR, 2, SIZE)
    assert frames.sum(axis=(1, 2, 3)).tolist() == [1, 1]
    counted = event_frames(at_times(105, 114), Binning(window=10, values="count"), SENSOR, 4, SIZE)
    assert counted.sum(axis=(1, 2, 3)).tolist() == [2, 0, 0, 0]


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_frames_count_events_of_both_polarities(frames: int) -> None:
    events = recording(7, SENSOR, 43)
    share = 43 // frames
    ends = [*(k * share for k in range(frames)), 43]
    wanted = frames_by_hand(events, SENSOR, ends)
    counts = event_frames(events, Binning(values="count"), SENSOR, frames, (4, 6))
    assert counts.shape == (frames, 4, 6, 2) and counts.dtype == np.float32
    assert np.array_equal(counts.transpose(0, 3, 1, 2), wanted)
    turned = event_frames(events, Binning(values="count", on=0), SENSOR, frames, (4, 6))
    assert np.array_equal(turned, counts[..., ::-1])
    assert np.array_equal(event_frames(events, Binning(), SENSOR, frames, (4, 6)), (counts > 0).astype(np.float32))


def test_frames_may_be_larger_than_the_sensor() -> None:
    events = events_of((0, 1, 0, True), (1, 2, 2, False))
    frames = event_frames(events, Binning(), (3, 3), 1, (6, 9))
    assert [tuple(map(int, place)) for place in np.argwhere(frames)] == [(0, 0, 3, 1), (0, 4, 6, 0)]


def test_bilinear_frames_are_resized_counts() -> None:
    events = recording(3, SENSOR, 60)
    whole = event_frames(events, Binning(values="count"), SENSOR, 2, SIZE)
    small = event_frames(events, Binning(values="count", resize="bilinear"), SENSOR, 2, (5, 4))
    wanted = resized(whole.transpose(0, 3, 1, 2), 5, 4).astype(np.float32)
    assert np.array_equal(small.transpose(0, 3, 1, 2), wanted)
    binary = event_frames(events, Binning(resize="bilinear"), SENSOR, 2, (5, 4))
    assert np.array_equal(binary, (small > 0).astype(np.float32))


def test_resized_images_by_hand() -> None:
    image = np.array([[1, 3, 0, 0], [5, 7, 0, 2], [0, 0, 8, 8], [4, 0, 8, 8]])
    assert resized(image, 2, 2).tolist() == [[4, 0.5], [1, 8]]
    assert resized(np.array([[0, 16], [32, 48]]), 4, 4).tolist() == [
        [0, 4, 12, 16],
        [8, 12, 20, 24],
        [24, 28, 36, 40],
        [32, 36, 44, 48],
    ]
    assert resized(np.array([[0, 16], [32, 48]]), 4, 1).tolist() == [[8], [16], [32], [40]]
    one = np.zeros((5, 5))
    one[0, 3] = 16
    assert resized(one, 2, 2).tolist() == [[0, 3], [0, 0]]  # rows 1/4 and 3/4, columns 3/4 and 1/4


@pytest.mark.parametrize("size", [(63, 63), (50, 70), (200, 130)])
def test_resized_is_that_of_torch(size: tuple[int, int]) -> None:
    counts = np.random.default_rng(0).integers(0, 5, (2, 2, 128, 96)).astype(np.float64)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(counts), size=size, mode="bilinear")
    np.testing.assert_allclose(resized(counts, *size), wanted.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("events", "how", "why"),
    [
        (at_times(1, 2), Binning("count"), "2 events do not fill 3 frames"),
        (at_times(1, 3), Binning("time"), "events of 2 µs do not fill 3 frames"),
        (at_times(1).between(5, 6), Binning("time"), "the recording holds no events"),
        (
            events_of(*[(0, 13, 0, True)] * 3),
            Binning(),
            r"3 of 3 events lie outside 13x9 pixels, the first at \(13, 0\)",
        ),
        (events_of((0, 0, 0, True), (1, 0, 9, True), (2, 0, -1, True)), Binning(), r"2 of 3 .* at \(0, 9\)"),
    ],
)
def test_what_makes_no_frames(events: Any, how: Binning, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        event_frames(events, how, SENSOR, 3, SIZE)


def test_events_of_later_frames_are_left_out() -> None:
    events = at_times(0, 1, 2)
    made = drawn(events, np.array([0, 2, 1]), Binning(values="count"), SENSOR, 2, SIZE)
    assert made[:, 0, 0, 1].tolist() == [1, 1] and made.sum() == 2

"""Events of simulated gestures, for those who do not have the recordings: two hands, discs, seen by a 128×128 camera.

The hands move as in the eleven classes of DVS128 Gesture, at random speeds, places and sizes. A pixel that a hand
covers from one step of 3 ms to the next becomes brighter, one that it leaves darker; pixels fire at random, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nmc.runtime.aedat import Events
from recordings import CLASSES, SENSOR, Frames, binary_frames

Track = NDArray[np.float64]
STEPS = 100
STEP = 3000  # microseconds
NOISE = 9  # random events a step
REST = ((88.0, 84.0), (40.0, 84.0))  # the right hand is on the left of the image's viewer: x, y


def _circle(phase: Track, radius: float, turn: int) -> Track:
    """Offsets (steps, 2) on a circle; turn 1 is clockwise as the viewer sees it."""
    return radius * np.stack([np.cos(phase), turn * np.sin(phase)], 1)


def _line(phase: Track, radius: float, direction: tuple[float, float]) -> Track:
    return radius * np.sin(phase)[:, None] * np.array(direction)


def tracks(gesture: int, phase: Track, radius: float) -> tuple[Track, Track]:
    """Offsets (steps, 2) in pixels of the right and the left hand from where they rest."""
    still = np.zeros((len(phase), 2))
    wave, beat, strum = (_line(phase, radius, to) for to in ((1, 0), (0, 1), (0, 0.5)))
    clockwise, back = _circle(phase, radius, 1), _circle(phase, radius, -1)
    return (
        (wave, -wave),
        (wave, still),
        (still, wave),
        (clockwise, still),
        (back, still),
        (still, clockwise),
        (still, back),
        (clockwise, -clockwise),
        (beat, -beat),
        (strum, np.add(still, (16, -24))),
        (wave + beat, _circle(phase / 2, radius, -1)),
    )[gesture]


def gesture_events(gesture: int, rng: np.random.Generator) -> Events:
    """The events of one gesture in order of time, STEPS steps."""
    phase = rng.uniform(0, 2 * np.pi) + np.arange(STEPS) * 2 * np.pi / rng.uniform(40, 80)
    radius, size, place = rng.uniform(14, 22), rng.uniform(7, 11), rng.uniform(-6, 6, 2)
    centers = [rest + place + track for rest, track in zip(REST, tracks(gesture, phase, radius), strict=True)]
    pixel = np.arange(SENSOR)
    covered = np.zeros((STEPS, SENSOR, SENSOR), bool)
    for x, y in (center.T[:, :, None] for center in centers):
        covered |= ((pixel - x) ** 2)[:, None] < (size**2 - (pixel - y) ** 2)[:, :, None]
    t, y, x = np.unravel_index(np.flatnonzero(covered[1:] != covered[:-1]), (STEPS - 1, SENSOR, SENSOR))
    on = covered[t + 1, y, x]
    count = NOISE * STEPS
    t = np.concatenate([t, rng.integers(STEPS - 1, size=count)])
    order = np.argsort(t, kind="stable")
    x, y = (np.concatenate([known, rng.integers(SENSOR, size=count)])[order].astype(np.int16) for known in (x, y))
    return Events(t[order] * STEP, x, y, np.concatenate([on, rng.integers(2, size=count) > 0])[order])


def load(count: int, seed: int) -> tuple[Frames, NDArray[np.int64]]:
    """Samples of simulated gestures, frames and classes as `recordings.load` gives them; every class in turn."""
    rng = np.random.default_rng(seed)
    gestures = np.arange(count) % len(CLASSES)
    return np.stack([binary_frames(gesture_events(int(gesture), rng)) for gesture in gestures]), gestures

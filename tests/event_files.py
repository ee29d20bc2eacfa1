"""Recordings of event cameras in the formats in which data sets come, and a program that tells where events are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from test_akida_reference import Build, f32
from test_dvs_gesture import polarity, written

from nmc.runtime.aedat import Events
from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, Timing

H, W, FRAMES, CLASSES = 4, 6, 5, 11


def places(classes: int = CLASSES, shape: tuple[int, ...] = (FRAMES, 2, H, W), axis: int = 1) -> AkidaProgram:
    """Class k scores the sum of both channels at pixel k, counted row by row, a frame."""
    weights = np.repeat(np.eye(H * W, classes, dtype=np.int8), 2, axis=0)
    build = Build().data("in", (H, W, 2), input_bits=8, input_signed=True)
    build.add("fc", "Dense1D", "in", variables={"weights": weights}, units=classes, output_bits=28)
    build.add("y", "Dequantizer", "fc", variables={"scales": f32(*[1] * classes)})
    timing = Timing(0, 1, FRAMES, 1) if axis > 0 else Timing(0)
    given = GraphInput("events", "in", shape, axis, "CHW", 1.0, 0, 8, True)
    end = (FRAMES, classes) if axis > 0 else (classes,)
    return build.program(GraphOutput("scores", "y", end, "HWC", timing), inputs=(given,))


def recording(label: int, sensor: tuple[int, int], count: int = 40, start: int = 0, seed: int = 0) -> Events:
    """Events of which most fall on what becomes pixel `label`; sensor (width, height)."""
    rng = np.random.default_rng([seed, label])
    x = rng.choice(np.flatnonzero(np.arange(sensor[0]) * W // sensor[0] == label % W), count)
    y = rng.choice(np.flatnonzero(np.arange(sensor[1]) * H // sensor[1] == label // W), count)
    noise = rng.random(count) < 0.2
    x = np.where(noise, rng.integers(sensor[0], size=count), x).astype(np.int16)
    y = np.where(noise, rng.integers(sensor[1], size=count), y).astype(np.int16)
    t = start + np.sort(rng.integers(0, 100_000, count)).astype(np.int64)
    return Events(t, x, y, rng.integers(0, 2, count).astype(bool))


def rows(events: Events) -> list[tuple[int, int, int, bool]]:
    return list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.on.tolist(), strict=True))


def bin_bytes(events: Events) -> bytes:
    """40 bits an event, as N-MNIST has it."""
    made = bytearray()
    for t, x, y, on in rows(events):
        made += bytes([x, y, on << 7 | t >> 16, t >> 8 & 255, t & 255])
    return bytes(made)


def write_npz(path: Path, events: Events) -> Path:
    """As SpikingJelly converts recordings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, t=events.t, x=events.x.astype(np.int64), y=events.y.astype(np.int64), p=events.on.astype(np.int64))
    return path


def write_bin(path: Path, events: Events) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bin_bytes(events))
    return path


def write_gestures(folder: Path, labels: dict[str, list[int]], sensor: tuple[int, int] = (128, 128)) -> list[Events]:
    """DVS128 Gesture as published: a recording and its labels for every name, all in the list of test trials."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Events] = []
    for name, gestures in labels.items():
        parts = [recording(g, sensor, start=200_000 * i) for i, g in enumerate(gestures)]
        written(folder / f"{name}.aedat", *(polarity(rows(part)) for part in parts))
        lines = [f"{g + 1},{200_000 * i},{200_000 * i + 100_000}" for i, g in enumerate(gestures)]
        (folder / f"{name}_labels.csv").write_text("\n".join(["class,startTime_usec,endTime_usec", *lines, ""]))
        found += parts
    (folder / "trials_to_test.txt").write_text("".join(f"{name}.aedat\n" for name in labels))
    return found


def frames_by_hand(events: Events, sensor: tuple[int, int], ends: list[int]) -> Any:
    """Counts (frames, 2, H, W) of events ends[k] to ends[k + 1] − 1, one by one, OFF and ON."""
    made = np.zeros((len(ends) - 1, 2, H, W))
    for k in range(len(ends) - 1):
        for _, x, y, on in rows(events)[ends[k] : ends[k + 1]]:
            made[k, int(on), y * H // sensor[1], x * W // sensor[0]] += 1
    return made

"""The networks of the table with calibration samples, test samples and labels."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples"
Array = np.ndarray[Any, np.dtype[Any]]
CALIBRATION = 256  # clips
CONTRAST, NOISE = 80, 16  # of dim clips: grey levels · 80/256, plus two uniform integers from -16 to 16


@dataclass(frozen=True)
class Data:
    """Calibration samples (n, *shape), test samples (m, *shape), and the classes (m,) of those."""

    typical: Array
    test: Array
    labels: Array

    @property
    def digest(self) -> str:
        """SHA-256 of all three."""
        found = hashlib.sha256()
        for array in (self.typical, self.test, self.labels):
            found.update(f"{array.shape}{array.dtype}".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


@dataclass(frozen=True)
class Network:
    """A shipped network. `smoothed`: its outputs have frames, so a decision smoothed over them is counted, too."""

    name: str
    title: str
    file: Path
    input: str
    load: Callable[[], Data]
    smoothed: bool = False
    spiking: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the model's files."""
        files = [self.file, *sorted((self.file.parent / "constants").glob("*"))] if self.spiking else [self.file]
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def _data_of(example: str) -> ModuleType:
    """The `data.py` of an example; all of them have that name."""
    path = EXAMPLES / example / "data.py"
    spec = importlib.util.spec_from_file_location(f"accuracy_data_{example}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def digits() -> Data:
    """The two halves of scikit-learn's digits."""
    typical, _, test, labels = _data_of("digits").load_split()
    return Data(typical, test, labels)


@cache
def _clips() -> tuple[Array, Array, Array]:
    made = _data_of("gestures")
    test, labels = made.clips("test", made.TEST_COUNT, made.TEST_SEED)
    return made.clips("train", CALIBRATION, 0)[0], test, labels


def dimmed(clips: Array, seed: int) -> Array:
    """Clips with less contrast and more noise, again with values k/255. Integer arithmetic: a seed gives its bytes."""
    pixels = np.rint(clips * 255).astype(np.int16) * CONTRAST // 256
    noise = np.random.default_rng([seed, 7]).integers(-NOISE, NOISE + 1, (2, *pixels.shape), dtype=np.int16)
    return np.clip(pixels + noise.sum(0, dtype=np.int16), 0, 255).astype(np.uint8) / np.float32(255)


def grey() -> Data:
    """The published clips of moving digits."""
    return Data(*_clips())


def dim() -> Data:
    """The same clips, dim and noisy."""
    typical, test, labels = _clips()
    return Data(dimmed(typical, 0), dimmed(test, 1), labels)


def events() -> Data:
    """ON and OFF events of the same clips."""
    typical, test, labels = _clips()
    seen = _data_of("gestures").events
    return Data(seen(typical), seen(test), labels)


def trains() -> Data:
    """The same events as trains, time first: (n, T, 2, 24, 24)."""
    made = events()
    first = (np.ascontiguousarray(np.moveaxis(x, 2, 1)) for x in (made.typical, made.test))
    return Data(*first, made.labels)


GESTURES = EXAMPLES / "gestures" / "gestures.onnx"
NETWORKS = (
    Network("digits", "Digits", EXAMPLES / "digits" / "digits.onnx", "image", digits),
    Network("residual", "Digits, residual", EXAMPLES / "digits" / "digits_residual.onnx", "image", digits),
    Network("grey", "Gestures", GESTURES, "clip", grey, smoothed=True),
    Network("dim", "Gestures, dim and noisy clips", GESTURES, "clip", dim, smoothed=True),
    Network("events", "Gestures from events", GESTURES.with_stem("gestures_events"), "clip", events, smoothed=True),
    Network(
        "spiking",
        "Gestures from events, spiking",
        EXAMPLES / "moving_events" / "moving_events.ir",
        "events",
        trains,
        spiking=True,
    ),
)


def network_of(name: str) -> Network:
    """The network of that name."""
    return next(network for network in NETWORKS if network.name == name)

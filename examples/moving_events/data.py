"""The moving digits of examples/gestures as a network of spiking neurons takes them: trains of ON and OFF events.

`python examples/moving_events/data.py` writes a few of the test half to the current folder.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from gestures.data import CLASSES, SIZE, Clips, Labels, Split, clips, events

__all__ = ["CLASSES", "SIZE", "TEST_COUNT", "Clips", "Labels", "Split", "digest", "published_trains", "trains"]

TEST_COUNT = 1024
TEST_SEED = 0
DIGEST = "72e176de211bc9a39a3bd5977db47f98d82409592f7982cb87fce02bf8842ca5"


def trains(split: Split, count: int, seed: int) -> tuple[Clips, Labels]:
    """The events of `gestures.data.clips(split, count, seed)`, 0 or 1, of shape (count, T, 2, SIZE, SIZE); classes."""
    made, labels = clips(split, count, seed)
    return np.ascontiguousarray(np.moveaxis(events(made), 2, 1)), labels


def digest(trains: Clips) -> str:
    """SHA-256 of the events as bits, the first in the highest bit of a byte."""
    return hashlib.sha256(np.packbits(trains.astype(bool)).tobytes()).hexdigest()


def published_trains() -> tuple[Clips, Labels]:
    """The test clips that the accuracies in README.md are of. SystemExit if numpy draws others here."""
    made, labels = trains("test", TEST_COUNT, TEST_SEED)
    if digest(made) != DIGEST:
        raise SystemExit("these are not the published test clips")
    return made, labels


if __name__ == "__main__":
    made, labels = trains("test", 64, TEST_SEED)
    np.savez("moving_events_test.npz", made)
    np.savez("moving_events_labelled.npz", events=made, labels=labels)
    print(
        f"moving_events_test.npz: {len(made)} trains of shape {made.shape[1:]}; moving_events_labelled.npz: labels too"
    )

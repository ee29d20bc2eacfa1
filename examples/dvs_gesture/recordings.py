"""DVS128 Gesture as the tutorial's network takes it: 10 frames of equally many events, resized to 63x63, binary.

The data set's folder holds `user*.aedat`, a `user*_labels.csv` beside each, `trials_to_train.txt` and
`trials_to_test.txt`: https://research.ibm.com/interactive/dvsgesture
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmc.runtime.aedat import Events
from nmc.runtime.datasets.binning import Binning
from nmc.runtime.datasets.layouts import GESTURES, trials
from nmc.runtime.datasets.samples import EventSamples, Take
from nmc.runtime.frames import Pixels

Frames = NDArray[np.float32]

CLASSES = GESTURES
SENSOR = 128  # pixels on a side
SIZE = 63
FRAMES = 10
HOW = Binning(bins="count", values="binary", resize="bilinear", on=1)
TAKE = Take(Pixels("events", (FRAMES, 2, SIZE, SIZE), 1, "CHW", SIZE, SIZE, 2), HOW, (SENSOR, SENSOR))


def binary_frames(events: Events) -> Frames:
    """What the network takes: (FRAMES, 2, SIZE, SIZE), 1 where the resized count is above 0, else 0."""
    return TAKE(events)


def load(folder: Path, split: str, limit: int | None = None) -> tuple[Frames, NDArray[np.int64]]:
    """The first `limit` samples of one half of the data set: frames (n, FRAMES, 2, SIZE, SIZE) and classes (n,).

    NmcError for missing and damaged files.
    """
    data = EventSamples(TAKE, tuple(trials(folder, split)[:limit]), CLASSES, "dvs128", split)
    return data.read(0, len(data.labels))["events"], data.labels

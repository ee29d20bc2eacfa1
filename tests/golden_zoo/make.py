"""Writes the inputs and calibration data of the zoo: `python tests/golden_zoo/make.py`.

They are in files, so that no version of numpy or scikit-learn decides what the cases run on.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def digits() -> None:
    train, _, test, _ = runpy.run_path(str(EXAMPLES / "digits" / "data.py"))["load_split"]()
    np.savez_compressed(HERE / "digits_calibration.npz", image=train[:128])
    np.savez_compressed(HERE / "digits_input.npz", image=test[:8])


def gestures() -> None:
    data = runpy.run_path(str(EXAMPLES / "gestures" / "data.py"))
    train, test = data["clips"]("train", 8, 0)[0], data["clips"]("test", 2, 0)[0]
    np.savez_compressed(HERE / "gestures_calibration.npz", clip=train)
    np.savez_compressed(HERE / "gestures_input.npz", clip=test)
    np.savez_compressed(HERE / "gestures_events_calibration.npz", clip=data["events"](train))
    np.savez_compressed(HERE / "gestures_events_input.npz", clip=data["events"](test))


def moving_events() -> None:
    data = runpy.run_path(str(EXAMPLES / "gestures" / "data.py"))
    clips = data["events"](data["clips"]("test", 2, 0)[0])
    np.savez_compressed(HERE / "moving_events_input.npz", events=np.moveaxis(clips, 2, 1))


if __name__ == "__main__":
    digits()
    gestures()
    moving_events()

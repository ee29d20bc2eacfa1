"""Compile the shipped gesture networks for Akida, simulate all test clips, and compare with the float networks.

`python examples/gestures/demo.py` (or `make demo`) needs neither torch nor a board nor the vendor's tools.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from data import DIGESTS, TEST_COUNT, TEST_SEED, Labels, clips, digest, events
from nmc.compiler import compile_model
from nmc.runtime import Session, load
from nmc.runtime.classify import accuracy, decide, smooth
from nmc.runtime.float_model import FloatModel
from nmc.runtime.program import save

FOLDER = Path(__file__).parent
MODELS = ("gestures", "gestures_events")
CALIBRATION = 256
DECAY = 0.8


def percent(labels: Labels, logits: np.ndarray) -> str:
    """Accuracy of logits (n, frames, classes) at the last frame, and smoothed over the frames."""
    decisions = decide(logits[:, -1]), decide(smooth(logits, DECAY)[:, -1])
    return "".join(f" {100 * accuracy(labels, decided):>7.2f}%" for decided in decisions)


def main() -> None:
    typical, _ = clips("train", CALIBRATION, 0)
    grey, labels = clips("test", TEST_COUNT, TEST_SEED)
    if digest(grey) != DIGESTS["test", TEST_COUNT, TEST_SEED]:
        raise SystemExit("these are not the published test clips")
    frames = grey.shape[2]
    print(f"{len(grey):,} clips of {frames} frames; ranges calibrated on {len(typical)} others")
    print(f"accuracy at the last frame, and smoothed over the frames (decay {DECAY})\n")
    print(f"{'model':<16} {'float':>8} {'smoothed':>8} {'int8':>8} {'smoothed':>8} {'agree':>8} {'layers':>6} ", end="")
    print(f"{'weights':>8} {'MACs/frame':>11} {'compile':>8} {'simulate':>9}")
    for name in MODELS:
        model = FOLDER / f"{name}.onnx"
        seen = events if name.endswith("events") else np.asarray
        samples, calibration = seen(grey), seen(typical)
        wanted = np.asarray(FloatModel(model)({"clip": samples})["logits"])
        start = time.perf_counter()
        program = compile_model(model, "akida", calibration=calibration)
        with tempfile.TemporaryDirectory() as folder:
            save(program, Path(folder) / "gestures.nmc")
            program = load(Path(folder) / "gestures.nmc")
        compiled = time.perf_counter()
        result = Session(program).run(samples)
        done = time.perf_counter()
        found = result.outputs["logits"]
        agreed = 100 * np.mean(decide(found[:, -1]) == decide(wanted[:, -1]))
        weights = sum(layer.variables["weights"].size for layer in program.layers if "weights" in layer.variables)
        print(
            f"{name:<16}{percent(labels, wanted)}{percent(labels, found)} {agreed:>7.2f}% {len(program.layers):>6} "
            f"{weights:>8,} {result.counters['macs'] // (len(samples) * frames):>11,} {compiled - start:>7.2f}s "
            f"{done - compiled:>8.2f}s"
        )


if __name__ == "__main__":
    main()

"""Handwritten digits: compile and simulate.

Compilation calibrates on the whole training set. Times are those of 500 digits in one call, by default threads,
beside the float network in onnxruntime; medians of 5.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnxruntime
from machine import RUNS, median
from page import Section, ms, run

from nmc.compiler import compile_model
from nmc.runtime import Session

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

SAMPLES = 500


def measure(section: Section, quick: bool) -> None:
    x_train, _, x_test, _ = load_split()
    images, typical, runs = x_test[:SAMPLES], x_train, RUNS
    if quick:
        images, typical, runs = images[:8], x_train[:16], 1
    columns = (f"simulate {len(images)} digits", "M synaptic events/s", f"onnxruntime float32, {len(images)} digits")
    section.table("network, cri with T = 15", "compile", *columns)
    for name in ("digits", "digits_residual")[: 1 if quick else None]:
        model = FOLDER / f"{name}.onnx"
        compiling = median(lambda m=model: compile_model(m, "cri", calibration=typical), runs)
        session = Session(compile_model(model, "cri", calibration=typical))
        events = session.run(images).counters["synaptic_events"]
        seconds = median(lambda s=session: s.run(images), runs)
        floats = onnxruntime.InferenceSession(model)
        peer = median(lambda s=floats: s.run(None, {"image": images}), runs)
        section.row(name, ms(compiling), ms(seconds), f"{events / seconds / 1e6:.0f}", ms(peer))


if __name__ == "__main__":
    run(__file__, __doc__, measure)

"""How long the digits take: start-up, compile and simulate, side by side with onnxruntime on the float network.

`make bench` prints medians of 5 runs with the machine and the versions. One process, default threads.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnxruntime
from machine import describe, median, row

from nmc.compiler import compile_model
from nmc.runtime import Session

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

SAMPLES = 500


def main() -> None:
    print(f"{describe()}\n")
    command = [str(Path(sys.executable).with_name("nmc")), "--help"]
    row("nmc --help", median(lambda: subprocess.run(command, check=True, capture_output=True), 10), "of 10")
    x_train, _, x_test, _ = load_split()
    images = x_test[:SAMPLES]
    for name in ("digits", "digits_residual"):
        model = FOLDER / f"{name}.onnx"
        row(f"{name}: compile for cri, T = 15", median(lambda m=model: compile_model(m, "cri", calibration=x_train)))
        session = Session(compile_model(model, "cri", calibration=x_train))
        events = session.run(images[:8]).counters["synaptic_events"] / 8
        seconds = median(lambda s=session: s.run(images))
        rate = f"{SAMPLES * events / seconds / 1e6:.0f} M synaptic events/s"
        row(f"{name}: simulate {SAMPLES} digits, event engine", seconds, rate)
        float_session = onnxruntime.InferenceSession(model)
        peer = median(lambda s=float_session: s.run(None, {"image": images}))
        row(f"{name}: the float network in onnxruntime", peer, f"{seconds / peer:.0f} times faster than the simulation")


if __name__ == "__main__":
    main()

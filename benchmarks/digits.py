"""How long the digits take: start-up, compile and simulate, side by side with onnxruntime on the float network.

`make bench` prints medians of 5 runs with the machine and the versions. One process, default threads.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import onnxruntime

from nmc.compiler import compile_model
from nmc.runtime import Session

FOLDER = Path(__file__).parent.parent / "examples" / "digits"
sys.path.insert(0, str(FOLDER))
from data import load_split  # noqa: E402

RUNS = 5
SAMPLES = 500


def median(function: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time in seconds, after one run that is not counted."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def row(what: str, seconds: float, note: str = "") -> None:
    print(f"{what:<52} {1000 * seconds:>10.1f} ms  {note}")


def main() -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("nmc", "numpy", "onnx", "onnxruntime"))
    print(f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}; medians of {RUNS}\n")
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
        row(f"{name}: simulate {SAMPLES} digits, reference engine", seconds, rate)
        float_session = onnxruntime.InferenceSession(model)
        peer = median(lambda s=float_session: s.run(None, {"image": images}))
        row(f"{name}: the float network in onnxruntime", peer, f"{seconds / peer:.0f} times faster than the simulation")


if __name__ == "__main__":
    main()

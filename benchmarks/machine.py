"""What all benchmarks share: medians, and what they ran on."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

RUNS = 5


def median(function: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time in seconds, after one run that is not counted."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def describe() -> str:
    """Processor, cores, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    packages = ", ".join(f"{name} {version(name)}" for name in ("nmc", "numpy", "onnx", "onnxruntime"))
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}; medians of {RUNS}"


def row(what: str, seconds: float, note: str = "") -> None:
    print(f"{what:<56} {1000 * seconds:>10.1f} ms  {note}")

"""What all benchmarks share: how time and memory are measured, and what they ran on."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

RUNS = 5
PACKAGES = ("nmc", "numpy", "numba", "scipy", "onnx", "onnxruntime", "torch", "spikingjelly")


def median(function: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time in seconds, after one run that is not counted; one run alone is the first."""
    return in_turns({"": function}, runs, 1)[""]


def in_turns(
    works: Mapping[str, Callable[[], object]],
    runs: int = RUNS,
    warm: int = 2,
    prepare: Callable[[], object] = lambda: None,
) -> dict[str, float]:
    """Median seconds of each, by name. They take turns, to see the same machine; `prepare` runs before each."""
    times: dict[str, list[float]] = {name: [] for name in works}
    warm = min(warm, runs - 1)
    for _ in range(runs + warm):
        for name, work in works.items():
            prepare()
            start = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[warm:]) for name, seconds in times.items()}


def own_process(file: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a script prints, run in a process of its own so that its peak memory is its own."""
    command = [sys.executable, "-W", "ignore", file, *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def medians(file: str, *arguments: str, runs: int) -> dict[str, float]:
    """The median of every number that `own_process` gives in some runs."""
    found = [own_process(file, *arguments) for _ in range(runs)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def peak_mb() -> float:
    """The largest resident size of this process so far, in 2^20 bytes; 0 where the system does not say.

    getrusage would count the process that started this one, too.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0


def describe() -> str:
    """Processor, cores, and the versions of what this process has loaded."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())
    flags = next((line.split(": ")[1].split() for line in lines if line.startswith("flags")), [])
    known = [name for name in ("avx2", "avx512bw", "avx512_vnni", "amx_int8") if name in flags]
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES if name == "nmc" or name in sys.modules)
    return f"{cpu} ({', '.join(known)}), {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"

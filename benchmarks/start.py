"""Start-up, loading and memory of the command line.

The program is the tutorial's DVS128 Gesture network, random weights, 53.3 M synapses. Every run is a process of its
own; medians of 10 for `nmc --help`, else of 5, after one that is not counted (numba's cache is warm, the file is in
the system's cache). The first step is timed from the launch of the process to the call of the engine's first
timestep. Memory is the peak of resident pages, those of the mapped program file included.
`python benchmarks/start.py FILE CHANNELS`, `… FILE first INPUT` and `… FILE memory INPUT` are the processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import RUNS, median, own_process, peak_mb
from page import Section, ms, run

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "dvs_gesture"))

NMC = str(Path(sys.executable).with_name("nmc"))


def make(path: str, channels: int) -> dict[str, float]:
    """Write a program; how many synapses it has, and what compiling it took."""
    from dvs_table import STAGES, compiled

    import network
    from nmc.runtime.program import save

    made, found = network.random_weights(network.DvsGesture(channels, 5).eval(), seed=0), {}
    program = compiled(made, {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}, found)
    save(program, path)
    synapses = program.axons.synapses + program.neurons.synapses
    return {"synapses": synapses, "seconds": sum(found[stage] for stage in STAGES), "mb": peak_mb()}


def simulate(path: str, events: str, first: bool) -> None:
    """`nmc simulate` in this process: the clock at its first timestep, or its peak memory."""
    from nmc.cli.main import main
    from nmc.runtime.fast.cri import FastMachine

    def stop(*_: object) -> None:
        print(json.dumps({"clock": time.time()}), flush=True)
        os._exit(0)

    if first:
        FastMachine.step = stop  # type: ignore[method-assign]
    main(["simulate", path, "--input", events, "--quiet"], standalone_mode=False)
    print(json.dumps({"mb": peak_mb()}))


def first_step(path: str, events: str) -> float:
    start = time.time()
    return own_process(__file__, path, "first", events)["clock"] - start


def measure(section: Section, quick: bool) -> None:
    import numpy as np

    runs, channels = (1, 4) if quick else (RUNS, 100)
    section.table("what", "measured", "aim")

    def command(*arguments: str, times: int = runs) -> str:
        return ms(median(lambda: subprocess.run([NMC, *arguments], check=True, capture_output=True), times))

    with tempfile.TemporaryDirectory() as folder:
        path, events = f"{folder}/network.nmc", f"{folder}/events.npy"
        made = own_process(__file__, path, str(channels))
        x = np.random.default_rng(0).random((1, 10, 2, 63, 63)) < 0.05
        np.save(events, x.astype(np.float32))
        section.row("`nmc --help`", command("--help", times=2 * runs), "150 ms")
        section.row(f"`nmc inspect`, {made['synapses'] / 1e6:.1f} M synapses", command("inspect", path), "1 s")
        times = [first_step(path, events) for _ in range(runs + (runs > 1))][runs > 1 :]
        section.row("`nmc simulate`, until its first timestep", ms(statistics.median(times)), "1.5 s")
        section.row(
            "`nmc simulate`, 10 network steps, 5 % of the pixels", command("simulate", path, "--input", events), ""
        )
        size, peak = Path(path).stat().st_size / 2**20, own_process(__file__, path, "memory", events)["mb"]
        section.row("size of the program file", f"{size:.0f} MB", "")
        section.row("`nmc simulate`, peak memory", f"{peak:.0f} MB", f"{1.3 * size + 200:.0f} MB")


if __name__ == "__main__":
    if sys.argv[2:] and sys.argv[2].isdigit():
        print(json.dumps(make(sys.argv[1], int(sys.argv[2]))))
    elif sys.argv[2:] and sys.argv[2] in ("first", "memory"):
        simulate(sys.argv[1], sys.argv[3], sys.argv[2] == "first")
    else:
        run(__file__, __doc__, measure)

"""Time and memory against size, batch and threads.

Size: the tutorial's DVS128 Gesture network with 2 to 138 channels and random weights. Compilation is from
SpikingJelly module to program; its peak memory has Python, torch and SpikingJelly in it. The program file is then
read and run in a process of its own, event engine, one thread: `prepare` is what the engine does with the table, a
timestep has 5 % of all axons and neurons active. Medians of 5, compilations once.

Batch and threads: timesteps of the network with 100 channels, 5 % active, and frames of TENN Jester (100×100 pixels).
Both are per second, over all samples or streams.
`python benchmarks/scaling.py FILE run` reads and runs a program and prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import RUNS, in_turns, own_process, peak_mb
from page import Section, ms, run

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

CHANNELS = (2, 11, 40, 138)
ACTIVE = 0.05
CASES = ((1, 1), (2, 1), (2, 2), (8, 1), (8, 2), (32, 1), (32, 2))  # samples or streams, threads


def of_file(path: str) -> dict[str, float]:
    """Reading and running a program in this process."""
    from cri_engine import Stepping

    from nmc.runtime.fast.cri import Network
    from nmc.runtime.program import load

    found = in_turns({"load": lambda: load(path)}, RUNS, 1)
    program = load(path)
    found |= in_turns({"prepare": lambda: Network.of_program(program)}, RUNS, 1)
    one = Stepping(Network.of_program(program), ACTIVE, 1, 1)
    found |= in_turns({"step": one.step}, RUNS, prepare=one.prepare)
    return found | {"events": one.machine.synaptic_events, "mb": peak_mb()}


def sizes(section: Section, folder: str, quick: bool) -> None:
    script = str(Path(__file__).with_name("start.py"))
    parts = ("compile", "peak", "file", "load", "prepare", "timestep", "ns an event", "peak of running")
    section.table("synapses", *parts)
    for channels in CHANNELS[: 1 if quick else None]:
        path = Path(folder) / "network.nmc"
        made = own_process(script, str(path), str(channels))
        found = own_process(__file__, str(path), "run")
        compiling = ms(made["seconds"]), f"{made['mb']:.0f} MB", f"{path.stat().st_size / 2**20:.1f} MB"
        running = ms(found["load"]), ms(found["prepare"]), ms(found["step"])
        each = f"{1e9 * found['step'] / found['events']:.2f}"
        section.row(f"{made['synapses'] / 1e6:.2f} M", *compiling, *running, each, f"{found['mb']:.0f} MB")


def spiking_program(folder: str, quick: bool) -> Any:
    """The program of the gesture network, read from a file in that folder; in a quick run a small one for digits."""
    from nmc.compiler import compile_model
    from nmc.runtime.program import load

    if quick:
        images = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
        return compile_model(ROOT / "examples" / "digits" / "digits.onnx", "cri", calibration=images)
    path = Path(folder) / "gesture.nmc"
    own_process(str(Path(__file__).with_name("start.py")), str(path), "100")
    return load(path)


def jester(folder: str) -> Any:
    """A program of TENN Jester at full size."""
    from models import tenn
    from models.export import export
    from models.weights import random_clip, randomize
    from nmc.compiler import compile_model

    shape = (1, 3, 16, 100, 100)
    model = export(randomize(tenn.jester(), shape), random_clip(shape), Path(folder) / "jester.onnx")
    return compile_model(model, "akida", calibration=random_clip((32, 3, 100, 100), seed=1).numpy())


def batches(section: Section, folder: str, quick: bool) -> None:
    from akida_engine import frames, shipped_networks, stepping
    from cri_engine import Stepping

    from nmc.runtime.fast.cri import Network
    from nmc.runtime.fast.dense.machine import machine

    network = Network.of_program(spiking_program(folder, quick))
    program = next(shipped_networks(Path(folder)))[2] if quick else jester(folder)
    section.table("samples or streams", "threads", "gesture timesteps/s", "× one", "Jester frames/s", "× one")
    alone: tuple[float, ...] = ()
    for batch, threads in CASES[: 1 if quick else None]:
        one = Stepping(network, ACTIVE, batch, threads)
        many = stepping(machine(program, batch, threads), frames(program, batch), 4)
        seconds = in_turns({"step": one.step}, RUNS, prepare=one.prepare) | in_turns({"frames": many}, RUNS)
        rates = batch / seconds["step"], 4 * batch / seconds["frames"]
        alone = alone or rates
        cells = (
            text for rate, base in zip(rates, alone, strict=True) for text in (f"{rate:.0f}", f"{rate / base:.2f}")
        )
        section.row(f"{batch}", f"{threads}", *cells)


def measure(section: Section, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sizes(section, folder, quick)
        batches(section, folder, quick)


if __name__ == "__main__":
    if sys.argv[2:] and sys.argv[2] == "run":
        print(json.dumps(of_file(sys.argv[1])))
    else:
        run(__file__, __doc__, measure)

"""How long the tutorial's DVS128 Gesture networks take from SpikingJelly module to program, and one timestep.

Weights are random. Every compilation runs in a process of its own, so that peak memory is its own (Python, torch,
SpikingJelly and the module included). One timestep has 5 % of all axons and neurons active; beside it SpikingJelly's
forward on 10 timesteps of random events, divided by 10, in the same process. `make bench` runs it;
`python benchmarks/dvs_table.py FACTORY` measures one network and prints JSON.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from machine import describe, median, row

FOLDER = Path(__file__).parent.parent / "examples" / "dvs_gesture"
sys.path.insert(0, str(FOLDER))

RUNS, STEP_RUNS = 3, 5
ACTIVE = 0.05
THREADS = 2
TARGETS = {"dvs_gesture": (6.0, 1500), "dvs_gesture_3x3": (3.0, 1000)}  # seconds, MB
STAGES = ("front end", "quantize", "lower")
T = TypeVar("T")


def peak_mb() -> float:
    """The largest resident size of this process so far; 0 where the system does not say."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else 0


def timed(found: dict[str, float], stage: str, function: Callable[[], T]) -> T:
    """The result of a stage, its seconds, and the peak memory up to its end."""
    start = time.perf_counter()
    result = function()
    found |= {stage: time.perf_counter() - start, f"{stage} MB": peak_mb()}
    return result


def compiled(model: Any, shapes: dict[str, tuple[int, ...]], found: dict[str, float]) -> Any:
    """The program, stage by stage as `compile_verbose` makes it."""
    from nmc.compiler.frontends import import_model
    from nmc.compiler.manager import Manager
    from nmc.compiler.passes.base import Context
    from nmc.compiler.target import find_target, make_options

    backend, context = find_target("cri"), Context()
    settings = make_options(backend, {})
    found["modules MB"] = peak_mb()
    graph = timed(found, "front end", lambda: import_model(model, shapes)).graph
    passes = backend.pipeline(settings, "spiking")
    timed(found, "quantize", lambda: Manager(target="cri").run(graph, passes, context))
    return timed(found, "lower", lambda: backend.lower(graph, settings, context, {}))


def timestep(program: Any) -> tuple[float, int]:
    """Seconds of one timestep with ACTIVE of the axons and neurons active, and its synaptic events."""
    from nmc.runtime.reference.cri import CriMachine

    rng, machine = np.random.default_rng(0), CriMachine.of(program)
    axons = rng.random((1, program.axons.sources)) < ACTIVE
    fires = rng.random(program.neurons.sources) < ACTIVE
    ready, times = np.where(fires, machine.parameters.threshold, 0), []
    for _ in range(STEP_RUNS + 1):
        machine.potentials, before = ready, machine.synaptic_events
        start = time.perf_counter()
        fired = machine.step(axons)
        times.append(time.perf_counter() - start)
        assert np.array_equal(fired[0], fires)
    return statistics.median(times[1:]), machine.synaptic_events - before


def forward(model: Any, steps: int, size: int) -> float:
    """Seconds of one timestep in SpikingJelly: dense, float32, one sample, multi-step mode."""
    import torch
    from spikingjelly.activation_based import functional

    torch.set_num_threads(THREADS)
    events = (torch.rand(steps, 1, 2, size, size, generator=torch.Generator().manual_seed(0)) < ACTIVE).float()

    def once() -> None:
        with torch.inference_mode():
            model(events)
        functional.reset_net(model)

    return median(once, STEP_RUNS) / steps


def measure(factory: str) -> dict[str, float]:
    import network

    model = network.random_weights(getattr(network, factory)(), seed=0)
    found: dict[str, float] = {}
    program = compiled(model, {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}, found)
    found["step"], found["events"] = timestep(program)
    found["forward"] = forward(model, network.STEPS, network.SIZE)
    synapses = program.axons.synapses + program.neurons.synapses
    return found | {"neurons": program.neurons.sources, "axons": program.axons.sources, "synapses": synapses}


def main() -> None:
    print(f"{describe()}; compilations: medians of {RUNS}\n")
    for factory, (seconds, memory) in TARGETS.items():
        command = [sys.executable, __file__, factory]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(RUNS)]
        one = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        size = f"{one['neurons']:,.0f} neurons, {one['axons']:,.0f} axons, {one['synapses'] / 1e6:.1f} M synapses"
        total = sum(one[stage] for stage in STAGES)
        row(f"{factory}: module to program", total, f"target {seconds:.0f} s; {size}")
        for stage in STAGES:
            row(f"{factory}: {stage}", one[stage], f"peak memory {one[f'{stage} MB']:.0f} MB, target {memory} MB")
        rate = f"{one['events'] / 1e6:.1f} M synaptic events, {one['events'] / one['step'] / 1e6:.0f} M/s"
        row(f"{factory}: one timestep, 5 % active, reference engine", one["step"], rate)
        ratio = f"{THREADS} threads; simulation / SpikingJelly = {one['step'] / one['forward']:.1f}"
        row(f"{factory}: one timestep of SpikingJelly's forward", one["forward"], ratio)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()

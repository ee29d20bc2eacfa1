"""The tutorial's DVS128 Gesture networks from SpikingJelly module to program.

Weights are random. Every compilation runs in a process of its own, so that peak memory is its own (Python, torch,
SpikingJelly and the module included: `modules` is what they take). Medians of 3 processes. The last table is one
timestep of the reference engine, numpy, with 5 % of all axons and neurons active, beside SpikingJelly's forward (two
threads).
`python benchmarks/dvs_table.py FACTORY` measures one network and prints JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from machine import median, medians, peak_mb
from page import Section, ms, ratio, run

FOLDER = Path(__file__).parent.parent / "examples" / "dvs_gesture"
sys.path.insert(0, str(FOLDER))

RUNS, STEP_RUNS = 3, 5
ACTIVE = 0.05
THREADS = 2
FACTORIES = ("dvs_gesture", "dvs_gesture_3x3")
STAGES = ("front end", "quantize", "lower")
T = TypeVar("T")


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


def of_network(factory: str) -> dict[str, float]:
    import network

    model = network.random_weights(getattr(network, factory)(), seed=0)
    found: dict[str, float] = {}
    program = compiled(model, {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}, found)
    found["step"], found["events"] = timestep(program)
    found["forward"] = forward(model, network.STEPS, network.SIZE)
    synapses = program.axons.synapses + program.neurons.synapses
    return found | {"neurons": program.neurons.sources, "axons": program.axons.sources, "synapses": synapses}


def measure(section: Section, quick: bool) -> None:
    factories = ("narrow",) if quick else FACTORIES
    found = {name: medians(__file__, name, runs=1 if quick else RUNS) for name in factories}
    section.table("network", "neurons", "axons", "synapses", "compile", *STAGES)
    for name, one in found.items():
        size = (f"{one['neurons']:,.0f}", f"{one['axons']:,.0f}", f"{one['synapses'] / 1e6:.1f} M")
        section.row(name, *size, ms(sum(one[stage] for stage in STAGES)), *(ms(one[stage]) for stage in STAGES))
    section.table("peak memory, MB", "modules", *STAGES)
    for name, one in found.items():
        section.row(name, *(f"{one[f'{stage} MB']:.0f}" for stage in ("modules", *STAGES)))
    section.table("a timestep, 5 % active", "reference engine", "synaptic events", "SpikingJelly", "SpikingJelly ÷ nmc")
    for name, one in found.items():
        events = f"{one['events'] / 1e6:.1f} M"
        section.row(name, ms(one["step"]), events, ms(one["forward"]), ratio(one["forward"], one["step"]))


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].isidentifier():
        print(json.dumps(of_network(sys.argv[1])))
    else:
        run(__file__, __doc__, measure)

"""One timestep of a CRI program in the event engine, next to SpikingJelly's dense forward and a scipy sparse table.

The network is the tutorial's DVS128 Gesture network with random weights (109,615 neurons, 53.3 M synapses). In one
timestep 1, 5 or 20 % of all axons and neurons are active. SpikingJelly runs the same module, float32, on random
events, multi-step mode, and its time does not depend on them. scipy adds up the rows of the active sources (int32)
and then fires and resets in numpy. All run in this one process. The engine's threads share the samples of a batch, so
one sample runs on one thread. `python benchmarks/cri_engine.py` prints medians of RUNS.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from dvs_table import compiled
from machine import describe, row

FOLDER = Path(__file__).parent.parent / "examples" / "dvs_gesture"
sys.path.insert(0, str(FOLDER))

RUNS = 9
ACTIVE = (0.01, 0.05, 0.2)


def median(step: Callable[[], object], prepare: Callable[[], object] = lambda: None) -> float:
    """Seconds of a step, after two that are not counted; `prepare` runs before each."""
    times = []
    for _ in range(RUNS + 2):
        prepare()
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def engine(network: Any, share: float, batch: int, threads: int) -> tuple[float, float]:
    """Seconds and synaptic events of one timestep of the event engine."""
    rng, machine = np.random.default_rng(0), network.machine(batch, threads)
    axons = rng.random((batch, len(network.axons.degree))) < share
    fires = rng.random((batch, len(network.place))) < share
    ready = np.where(fires, network.neurons.threshold[network.place], 0)

    def prepare() -> None:
        machine.potentials = ready

    seconds = median(lambda: machine.step(axons), prepare)
    return seconds, machine.synaptic_events / (RUNS + 2)


def sparse(program: Any, share: float) -> float:
    """Seconds of one timestep of one sample from scipy's tables."""
    rng, neurons = np.random.default_rng(0), program.neurons.sources
    tables = [
        scipy.sparse.csr_matrix((t.weight.astype(np.int32), t.target, t.indptr), (t.sources, neurons))
        for t in (program.axons, program.neurons)
    ]
    axons, threshold = rng.random(program.axons.sources) < share, np.ones(neurons, np.int64)
    v = np.where(rng.random(neurons) < share, 1, 0)

    def step() -> None:
        fired = v >= threshold
        sums = [scipy.sparse.csr_matrix(on.astype(np.int32)) @ t for on, t in zip((axons, fired), tables, strict=True)]
        np.where(fired, 0, v) + (sums[0] + sums[1]).toarray()[0]

    return median(step)


def forward(model: Any, steps: int, size: int, batch: int, threads: int) -> float:
    """Seconds of one timestep in SpikingJelly."""
    import torch
    from spikingjelly.activation_based import functional

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    events = (torch.rand(steps, batch, 2, size, size, generator=generator) < 0.05).float()

    def once() -> None:
        with torch.inference_mode():
            model(events)
        functional.reset_net(model)

    return median(once) / steps


def session(program: Any, share: float, steps: int, size: int) -> float:
    """Seconds of one timestep of a whole run, with the host's work, for input events of that density."""
    from nmc.runtime import Session

    x = (np.random.default_rng(0).random((1, steps, 2, size, size)) < share).astype(np.float32)
    made = Session(program)
    return median(lambda: made.run(x)) / program.steps


def report(program: Any, model: Any, steps: int, size: int) -> None:
    from nmc.runtime.fast.cri import Network

    start = time.perf_counter()
    network = Network.of_program(program)
    stored = len(network.axons.weight) + len(network.synapses.weight)
    synapses = program.axons.synapses + program.neurons.synapses
    note = f"{synapses / 1e6:.1f} M synapses, {stored / 1e6:.1f} M stored; code compiled or from the cache"
    row("making the network", time.perf_counter() - start, note)
    for batch, threads in ((1, 1), (1, 2), (2, 2)):
        case = f"batch {batch}, {threads} thread{'s' * (threads > 1)}"
        dense = forward(model, steps, size, batch, threads)
        row(f"SpikingJelly's forward, {case}", dense)
        for share in ACTIVE:
            seconds, events = engine(network, share, batch, threads)
            rate = f"{events / seconds / 1e9:.2f} G synaptic events/s, {1e9 * seconds / events:.2f} ns each"
            row(f"event engine, {share:.0%} active, {case}", seconds, f"{rate}; {dense / seconds:.1f} × SpikingJelly")
    for share in ACTIVE:
        row(f"scipy's sparse tables, {share:.0%} active, 1 thread", sparse(program, share))
    for share in ACTIVE:
        row(f"a whole run, a timestep, {share:.0%} of the pixels", session(program, share, steps, size), "1 sample")


def main() -> None:
    import network
    from nmc.runtime.program import load, save

    print(f"{describe()}\nhere medians of {RUNS}\n")
    model = network.random_weights(network.dvs_gesture(), seed=0)
    made = compiled(model, {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}, {})
    with tempfile.TemporaryDirectory() as folder:
        save(made, Path(folder) / "network.nmc")
        report(load(Path(folder) / "network.nmc"), model, network.STEPS, network.SIZE)


if __name__ == "__main__":
    main()

"""A timestep of a CRI program: event engine, SpikingJelly and scipy's sparse tables.

The network is the tutorial's DVS128 Gesture network with random weights (109,615 neurons, 53.3 M synapses). In one
timestep 1, 5 or 20 % of all axons and neurons are active. SpikingJelly runs the same module, float32, on random
events in multi-step mode; its work does not depend on them, so it is measured once per table. scipy adds up the rows
of the active sources (int32), then numpy fires and resets. All run in one process, one after another, so that each
finds its own data in the caches, as in a run; medians of 9. "G/s" are 10^9 synaptic events per second. "SpikingJelly
÷ nmc" is how many times as long SpikingJelly takes. The first tables are of the engine's timestep alone; a whole run
has the host's encoding and readout too.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from dvs_table import compiled
from machine import in_turns, median
from page import Section, ms, ratio, run

FOLDER = Path(__file__).parent.parent / "examples" / "dvs_gesture"
sys.path.insert(0, str(FOLDER))

RUNS = 9
ACTIVE = (0.01, 0.05, 0.2)
CASES = ((1, 1), (1, 2), (2, 2), (16, 2))  # samples, threads


class Stepping:
    """Timesteps of the event engine with a share of all axons and neurons active."""

    def __init__(self, network: Any, share: float, batch: int, threads: int):
        rng = np.random.default_rng(0)
        self.machine = network.machine(batch, threads)
        self.axons = rng.random((batch, len(network.axons.degree))) < share
        fires = rng.random((batch, len(network.place))) < share
        self.ready = np.where(fires, network.neurons.threshold[network.place], 0)

    def prepare(self) -> None:
        self.machine.potentials = self.ready

    def step(self) -> None:
        self.machine.synaptic_events = 0
        self.machine.step(self.axons)


def sparse(program: Any, share: float) -> Callable[[], None]:
    """A timestep of one sample from scipy's tables."""
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

    return step


def forward(model: Any, steps: int, size: int, batch: int, threads: int, runs: int) -> float:
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

    return median(once, runs) / steps


def steps(section: Section, network: Any, program: Any, model: Any, times: int, size: int, runs: int) -> None:
    for batch, threads in CASES[: 1 if runs == 1 else None]:
        dense = forward(model, times, size, batch, threads, runs)
        samples = f"{batch} sample{'s' * (batch > 1)}, {threads} thread{'s' * (threads > 1)}"
        beside = ("scipy", "scipy ÷ nmc") if (batch, threads) == (1, 1) else ()
        section.table(samples, "nmc", "G/s", "SpikingJelly", "SpikingJelly ÷ nmc", *beside)
        for share in ACTIVE:
            stepping = Stepping(network, share, batch, threads)
            seconds = in_turns({"": stepping.step}, runs, prepare=stepping.prepare)[""]
            rate = stepping.machine.synaptic_events / seconds / 1e9
            other = median(sparse(program, share), runs) if beside else 0.0
            peer = (ms(other), ratio(other, seconds)) if beside else ()
            section.row(
                f"{100 * share:.0f} % active", ms(seconds), f"{rate:.2f}", ms(dense), ratio(dense, seconds), *peer
            )


def whole_runs(section: Section, program: Any, times: int, size: int, runs: int) -> None:
    """One sample with the host's work, for input events of some density."""
    from nmc.runtime import Session

    made = Session(program)
    section.table("whole run, 1 sample", "a timestep")
    for share in ACTIVE:
        x = (np.random.default_rng(0).random((1, times, 2, size, size)) < share).astype(np.float32)
        section.row(f"{100 * share:.0f} % of the pixels", ms(median(lambda x=x: made.run(x), runs) / program.steps))


def measure(section: Section, quick: bool) -> None:
    import network
    from nmc.runtime.fast.cri import Network
    from nmc.runtime.program import load, save

    runs, made = (1, network.narrow()) if quick else (RUNS, network.dvs_gesture())
    model = network.random_weights(made, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        shapes = {"events": (network.STEPS, 1, 2, network.SIZE, network.SIZE)}
        save(compiled(model, shapes, {}), Path(folder) / "network.nmc")
        program = load(Path(folder) / "network.nmc")
        start = time.perf_counter()
        prepared = Network.of_program(program)
        seconds = time.perf_counter() - start
        stored = len(prepared.axons.weight) + len(prepared.synapses.weight)
        synapses = program.axons.synapses + program.neurons.synapses
        section.text(
            f"The engine reads {synapses / 1e6:.1f} M synapses once, stores {stored / 1e6:.1f} M weights, and is ready "
            f"after {ms(seconds)} (code from numba's cache)."
        )
        steps(section, prepared, program, model, network.STEPS, network.SIZE, runs)
        whole_runs(section, program, network.STEPS, network.SIZE, runs)


if __name__ == "__main__":
    run(__file__, __doc__, measure)

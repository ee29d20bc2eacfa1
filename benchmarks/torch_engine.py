"""Batches on the torch engine: frames and synaptic events a second beside the compiled engine.

The gesture network on Akida, a frame of all streams at a time, and the moving-events network on CRI, a timestep of all
samples with 5 % of axons and at least 5 % of neurons active. Both engines take the same inputs and give the same
integers; spikes are fetched to the host in every timestep, the results of frames are not. All run in one process, in
turns; medians of 7, compiled engine and torch on 2 threads. Device `cuda` is there where the machine has one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import in_turns
from page import Section, ms, run

from nmc.compiler import compile_model
from nmc.runtime.fast.cri import Network
from nmc.runtime.fast.dense.machine import machine
from nmc.runtime.program import AkidaProgram, CriProgram
from nmc.runtime.torch_engine.akida import TorchAkidaMachine
from nmc.runtime.torch_engine.akida_layers import place
from nmc.runtime.torch_engine.cri import PlacedNetwork, TorchCriMachine

EXAMPLES = Path(__file__).parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))

RUNS, THREADS, ACTIVE = 7, 2, 0.05
BATCHES = (1, 64, 1024)
DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


def waited(work: Callable[[], object]) -> Callable[[], None]:
    """`work`, until the GPU has done it."""

    def done() -> None:
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return done


def frames(program: AkidaProgram, streams: int) -> dict[str, Callable[[], object]]:
    """A frame of every stream, by engine."""
    entry = program.inputs[0]
    given = {entry.name: np.random.default_rng(0).random((streams, *entry.frame_shape), np.float32)}
    works: dict[str, Callable[[], object]] = {}
    fast = machine(program, streams, THREADS)
    works["compiled"] = lambda: fast.step_inputs(given)
    for name in DEVICES:
        device = torch.device(name)
        made = TorchAkidaMachine(program, place(program, device), streams, device)
        works[f"torch, {name}"] = waited(lambda made=made: made.step_inputs(given))
    return works


def timesteps(program: CriProgram, samples: int) -> tuple[dict[str, Callable[[], object]], Callable[[], None], int]:
    """A timestep of every sample by engine, what to do before it, and its synaptic events."""
    rng = np.random.default_rng(0)
    axons = rng.random((samples, program.axons.sources)) < ACTIVE
    fires = rng.random((samples, program.neurons.sources)) < ACTIVE
    fast = Network.of_program(program).machine(samples, THREADS)
    engines = {"compiled": fast}
    for name in DEVICES:
        engines[f"torch, {name}"] = TorchCriMachine(PlacedNetwork.of_program(program, torch.device(name)), samples)
    thresholds = np.array([model.threshold for model in program.models], np.int64)[program.neuron_model]
    ready = np.where(fires & (thresholds < 1 << 30), thresholds, 0)  # some never fire

    def prepare() -> None:
        for engine in engines.values():
            engine.potentials = ready

    prepare()
    before = fast.synaptic_events
    fast.step(axons)
    works = {name: lambda engine=engine: engine.step(axons) for name, engine in engines.items()}
    return works, prepare, fast.synaptic_events - before


def measure(section: Section, quick: bool) -> None:
    torch.set_num_threads(THREADS)
    runs, batches = (1, BATCHES[:1]) if quick else (RUNS, BATCHES)
    network = EXAMPLES / "gestures" / "gestures.onnx"
    program = compile_model(network, "akida", calibration=np.random.default_rng(0).random((8, 1, 16, 24, 24)))
    section.table("Akida, gestures: a frame of so many streams", "engine", "time", "frames/s")
    for streams in batches:
        for name, seconds in in_turns(frames(program, streams), runs).items():
            section.row(f"{streams:,}", name, ms(seconds), f"{streams / seconds:,.0f}")
    section.table("CRI, moving events: a timestep of so many samples", "engine", "time", "synaptic events/s")
    moving = compile_model(EXAMPLES / "moving_events" / "moving_events.ir", "cri")
    for samples in batches:
        works, prepare, events = timesteps(moving, samples)
        for name, seconds in in_turns(works, runs, prepare=prepare).items():
            section.row(f"{samples:,}", name, ms(seconds), f"{events / seconds / 1e9:.3f} G")
    if "cuda" not in DEVICES:
        section.text("This machine has no GPU, so torch ran on the CPU alone: what it is for was not measured.")


if __name__ == "__main__":
    run(__file__, __doc__, measure)

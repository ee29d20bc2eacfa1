"""Compile the shipped spiking network for CRI with weights of 16 and of 8 bits, simulate test clips, compare.

`python examples/moving_events/demo.py` (or `make demo`) needs neither torch nor SpikingJelly nor a board.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from data import published_trains
from nmc.compiler import compile_verbose
from nmc.compiler.ir import FrameSession, Graph
from nmc.runtime import Session, load
from nmc.runtime.program import save

MODEL = Path(__file__).with_name("moving_events.ir")
BITS = (16, 8)
AT_ONCE = 128  # clips that the float network runs together


def float_logits(graph: Graph, clips: np.ndarray) -> np.ndarray:
    """What SpikingJelly's network answers (n, classes), by the interpreter of graphs."""
    session = FrameSession(graph)
    parts = [clips[low : low + AT_ONCE] for low in range(0, len(clips), AT_ONCE)]
    return np.concatenate([next(iter(session.run({"events": part}).values())) for part in parts])


def main() -> None:
    clips, labels = published_trains()
    print(f"{len(clips):,} clips of {clips.shape[1]} frames of events\n")
    print(f"{'weights':<8} {'accuracy':>9} {'agree':>8} {'neurons':>8} {'synapses':>9} {'timesteps':>9} ", end="")
    print(f"{'spikes/clip':>12} {'compile':>8} {'simulate':>9}")
    wanted = None
    for bits in BITS:
        start = time.perf_counter()
        done = compile_verbose(MODEL, "cri", weight_bits=bits)
        with tempfile.TemporaryDirectory() as folder:
            save(done.program, Path(folder) / "moving_events.nmc")
            program = load(Path(folder) / "moving_events.nmc")
        compiled = time.perf_counter()
        if wanted is None:
            wanted = float_logits(done.imported, clips).argmax(1)
            print(f"{'float':<8} {100 * np.mean(wanted == labels):>8.2f}%")
        begun = time.perf_counter()
        result = Session(program).run(clips)
        simulated = time.perf_counter() - begun
        (logits,) = result.outputs.values()
        found = logits.argmax(1)
        synapses = program.axons.synapses + program.neurons.synapses
        print(
            f"{f'{bits} bits':<8} {100 * np.mean(found == labels):>8.2f}% {100 * np.mean(found == wanted):>7.2f}% "
            f"{len(program.neuron_model):>8,} {synapses:>9,} {program.steps:>9} "
            f"{result.counters['spikes'] / len(clips):>12,.1f} {compiled - start:>7.2f}s {simulated:>8.2f}s"
        )


if __name__ == "__main__":
    main()

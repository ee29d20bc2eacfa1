"""Compile the shipped digit networks for CRI, simulate all test digits, and compare with the float networks.

`python examples/digits/demo.py` (or `make demo`) needs neither torch nor a board.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime

from data import load_split
from nmc.compiler import compile_model
from nmc.runtime import Session, load
from nmc.runtime.program import save

FOLDER = Path(__file__).parent
MODELS = ("digits", "digits_residual")
TIMESTEPS = (7, 15, 31)


def percent(logits: np.ndarray, labels: np.ndarray) -> float:
    return 100 * float(np.mean(logits.argmax(axis=1) == labels))


def main() -> None:
    x_train, _, x_test, y_test = load_split()
    print(f"{len(x_test)} handwritten digits; ranges calibrated on the other {len(x_train)}\n")
    header = f"{'model':<16} {'T':>3} {'float':>8} {'spiking':>8} {'neurons':>8} {'synapses':>9} {'timesteps':>9}"
    print(f"{header} {'spikes/image':>12} {'compile':>8} {'simulate':>9}")
    for name in MODELS:
        model = FOLDER / f"{name}.onnx"
        (logits,) = onnxruntime.InferenceSession(model).run(None, {"image": x_test})
        for timesteps in TIMESTEPS:
            start = time.perf_counter()
            program = compile_model(model, "cri", calibration=x_train, timesteps=timesteps)
            with tempfile.TemporaryDirectory() as folder:
                save(program, Path(folder) / "digits.nmc")
                program = load(Path(folder) / "digits.nmc")
            compiled = time.perf_counter()
            result = Session(program).run(x_test)
            done = time.perf_counter()
            synapses = program.axons.synapses + program.neurons.synapses
            print(
                f"{name:<16} {timesteps:>3} {percent(np.asarray(logits), y_test):>7.2f}% "
                f"{percent(result.outputs['logits'], y_test):>7.2f}% {len(program.neuron_model):>8,} {synapses:>9,} "
                f"{program.steps:>9} {result.counters['spikes'] / len(x_test):>12,.1f} "
                f"{compiled - start:>7.2f}s {done - compiled:>8.2f}s"
            )


if __name__ == "__main__":
    main()

"""Compile the DVS128 Gesture network for CRI, simulate it on recordings, count its spikes.

    python examples/dvs_gesture/run.py
    python examples/dvs_gesture/run.py --network dvs_gesture --state-dict WEIGHTS --data FOLDER

The first line takes the narrow network and simulated gestures. Needs torch and spikingjelly.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

import network
import recordings
import synthetic
from nmc.compiler import compile_model
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.torch.weights import load_weights
from nmc.runtime import Session
from train import spike_counts

NETWORKS = ("narrow", "dvs_gesture", "dvs_gesture_3x3")
SHIPPED = Path(__file__).with_name("narrow.safetensors")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the DVS128 Gesture network on CRI's simulator.")
    parser.add_argument("--data", type=Path, help="folder of the DVS128 Gesture data set; default simulated gestures")
    parser.add_argument("--split", choices=("test", "train"), default="test", help="which recordings; default test")
    parser.add_argument("--samples", type=int, default=44, help="how many; default 44")
    parser.add_argument("--network", choices=NETWORKS, default="narrow", help="default narrow")
    parser.add_argument("--state-dict", type=Path, help="its weights, .pt or .safetensors")
    parser.add_argument("--profile", default="sim", help="build of the machine; default sim")
    return parser.parse_args()


def load_samples(options: argparse.Namespace) -> tuple[recordings.Frames, np.ndarray]:
    """Frames and classes, and a line about where they come from."""
    if options.data is None:
        print(f"{options.samples} simulated gestures, not recordings: their accuracy says nothing about DVS128 Gesture")
        return synthetic.load(options.samples, seed=1)
    try:
        frames, gestures = recordings.load(options.data, options.split, options.samples)
    except NmcError as error:
        raise SystemExit(str(error)) from None
    print(f"{len(frames)} samples of the {options.split} recordings in {options.data}")
    return frames, gestures


def load_network(options: argparse.Namespace) -> network.DvsGesture:
    """The network with its weights, and a line about them."""
    model = getattr(network, options.network)()
    path = options.state_dict or (SHIPPED if options.network == "narrow" else None)
    if path is None:
        print(f"{options.network} with random weights: it guesses. Give yours with --state-dict")
        return network.random_weights(model, seed=0)
    try:
        load_weights(model, path)
    except NmcError as error:
        raise SystemExit(str(error)) from None
    print(f"{options.network} with the weights of {path}")
    return model


def percent(counts: np.ndarray, gestures: np.ndarray) -> str:
    """How often the right neuron has the most spikes; of equal counts the first class is taken."""
    return f"{100 * np.mean(counts.argmax(1) == gestures):.2f} %"


def main() -> None:
    options = arguments()
    frames, gestures = load_samples(options)
    model = load_network(options)
    start = time.perf_counter()
    shape = (network.STEPS, 1, 2, network.SIZE, network.SIZE)
    program = compile_model(model, "cri", input_shapes={"events": shape}, profile=options.profile)
    compiled = time.perf_counter()
    result = Session(program).run(frames)
    done = time.perf_counter()
    (trains,) = result.outputs.values()
    counts, wanted = trains.sum(1), spike_counts(model, frames)
    synapses = program.axons.synapses + program.neurons.synapses
    print(f"{len(program.neuron_model):,} neurons, {program.axons.sources:,} axons, {synapses:,} synapses, ", end="")
    print(f"compiled in {compiled - start:.1f} s")
    print(f"{program.steps} timesteps a sample, {len(frames) / (done - compiled):.1f} samples/s simulated")
    print(f"accuracy by spike count: {percent(counts, gestures)}, SpikingJelly: {percent(wanted, gestures)}")
    print(f"equal spike counts: {np.mean((counts == wanted).all(1)):.1%} of the samples")


if __name__ == "__main__":
    main()

"""Train the narrow network on simulated gestures: `python examples/dvs_gesture/train.py`, about a minute.

Needs torch, spikingjelly and safetensors. `--network dvs_gesture` trains the tutorial's network, which takes hours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from spikingjelly.activation_based import functional

import network
from recordings import CLASSES, Frames
from synthetic import load

SAMPLES, EPOCHS, BATCH = 880, 20, 20


def spike_counts(model: network.DvsGesture, frames: Frames) -> np.ndarray:
    """Spikes (n, 11) of the output neurons over all timesteps, by SpikingJelly."""
    made = []
    with torch.inference_mode():
        for part in torch.from_numpy(frames).split(BATCH):
            made.append(model(part.transpose(0, 1)).sum(0).numpy())
            functional.reset_net(model)
    return np.concatenate(made)


def train(model: network.DvsGesture, samples: int = SAMPLES, epochs: int = EPOCHS) -> None:
    """Surrogate gradients; the wanted rate of spikes is 1 for the class and 0 for the others."""
    frames, gestures = (torch.from_numpy(array) for array in load(samples, seed=0))
    network.random_weights(model, seed=0).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(samples).split(BATCH):
            rates = model(frames[chosen].transpose(0, 1)).mean(0)
            loss = F.mse_loss(rates, F.one_hot(gestures[chosen], len(CLASSES)).float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            functional.reset_net(model)
    model.eval()


def main() -> None:
    """Train, write the weights, report."""
    parser = argparse.ArgumentParser(description="Train a network on simulated gestures and write its weights.")
    parser.add_argument("--network", default="narrow", help="a factory of network.py")
    parser.add_argument("--out", type=Path, help="file for the weights; default <network>.safetensors here")
    options = parser.parse_args()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    model = getattr(network, options.network)()
    train(model)
    path = options.out or Path(__file__).with_name(f"{options.network}.safetensors")
    save_file(model.state_dict(), path)
    frames, gestures = load(220, seed=1)
    right = 100 * np.mean(spike_counts(model, frames).argmax(1) == gestures)
    print(f"{path.name}: {right:.1f} % of {len(frames)} other simulated gestures; {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

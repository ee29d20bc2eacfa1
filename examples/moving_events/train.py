"""Train the network with surrogate gradients: `python examples/moving_events/train.py`.

It learns from events of the training half of the digits; the test clips give the accuracy that is printed. Needs
torch, spikingjelly and scikit-learn.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from spikingjelly.activation_based import functional
from torch import Tensor, nn

from data import SIZE, Clips, Labels, published_trains, trains
from export import write_graph
from network import moving_events

FILE = "moving_events.safetensors"


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters."""

    seed: int = 0
    clips: int = 8192
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.05


def batch(clips: Clips, chosen: Tensor) -> Tensor:
    """Trains of some clips, time first, moved on their joined canvas, all by the same random distance."""
    row, column = torch.randint(SIZE, (2,)).tolist()
    return torch.from_numpy(clips[chosen.numpy()]).transpose(0, 1).roll((row, column), (3, 4))


def train(clips: Clips, labels: Labels, settings: Settings) -> nn.Module:
    """A network trained from scratch, in inference mode."""
    torch.manual_seed(settings.seed)
    model, wanted = moving_events().train(), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = len(clips) // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(clips))[: batches * settings.batch_size].view(batches, -1):
            logits = model(batch(clips, chosen))
            loss = F.cross_entropy(logits, wanted[chosen], label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            functional.reset_net(model)
    return model.eval()


def predict(model: nn.Module, clips: Clips) -> np.ndarray:
    """Logits (n, classes) of every clip."""
    made = []
    with torch.inference_mode():
        for part in torch.from_numpy(clips).split(128):
            made.append(model(part.transpose(0, 1)).numpy())
            functional.reset_net(model)
    return np.concatenate(made)


def main() -> None:
    """Train, write weights and graph, report."""
    parser = argparse.ArgumentParser(description="Train the spiking network and write its weights and graph.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the files")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    settings = Settings()
    clips, labels = trains("train", settings.clips, settings.seed)
    start = time.perf_counter()
    model = train(clips, labels, settings)
    seconds = time.perf_counter() - start
    save_file(model.state_dict(), folder / FILE)
    write_graph(folder)
    test, wanted = published_trains()
    right = 100 * float(np.mean(predict(model, test).argmax(1) == wanted))
    count = sum(parameter.numel() for parameter in model.parameters())
    size = (folder / FILE).stat().st_size
    print(f"{FILE}: {right:.2f} % of {len(test)} test clips; {count:,} parameters, {size:,} bytes, {seconds:.0f} s")


if __name__ == "__main__":
    main()

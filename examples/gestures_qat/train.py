"""Fine-tune the shipped gesture network for events with fake quantization: `python examples/gestures_qat/train.py`.

It starts from `examples/gestures/gestures_events.onnx` and learns from the same clips of the training half; the test
clips are used once, for the accuracies that are printed. Needs torch, onnx, onnxruntime and scikit-learn.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from export import write
from network import Network

sys.path.insert(0, str(Path(__file__).parent.parent))
from gestures.data import SIZE, TEST_COUNT, TEST_SEED, clips, events

FILE = "gestures_qat.onnx"


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters."""

    seed: int = 0
    clips: int = 8192
    epochs: int = 2
    batch_size: int = 32
    learning_rate: float = 1e-3
    step_rate: float = 1e-3  # of the steps' logarithms
    label_smoothing: float = 0.05
    first_frame: int = 6  # the first whose answer is trained
    calibration: int = 64  # clips that the first steps are found on


def augment(x: Tensor) -> Tensor:
    """Move the clips of a batch on their joined canvas, all by the same random distance."""
    row, column = torch.randint(SIZE, (2,)).tolist()
    return x.roll((row, column), (3, 4)).contiguous(memory_format=torch.channels_last_3d)


def train(x: Tensor, y: Tensor, settings: Settings) -> Network:
    """The fine-tuned network, ready for inference."""
    torch.manual_seed(settings.seed)
    network = Network().to(memory_format=torch.channels_last_3d)
    network.calibrate(x[: settings.calibration])
    steps = [p for name, p in network.named_parameters() if "log_" in name]
    others = [p for name, p in network.named_parameters() if "log_" not in name]
    groups = [{"params": others, "lr": settings.learning_rate}, {"params": steps, "lr": settings.step_rate}]
    optimizer = torch.optim.Adam(groups)
    batches = len(x) // settings.batch_size
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * batches)
    for epoch in range(settings.epochs):
        total = 0.0
        for chosen in torch.randperm(len(x))[: batches * settings.batch_size].view(batches, -1):
            logits = network(augment(x[chosen]))[:, settings.first_frame :]
            wanted = y[chosen][:, None].expand(-1, logits.shape[1])
            loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
        print(f"epoch {epoch + 1}: loss {total / batches:.4f}", flush=True)
    return network.eval()


def predict(network: Network, x: Tensor) -> np.ndarray:
    """Logits (n, frames, classes) of every clip."""
    with torch.inference_mode():
        return np.concatenate([network(part).numpy() for part in x.split(128)])


def percent(logits: np.ndarray, y: np.ndarray) -> float:
    """Accuracy at the last frame, in percent."""
    return 100 * float(np.mean(logits[:, -1].argmax(1) == y))


def main() -> None:
    """Fine-tune, export, report."""
    parser = argparse.ArgumentParser(description="Fine-tune the gesture network with fake quantization.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the ONNX file")
    path = parser.parse_args().out / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    settings = Settings()
    (seen, labels), (test, wanted) = clips("train", settings.clips, settings.seed), clips("test", TEST_COUNT, TEST_SEED)
    x, given = (torch.from_numpy(events(part)) for part in (seen, test))
    before = Network().eval()
    floats = percent(predict(before, given), wanted)
    before.calibrate(x[: settings.calibration])
    print(f"float {floats:.2f} %, rounded without training {percent(predict(before, given), wanted):.2f} %", flush=True)
    start = time.perf_counter()
    network = train(x, torch.from_numpy(labels), settings)
    seconds = time.perf_counter() - start
    write(network, path, tuple(given.shape[1:]))
    right = percent(predict(network, given), wanted)
    print(f"{path.name}: {right:.2f} % of {len(wanted)} test clips, {path.stat().st_size:,} bytes, {seconds:.0f} s")


if __name__ == "__main__":
    main()

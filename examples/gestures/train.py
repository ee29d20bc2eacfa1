"""Train the two gesture networks and export them to ONNX: `python examples/gestures/train.py`.

One small TENN sees grey clips, another ON and OFF events. They learn from clips of the training half of the digits;
the test clips are used once, for the accuracies that are printed. Needs torch, onnx, onnxscript, onnxruntime and
scikit-learn.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from data import CLASSES, SIZE, TEST_COUNT, TEST_SEED, Labels, clips, events

sys.path.insert(0, str(Path(__file__).parent.parent))
from models.export import export as export_onnx
from models.tenn import TennClassifier
from models.weights import parameter_counts

MAX_FILE_BYTES = 500_000
DECAY = 0.8  # of the smoothing over frames
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters, chosen on further clips of the training half."""

    seed: int = 0
    clips: int = 8192
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 6e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    ema_decay: float = 0.995
    first_frame: int = 6  # the first whose answer is trained
    levels: float = 15  # of an activation, while training


def add_noise(relu: nn.Module, _: tuple[Tensor, ...], y: Tensor, levels: float) -> Tensor:
    """Forward hook: while training, noise as of rounding to `levels` steps of the channel's range."""
    if not relu.training:
        return y
    step = y.detach().amax(dim=(0, 2, 3, 4), keepdim=True) / levels
    return F.relu(y + step * (torch.rand_like(y) - 0.5))


def make_network(channels: int, levels: float) -> TennClassifier:
    """A stem and three blocks, the last one separable: image sizes 24, 12, 6, 3, 2."""
    blocks = ((12, 16), (24, 32), (48, 64))
    model = TennClassifier(channels, len(CLASSES), stem=8, blocks=blocks, separable=1, hidden=64)
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda relu, inputs, y: add_noise(relu, inputs, y, levels))
    return model


def augment(x: Tensor) -> Tensor:
    """Move the clips of a batch on their joined canvas, all by the same random distance."""
    row, column = torch.randint(SIZE, (2,)).tolist()
    return x.roll((row, column), (3, 4)).contiguous(memory_format=torch.channels_last_3d)


def train(x: Tensor, y: Tensor, settings: Settings) -> nn.Module:
    """Train a fresh network and return the running average of its weights, ready for inference."""
    torch.manual_seed(settings.seed)
    model = make_network(x.shape[1], settings.levels).to(memory_format=torch.channels_last_3d).train()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = len(x) // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(x))[: batches * settings.batch_size].view(batches, -1):
            clip, label = augment(x[chosen]), y[chosen]
            logits = model(clip)[:, settings.first_frame :]
            wanted = label[:, None].expand(-1, logits.shape[1])
            loss = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), label_smoothing=settings.label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(model)
    return average.module.eval()


def strip(model: onnx.ModelProto) -> None:
    """Remove what describes the exporting machine rather than the network."""
    holders = [model, model.graph, *model.graph.node, *model.graph.initializer]
    holders += [*model.graph.input, *model.graph.output, *model.graph.value_info]
    for holder in holders:
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")


def export(model: nn.Module, example: Tensor, path: Path) -> None:
    """Write the network as one ONNX file with a dynamic batch axis."""
    export_onnx(model, example, path, dynamic_batch=True)
    proto = onnx.load(path)
    strip(proto)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    if path.stat().st_size >= MAX_FILE_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES - 1} are wanted")


def check_export(path: Path, x: Tensor, expected: Logits) -> None:
    """Refuse an export whose logits are not torch's."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = np.concatenate([session.run(None, {"clip": part.numpy()})[0] for part in x.split(128)])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def predict(model: nn.Module, x: Tensor) -> Logits:
    """Logits (n, frames, classes) of every clip."""
    with torch.inference_mode():
        return np.concatenate([model(part).numpy() for part in x.split(128)])


def smooth(logits: Logits) -> Logits:
    """The exponential running mean over the frames, from 0, after the last one."""
    total = np.zeros_like(logits[:, 0])
    for frame in np.moveaxis(logits, 1, 0):
        total = DECAY * total + (1 - DECAY) * frame
    return total


def percent(scores: Logits, y: Labels) -> float:
    """Accuracy in percent."""
    return 100 * float(np.mean(scores.argmax(1) == y))


def pair_percent(scores: Logits, y: Labels) -> float:
    """How often, in percent, the class has a higher score than its opposite."""
    rows = np.arange(len(y))
    return 100 * float(np.mean(scores[rows, y] > scores[rows, y ^ 1]))


def main() -> None:
    """Train, export, check and report both networks."""
    parser = argparse.ArgumentParser(description="Train the gesture networks and export them to ONNX.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the ONNX files")
    parser.add_argument("--single-frame", action="store_true", help="train on last frames only, report, export nothing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    settings = Settings(first_frame=0) if options.single_frame else Settings()
    grey_train, y_train = clips("train", settings.clips, settings.seed)
    grey_test, y_test = clips("test", TEST_COUNT, TEST_SEED)
    for name, view in (("gestures", np.asarray), ("gestures_events", events)):
        x_train, x_test = (torch.from_numpy(view(x)) for x in (grey_train, grey_test))
        if options.single_frame:
            x_train, x_test = x_train[:, :, -1:], x_test[:, :, -1:]
        start = time.perf_counter()
        model = train(x_train, torch.from_numpy(y_train), settings)
        seconds = time.perf_counter() - start
        logits = predict(model, x_test)
        last = logits[:, -1]
        if options.single_frame:
            pairs = pair_percent(last, y_test)
            print(f"{name}, last frame alone: {percent(last, y_test):.2f} %, {pairs:.2f} % between opposites")
            continue
        path = options.out / f"{name}.onnx"
        export(model, x_test[:2], path)
        check_export(path, x_test, logits)
        print(
            f"{path.name}: {percent(last, y_test):.2f} % of {len(y_test)} test clips at the last frame, "
            f"{percent(smooth(logits), y_test):.2f} % smoothed over frames; {parameter_counts(model)[1]:,} parameters, "
            f"{path.stat().st_size:,} bytes, {seconds:.0f} s of training",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""Train the two digit classifiers and export them to ONNX: `python examples/digits/train.py`.

Two small convolutional networks see the training half of the digits only; the test half is used once, for the
accuracies that are printed. Needs torch, onnx, onnxscript, onnxruntime and scikit-learn.
"""

import argparse
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from data import Images, Labels, load_split

MAX_FILE_BYTES = 100_000


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters, chosen by cross-validation inside the training half."""

    seed: int = 0
    epochs: int = 300
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    ema_decay: float = 0.995
    rotation: float = math.radians(8)
    scaling: float = 0.08
    shift: float = 0.6  # pixels
    pixel_noise: float = 0.05


class Activation(nn.Module):
    """ReLU, or ReLU6 where `ceiling` is 6; noisy while training, so that coarse activation levels do little harm.

    The noise is what rounding to `levels` steps of the channel's range would do.
    """

    def __init__(self, ceiling: float = math.inf, levels: float = 7) -> None:
        super().__init__()
        self.ceiling = ceiling
        self.levels = levels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(x) if math.isinf(self.ceiling) else F.relu6(x)
        if not self.training:
            return y
        step = y.detach().amax(dim=(0, 2, 3), keepdim=True) / self.levels
        return F.relu(y + step * (torch.rand_like(y) - 0.5))


def conv_bn(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    """A convolution that keeps the image's size, then batch normalization (an export folds the two)."""
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


class PlainNet(nn.Module):
    """Three convolutions, two max pools and a linear layer: 2,176 hidden neurons."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(1, 12),
            Activation(),
            conv_bn(12, 16),
            Activation(),
            nn.MaxPool2d(2),
            conv_bn(16, 24),
            Activation(),
            nn.MaxPool2d(2),
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(24 * 2 * 2, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(image).flatten(1)))


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity path."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_bn(channels, channels), Activation(), conv_bn(channels, channels))
        self.activation = Activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.branch(x))


class ResidualNet(nn.Module):
    """A stem, one residual block, a convolution with ReLU6, global average pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            conv_bn(1, 20),
            Activation(),
            nn.MaxPool2d(2),
            ResidualBlock(20),
            conv_bn(20, 32),
            Activation(ceiling=6),
            nn.AdaptiveAvgPool2d(1),
        )
        self.classifier = nn.Linear(32, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


def uniform(count: int, bound: float) -> Tensor:
    """`count` random numbers between -bound and bound."""
    return (torch.rand(count) * 2 - 1) * bound


def augment(images: Tensor, settings: Settings) -> Tensor:
    """Shift, turn and scale each image a little, and add pixel noise."""
    count, size = len(images), images.shape[-1]
    angle, scale = uniform(count, settings.rotation), 1 + uniform(count, settings.scaling)
    shift_x, shift_y = (uniform(count, 2 * settings.shift / size) for _ in range(2))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrices = torch.stack([cos, -sin, shift_x, sin, cos, shift_y], dim=1).view(count, 2, 3)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, align_corners=False)
    return (moved + settings.pixel_noise * torch.randn_like(moved)).clamp(0, 1)


def train(make: Callable[[], nn.Module], images: Images, labels: Labels, settings: Settings) -> nn.Module:
    """Train a fresh network and return the running average of its weights, ready for inference."""
    torch.manual_seed(settings.seed)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    model = make().train()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema_decay), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = len(x) // settings.batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * batches
    )
    for _ in range(settings.epochs):
        for chosen in torch.randperm(len(x))[: batches * settings.batch_size].view(batches, -1):
            logits = model(augment(x[chosen], settings))
            loss = F.cross_entropy(logits, y[chosen], label_smoothing=settings.label_smoothing)
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


def export(model: nn.Module, path: Path, *, dynamo: bool) -> None:
    """Write the network as one ONNX file with a dynamic batch axis, by torch's current or its legacy exporter."""
    names = {"input_names": ["image"], "output_names": ["logits"]}
    example = (torch.zeros(2, 1, 8, 8),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(model, example, path, **names, dynamic_shapes=shapes, external_data=False, verbose=False)
        else:
            axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
            torch.onnx.export(model, example, path, **names, dynamic_axes=axes, opset_version=17, dynamo=False)
    proto = onnx.load(path)
    strip(proto)
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, path)
    if path.stat().st_size >= MAX_FILE_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_FILE_BYTES - 1} are wanted")


def check_export(model: nn.Module, path: Path, images: Images) -> None:
    """Refuse an export whose logits are not torch's."""
    (logits,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": images})
    with torch.inference_mode():
        expected = model(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(logits.argmax(1), expected.argmax(1))


def count_correct(model: nn.Module, images: Images, labels: Labels) -> int:
    """How many images the network classifies correctly."""
    with torch.inference_mode():
        predictions = model(torch.from_numpy(images)).argmax(1).numpy()
    return int((predictions == labels).sum())


def main() -> None:
    """Train, export, check and report both networks."""
    parser = argparse.ArgumentParser(description="Train the digit classifiers and export them to ONNX.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the ONNX files")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    x_train, y_train, x_test, y_test = load_split()
    for name, make, dynamo in (("digits", PlainNet, True), ("digits_residual", ResidualNet, False)):
        path = folder / f"{name}.onnx"
        model = train(make, x_train, y_train, Settings())
        export(model, path, dynamo=dynamo)
        check_export(model, path, x_test)
        correct = count_correct(model, x_test, y_test)
        print(f"{path.name}: {correct} of {len(y_test)} test digits correct ({correct / len(y_test):.2%})")


if __name__ == "__main__":
    main()

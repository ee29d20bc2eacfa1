"""Networks as both exporters of PyTorch write them."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmc.compiler.diagnostics import Exit
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.ir.ops import Activation, BatchNorm, Clip, Conv, Pad
from onnx_models import assert_same, refusal

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

pytestmark = pytest.mark.slow
EXPORTERS = ("dynamo", "legacy")


def export(model: Any, example: Any, folder: Path, exporter: str, dynamic: bool = True, **options: Any) -> Path:
    """Export in evaluation mode, with a free batch axis if `dynamic`."""
    path = folder / f"{exporter}.onnx"
    dynamo = exporter == "dynamo"
    if dynamic and dynamo:
        options["dynamic_shapes"] = ({0: torch.export.Dim("batch")},)
    elif dynamic:
        options["dynamic_axes"] = {"image": {0: "batch"}}
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        torch.onnx.export(model.eval(), (example,), str(path), dynamo=dynamo, input_names=["image"], **options)
    return path


def settle(model: Any) -> Any:
    """Give batch norms statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return model


def check_export(model: Any, shape: tuple[int, ...], folder: Path, exporter: str, **options: Any) -> Graph:
    """The imported graph equals onnxruntime on the file and PyTorch on the model."""
    torch.manual_seed(0)
    settle(model)
    example = torch.randn(2 if options.get("dynamic", True) else 1, *shape)
    path = export(model, example, folder, exporter, **options)
    graph = import_onnx(path)
    assert_same(graph, str(path))
    (got,) = evaluate(graph, {"image": example.numpy()}).values()
    wanted = model(example).detach().numpy()
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()
    return graph


class Block(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Any) -> Any:
        return self.relu(self.conv2(self.relu(self.bn1(self.conv1(x)))) + x)


class Residual(nn.Module):
    """Batch norm after a convolution and after a ReLU6, residual blocks, ceil_mode, adaptive pool, view."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU6(), nn.BatchNorm2d(8))
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        return self.fc(self.average(self.pool(self.layer1(self.stem(x)))).view(x.size(0), -1))


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_residual_network(exporter: str, tmp_path: Path) -> None:
    graph = check_export(Residual(), (3, 33, 33), tmp_path, exporter)
    names = [node.result.name for node in graph.nodes]
    assert names[:6] == ["stem.0", "stem.1", "stem.2", "layer1.0.conv1", "layer1.0.relu", "layer1.0.conv2"]
    assert names[-1] == "fc" and "pool" in names and "layer1.1.add" in names
    assert any(isinstance(node.op, BatchNorm) for node in graph.nodes)
    assert next(node.op for node in graph.nodes if isinstance(node.op, Clip)) == Clip(0.0, 6.0)
    if exporter == "dynamo":
        assert (tmp_path / "dynamo.onnx.data").exists()


def test_missing_side_file_of_the_dynamo_exporter(tmp_path: Path) -> None:
    path = export(Residual(), torch.randn(1, 3, 33, 33), tmp_path, "dynamo", dynamic=False)
    (tmp_path / "dynamo.onnx.data").unlink()
    (found,) = refusal(path, Exit.BAD_FILE)
    assert found.code == "NMC-I003" and "'stem.0.weight'" in found.where


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_mobile_blocks(exporter: str, tmp_path: Path) -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()),
        *(nn.Conv2d(8, 8, 3, padding=1, stride=2, groups=8), nn.Hardswish(), nn.Conv2d(8, 12, 1, groups=2), nn.SiLU()),
        *(nn.AvgPool2d(2, ceil_mode=True), nn.Dropout(0.3), nn.Flatten(), nn.Linear(108, 4)),
    )
    graph = check_export(model, (3, 9, 9), tmp_path, exporter)
    convs = [node for node in graph.nodes if isinstance(node.op, Conv)]
    assert [node.result.name for node in convs] == ["0", "3", "5"] and [node.op.groups for node in convs] == [1, 8, 2]


class Causal(nn.Module):
    """Left padding in front of dilated 1-D convolutions, the last step taken at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(3, 6, 3, dilation=2), nn.Conv1d(6, 6, 2)

    def forward(self, x: Any) -> Any:
        y = F.leaky_relu(self.conv1(F.pad(x, (4, 0))), 0.1)
        return self.conv2(F.pad(y, (1, 0)))[:, :, -1]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_causal_network(exporter: str, tmp_path: Path) -> None:
    graph = check_export(Causal(), (3, 12), tmp_path, exporter)
    ops = [node.op for node in graph.nodes]
    separate = [op.pads[2] for op in ops if isinstance(op, Pad)]
    fused = [op.pads[0] for op in ops if isinstance(op, Conv) and any(op.pads[0])]
    assert separate + fused == [(4, 0), (1, 0)]
    assert Activation("leaky_relu", float(np.float32(0.1))) in ops


class Clip3d(nn.Module):
    """Frames (N, T, C, H, W), causal (2+1)-D convolution, mean over time and space, chunked gates."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Conv3d(2, 6, (1, 3, 3), padding=(0, 1, 1), stride=(1, 2, 2))
        self.norm = nn.BatchNorm3d(6)
        self.temporal = nn.Conv3d(6, 8, (3, 1, 1))
        self.fc = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norm(self.spatial(x.transpose(1, 2))))
        y = self.temporal(F.pad(y, (0, 0, 0, 0, 2, 0)))
        a, b = y.chunk(2, 1)
        return self.fc((a - b).mean((-1, -2)).transpose(1, 2)).mean(1)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_clip_network(exporter: str, tmp_path: Path) -> None:
    graph = check_export(Clip3d(), (4, 2, 6, 6), tmp_path, exporter)
    assert graph.inputs[0].type.axes == "NTCHW"
    assert next(node.result.type.axes for node in graph.nodes if isinstance(node.op, Conv)) == "NCTHW"


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 4, 3, 2, 1), nn.ConvTranspose2d(4, 2, 3, 2, 1, output_padding=1)
        self.scale = nn.Parameter(torch.randn(2, 1, 1))

    def forward(self, x: Any) -> Any:
        y = self.up(torch.sigmoid(self.down((x - 0.5) / 0.25)))
        return torch.cat((y * self.scale, F.gelu(x)), 1)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_decoder(exporter: str, tmp_path: Path) -> None:
    check_export(Decoder(), (2, 8, 8), tmp_path, exporter, dynamic=False)


@pytest.mark.parametrize(("exporter", "opset"), [("dynamo", 18), ("dynamo", 22), ("legacy", 11), ("legacy", 17)])
def test_other_opsets(exporter: str, opset: int, tmp_path: Path) -> None:
    check_export(Residual(), (3, 17, 17), tmp_path, exporter, opset_version=opset)


def test_layers_of_the_user_are_named_in_refusals(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softmax(0), nn.Flatten(), nn.Softmax(-2), nn.Linear(144, 2))
    found = refusal(export(model, torch.randn(2, 3, 8, 8), tmp_path, "dynamo"))
    assert [d.where.split(",")[0] for d in found] == ["layer '1' (Softmax)"]

"""PyTorch modules as graphs: against torch, against their ONNX exports, and one tracer against the other."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.compiler import compile_model, compile_verbose, transform
from nmc.compiler.frontends import import_model, read_model
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.ir.ops import Activation, AvgPool, ConvTranspose, Mean
from nmc.runtime import Session, load

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from nmc.compiler.frontends.torch.export import export as traced_by_export  # noqa: E402
from nmc.compiler.frontends.torch.handlers import row_of  # noqa: E402
from nmc.compiler.frontends.torch.importer import Importer  # noqa: E402
from nmc.compiler.frontends.torch.trace import trace  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from models import classics, images, tenn  # noqa: E402
from models.export import export, quiet  # noqa: E402
from models.weights import random_clip, randomize  # noqa: E402

pytestmark = pytest.mark.slow

STANDARD = "canonicalize,fold-batch-norm"
FOLDED = 3e-5  # folded weights are rounded to float32 once more, here or by the exporter


class Function(nn.Module):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.forward = function


def settle(model: nn.Module) -> nn.Module:
    """Eval mode, and batch norms whose statistics are not 0 and 1."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for tensor in (module.weight, module.bias, module.running_mean):
                if tensor is not None:
                    tensor.data.copy_(torch.randn(tensor.shape, generator=generator))
            assert module.running_var is not None
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return model.eval()


def exactly(model: nn.Module, x: Tensor) -> np.ndarray:
    """What the model gives in float64."""
    with torch.no_grad():
        return copy.deepcopy(model).double()(x.double()).numpy()


def run(graph: Graph, x: Tensor) -> np.ndarray:
    (value,) = graph.inputs
    (found,) = evaluate(graph, {value.name: x.numpy()}).values()
    return found


def check_equal(found: np.ndarray, wanted: np.ndarray, tolerance: float = 1e-5) -> None:
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def by_fx(model: nn.Module, shape: tuple[int, ...], name: str = "x") -> Graph:
    """The graph by way of torch.fx, without torch.export to fall back on."""
    return Importer(trace(model, {name: shape}, lambda part: row_of(part) is not None), "traced").run()


def by_export(model: nn.Module, shape: tuple[int, ...], name: str = "x") -> Graph:
    """The graph by way of torch.export."""
    return Importer(traced_by_export(model, {name: shape}), "exported").run()


# --- whole networks ---

VIDEO, EVENTS, SHORT = (3, 8, 24, 24), (2, 6, 24, 24), (1, 1, 1)
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "jester pad": (lambda: tenn.jester("pad", width=8), VIDEO),
    "jester chomp": (lambda: tenn.jester("chomp", width=8), VIDEO),
    "jester concat": (lambda: tenn.jester("concat", width=8), VIDEO),
    "dvs128": (lambda: tenn.dvs128(width=4), EVENTS),
    "eye tracking": (lambda: tenn.eye_tracking(width=4), (2, 6, 40, 53)),
    "c3d": (lambda: classics.C3D(width=4), VIDEO),
    "r3d": (lambda: classics.R3D(width=4, depth=SHORT), VIDEO),
    "r2plus1d 18": (lambda: classics.R2Plus1D18(width=4, depth=SHORT), VIDEO),
    "r2plus1d": (classics.R2Plus1D, VIDEO),
    "movinet": (lambda: classics.MoViNetStream(width=4), VIDEO),
    "x3d": (lambda: classics.X3D(width=4, depth=SHORT), VIDEO),
    "x3d silu": (lambda: classics.X3D(width=4, depth=SHORT, act="silu"), VIDEO),
    **images.NAMES,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_networks_of_the_examples(name: str, tmp_path: Path) -> None:
    make, shape = NETS[name]
    model = randomize(make(), (8 if len(shape) == 4 else 32, *shape), seed=3)
    x = random_clip((2, *shape), seed=4)
    name = next(iter(inspect.signature(model.forward).parameters))
    graph = by_fx(model, (1, *shape), name)
    check_equal(run(graph, x), exactly(model, x))

    path = export(model, x[:1], tmp_path / "m.onnx")
    (value,) = graph.inputs
    graphs = [graph, by_export(model, (1, *shape), value.name), read_model(path)]
    plain, exported, from_onnx = [transform(g, STANDARD).graph for g in graphs]
    check_equal(run(plain, x), exactly(model, x), FOLDED)
    check_equal(run(from_onnx, x), run(plain, x), FOLDED)
    assert value.type == from_onnx.inputs[0].type
    assert [(node.result.name, node.op) for node in exported.nodes] == [(n.result.name, n.op) for n in plain.nodes]
    check_equal(run(exported, x), run(plain, x), 0)


# --- operations: module or function, shape of an input ---

IMAGE, ROW, CLIP = (1, 4, 6, 8), (1, 6), (1, 2, 5, 6, 6)
WEIGHT = torch.randn(3, 4, 3, 3, generator=torch.Generator().manual_seed(1))
MATRIX = torch.randn(8, 5, generator=torch.Generator().manual_seed(2))
PER_CHANNEL = torch.tensor([1.0, -2.0, 0.5, 3.0])[:, None, None]


def written_in_place(x: Tensor) -> Tensor:
    y = x * 2
    y += 1
    F.relu_(y)
    return y - 0.5


def sizes(x: Tensor) -> Tensor:
    batch, channels, *_ = x.shape
    return x.view(batch, channels, -1)[:, : x.size(1) // 2] / x.numel() if x.dim() == len(x.shape) else x


def joined(x: Tensor) -> Tensor:
    parts = [torch.zeros_like(x[:, :1]), x, x.new_ones(1, 1, 6, 8), x.new_full((1, 1, 6, 8), 2.5)]
    return torch.cat((*parts, torch.full_like(x, 3)), 1)


OPS: dict[str, tuple[nn.Module | Callable[..., Any], tuple[int, ...]]] = {
    "conv1d same": (nn.Conv1d(4, 3, 4, padding="same", dilation=2), (1, 4, 9)),
    "conv2d": (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2), IMAGE),
    "conv2d valid no bias": (nn.Conv2d(4, 6, 3, padding="valid", bias=False), IMAGE),
    "conv3d": (nn.Conv3d(2, 3, (3, 1, 1), padding=(1, 0, 0)), CLIP),
    "F.conv2d": (lambda x: F.conv2d(x, WEIGHT, padding=1), IMAGE),
    "conv_transpose1d": (nn.ConvTranspose1d(4, 3, 3, 2, 1, 1), (1, 4, 5)),
    "conv_transpose2d": (nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2, dilation=2), IMAGE),
    "conv_transpose3d": (nn.ConvTranspose3d(2, 3, 2, 2), CLIP),
    "linear": (nn.Linear(6, 5), ROW),
    "linear no bias, rank 3": (nn.Linear(8, 5, bias=False), (1, 3, 8)),
    "matmul": (lambda x: x @ MATRIX, IMAGE),
    "mm": (lambda x: torch.mm(x, MATRIX[:6]) + MATRIX[0], ROW),
    "addmm": (lambda x: torch.addmm(MATRIX[0], x, MATRIX[:6]), ROW),
    "batch norm 1d": (nn.BatchNorm1d(6), ROW),
    "batch norm 2d": (nn.BatchNorm2d(4, eps=1e-3), IMAGE),
    "batch norm 3d, not affine": (nn.BatchNorm3d(2, affine=False), CLIP),
    "max_pool1d": (nn.MaxPool1d(3, 2, 1), (1, 4, 9)),
    "max_pool2d": (nn.MaxPool2d((3, 2), (2, 3), (1, 0), ceil_mode=True), IMAGE),
    "max_pool2d dilated": (nn.MaxPool2d(2, 1, dilation=2), IMAGE),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), CLIP),
    "avg_pool1d": (nn.AvgPool1d(2), (1, 4, 9)),
    "avg_pool2d": (nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False), IMAGE),
    "avg_pool3d padded": (nn.AvgPool3d(3, 2, 1), CLIP),
    "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d(3), (1, 4, 9)),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d((2, None)), IMAGE),
    "adaptive_avg_pool2d 1": (nn.AdaptiveAvgPool2d(1), IMAGE),
    "adaptive_max_pool2d": (nn.AdaptiveMaxPool2d((3, 1)), IMAGE),
    "mean": (lambda x: x.mean((-1, 2)), IMAGE),
    "mean keepdim": (lambda x: torch.mean(x, dim=1, keepdim=True), IMAGE),
    "relu": (lambda x: torch.relu(x), ROW),
    "relu in place": (nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)), ROW),
    "relu6": (nn.ReLU6(), ROW),
    "hardtanh": (nn.Hardtanh(-0.5, 2), ROW),
    "clamp": (lambda x: torch.clamp(x, min=-1, max=1.5), ROW),
    "clamp one side": (lambda x: x.clamp_min(-1).clamp(max=0.5), ROW),
    "leaky_relu": (nn.LeakyReLU(0.25), ROW),
    "prelu": (nn.PReLU(), IMAGE),
    "prelu channels": (nn.PReLU(4, 0.1), IMAGE),
    "elu": (nn.ELU(0.5), ROW),
    "celu": (nn.CELU(2.0), ROW),
    "selu": (nn.SELU(), ROW),
    "gelu": (nn.GELU(), ROW),
    "gelu tanh": (nn.GELU("tanh"), ROW),
    "silu": (nn.SiLU(), ROW),
    "mish": (nn.Mish(), ROW),
    "sigmoid": (nn.Sigmoid(), ROW),
    "tanh": (nn.Tanh(), ROW),
    "hardswish": (nn.Hardswish(), ROW),
    "hardsigmoid": (nn.Hardsigmoid(), ROW),
    "softplus": (nn.Softplus(), ROW),
    "softplus beta": (nn.Softplus(0.5, 30), ROW),
    "erf": (lambda x: torch.erf(x), ROW),
    "add": (lambda x: 1 + x + torch.add(x, x * x, alpha=0.5), ROW),
    "sub": (lambda x: (2 - x) - x.sub(3) - PER_CHANNEL, IMAGE),
    "rsub": (lambda x: torch.rsub(x, 5), ROW),
    "constant minus": (lambda x: PER_CHANNEL - x, IMAGE),
    "mul div neg": (lambda x: -(x * PER_CHANNEL) / 3 + x / PER_CHANNEL, IMAGE),
    "pow": (lambda x: x**3 + x.pow(2) + torch.square(x), ROW),
    "in place": (written_in_place, ROW),
    "dropout": (nn.Sequential(nn.Dropout(), nn.Linear(8, 3), nn.Dropout2d(0.2)), IMAGE),
    "casts": (lambda x: x.float().to(torch.float64).type_as(x).contiguous().clone().detach(), ROW),
    "flatten": (lambda x: torch.flatten(x, 1, 2), IMAGE),
    "flatten module": (nn.Flatten(), IMAGE),
    "unflatten": (nn.Unflatten(1, (2, 3)), ROW),
    "view and reshape": (lambda x: x.view(1, 2, 2, 48).reshape(x.size(0), -1), IMAGE),
    "sizes": (sizes, IMAGE),
    "squeeze": (lambda x: x.mean(2, keepdim=True).squeeze(2).unsqueeze(-1), IMAGE),
    "transpose": (lambda x: x.transpose(1, -1).permute(0, 2, 1, 3), IMAGE),
    "movedim": (lambda x: torch.movedim(x, 1, -1).mT, IMAGE),
    "expand nothing": (lambda x: x.expand(-1, 4, 6, 8), IMAGE),
    "pad": (lambda x: F.pad(x, (1, 2, 0, -1), value=0.5), IMAGE),
    "zero pad": (nn.ZeroPad2d((1, 0, 2, 1)), IMAGE),
    "constant pad": (nn.ConstantPad1d(2, -1.5), (1, 4, 5)),
    "cat": (joined, IMAGE),
    "stack": (lambda x: torch.stack([x, x * 2], 2), IMAGE),
    "getitem": (lambda x: x[:, 1:, ::2, -1][..., None], IMAGE),
    "getitem list": (lambda x: x[:, [0, 2], 1:2], IMAGE),
    "select": (lambda x: x.select(1, -1).narrow(2, 1, 4), IMAGE),
    "index_select": (lambda x: x.index_select(2, torch.tensor([1, 3, 5])), IMAGE),
    "chunk": (lambda x: torch.mul(*x.chunk(2, 1)), IMAGE),
    "split": (lambda x: x.split([1, 3], 1)[1] + x.split(3, dim=1)[0], IMAGE),
    "unbind": (lambda x: sum(x.unbind(2)), IMAGE),
    "interpolate": (lambda x: F.interpolate(x, scale_factor=(2, 3), mode="nearest"), IMAGE),
    "interpolate to a size": (lambda x: F.interpolate(x, size=(42, 40)), IMAGE),
    "upsample 1d exact": (nn.Upsample(scale_factor=3, mode="nearest-exact"), (1, 4, 5)),
    "upsample 3d": (nn.Upsample(scale_factor=2), CLIP),
}


@pytest.mark.parametrize("name", OPS)
def test_operations(name: str) -> None:
    layer, shape = OPS[name]
    torch.manual_seed(0)
    model = settle(layer if isinstance(layer, nn.Module) else Function(layer))
    x = 3 * torch.randn(3, *shape[1:], generator=torch.Generator().manual_seed(5))
    wanted = np.concatenate([exactly_here(model, sample[None]) for sample in x])
    name = next(iter(inspect.signature(model.forward).parameters))
    check_equal(run(by_fx(model, shape, name), x), wanted, 2e-6)
    check_equal(run(by_export(model, shape, name), x), wanted, 2e-6)


def exactly_here(model: nn.Module, x: Tensor) -> np.ndarray:
    """What the model gives, in float64 where its constants allow it."""
    with torch.no_grad():
        return model(x.clone()).double().numpy() if isinstance(model, Function) else exactly(model, x)


def test_softsign_is_one_operation_for_fx() -> None:
    graph = by_fx(nn.Softsign(), ROW, "input")
    assert [node.op for node in graph.nodes] == [Activation("softsign")]


# --- what a graph looks like ---


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x))) + x


class Named(nn.Module):
    """Layers used once and twice, functions in modules, a parameter, several results."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(), Block())
        self.fc = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.tensor([1.0, 2.0, 3.0, 4.0]))

    def forward(self, image: Tensor, row: Tensor, power: float = 2.0) -> dict[str, Any]:
        features = self.blocks(image).mean((2, 3)) * self.scale
        twice = self.fc(self.fc(features))
        return {"logits": twice + row, "parts": [features, None, (row * power,)]}


def test_names_are_module_paths() -> None:
    graph = read_model(settle(Named()), {"image": IMAGE, "row": (1, 4)})
    names = [node.result.name for node in graph.nodes]
    assert names[:4] == ["blocks.0.conv", "blocks.0.bn", "blocks.0.relu", "blocks.0.add"]
    assert names[8:] == ["mean", "mul", "fc", "fc.linear", "add", "mul.2"]
    assert [value.name for value in graph.nodes[0].operands if value is not None][1:] == [
        "blocks.0.conv.weight",
        "blocks.0.conv.bias",
    ]
    assert graph.nodes[2].result.origin == ("blocks.0",) and graph.nodes[0].result.origin == ("blocks.0.conv",)
    assert {value.name: str(value.type) for value in graph.inputs} == {
        "image": "f32[1,4,6,8]NCHW",
        "row": "f32[1,4]NC",
    }
    assert list(graph.outputs) == ["logits", "parts_0", "parts_2_0"] and graph.name == "Named"


def test_the_name_of_the_only_input_may_be_left_out() -> None:
    model = Function(lambda x, power=3.0: x * power)
    assert read_model(model, {"": ROW}) == read_model(model, {"x": ROW})


@pytest.mark.parametrize(
    ("forward", "shape", "axes"),
    [
        (lambda conv, x: conv(x.transpose(1, 2)), (1, 5, 2, 6, 6), "NTCHW"),
        (lambda conv, x: conv(x.float().permute(0, 4, 1, 2, 3) / 255), (1, 5, 6, 6, 2), "NTHWC"),
        (lambda conv, x: conv(x.unsqueeze(1)[:, :, 1:]), (1, 5, 6, 6), "NTHW"),
        (lambda conv, x: x * 2, (1, 5, 6), "NCW"),
    ],
)
def test_axes_of_inputs_come_from_the_first_layer(forward: Any, shape: tuple[int, ...], axes: str) -> None:
    channels = 1 if axes == "NTHW" else 2
    conv = nn.Conv3d(channels, 3, 1)
    graph = by_fx(Function(lambda x: forward(conv, x)), shape)
    assert graph.inputs[0].type.axes == axes


def test_a_global_pool_is_a_mean_and_nearest_repeats() -> None:
    model = nn.Sequential(nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(2), nn.AdaptiveAvgPool2d(1))
    up, pool, mean = by_fx(model, (1, 3, 4, 4), "input").nodes
    assert isinstance(up.op, ConvTranspose) and isinstance(pool.op, AvgPool) and isinstance(mean.op, Mean)


def test_weights_are_constants_without_copies_of_what_is_not_used() -> None:
    model = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)).eval()
    constants = {value.name: value.data for value in by_fx(model, IMAGE, "input").constants()}
    assert list(constants) == ["0.weight", "0.bias", "1.gamma", "1.beta", "1.mean", "1.variance"]
    np.testing.assert_array_equal(constants["0.weight"], model[0].weight.detach().numpy())


# --- how modules are treated ---


def test_the_module_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2), nn.Dropout(), nn.ReLU())
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    done = import_model(model, {"": IMAGE})
    assert [part.training for part in model.modules()] == [True, True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    (note,) = done.notes
    assert "training mode" in note and note.endswith("Dropout")
    assert import_model(model.eval(), {"": IMAGE}).notes == ()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are_converted_and_that_is_said(dtype: Any) -> None:
    torch.manual_seed(0)
    model = settle(nn.Sequential(nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2))).to(dtype)
    done = import_model(model, {"": IMAGE})
    assert done.notes == (f"the model has weights of type {str(dtype)[6:]}: they are converted to float32",)
    assert model[0].weight.dtype == dtype
    x = torch.randn(IMAGE)
    check_equal(run(done.graph, x), exactly(model, x))


def test_hooks_and_parametrizations_are_followed() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(torch.nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 3, 3)), nn.Conv2d(3, 2, 1)).eval()
    model[1].register_forward_hook(lambda module, args, result: result * 2)
    model.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    x = torch.randn(IMAGE)
    check_equal(run(by_fx(model, IMAGE, "input"), x), model(x).detach().numpy())


def test_code_that_fx_cannot_follow_goes_to_export() -> None:
    def forward(x: Tensor) -> Tensor:
        parts: Any = x.unsqueeze(2)
        parts[:, :, 0] = parts[:, :, 0] * 2  # torch.fx knows no assignment
        return parts.relu()

    with pytest.raises(TypeError):
        by_fx(Function(forward), ROW)
    with pytest.raises(Exception, match="overwrote"):
        read_model(Function(forward), {"": ROW})

    def readable(x: Tensor) -> Tensor:
        return torch.jit.trace(lambda y: y * 2, (torch.zeros(ROW),))(x) if isinstance(x, nn.Parameter) else x * 2

    assert len(read_model(Function(readable), {"": ROW}).nodes) == 1


def test_what_was_overwritten_in_place_is_read_anew() -> None:
    def forward(x: Tensor) -> Tensor:
        y = x * 2
        z = F.relu(y, inplace=True)
        return y + z

    check_equal(run(by_fx(Function(forward), ROW), torch.ones(ROW)), np.full(ROW, 4.0))


def test_tensors_that_forward_makes_are_what_they_are_at_that_moment() -> None:
    def forward(x: Tensor) -> Tensor:
        step = torch.ones(1, 6)
        y = x + step
        step += 1
        total = torch.zeros(1, 6)
        for part in (y, y * step):
            total += part
        return total

    check_equal(run(by_fx(Function(forward), ROW), torch.ones(ROW)), np.full(ROW, 6.0))


def test_modules_in_plain_lists_are_followed() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3)]
    model = Function(lambda x: layers[2](layers[1](layers[0](x))))
    x = torch.randn(ROW)
    check_equal(run(by_fx(model, ROW), x), model(x).detach().numpy())


# --- files and code ---

CODE = """
import torch
from torch import nn
from sizes import CHANNELS

class Net(nn.Sequential):
    def __init__(self):
        conv = nn.Conv2d(1, CHANNELS, 3)
        super().__init__(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(CHANNELS * 9, 4))

def net():
    torch.manual_seed(1)
    return Net()

def with_example():
    return net(), torch.zeros(5, 1, 8, 8)

ready = net()

class Holder:
    make = staticmethod(net)
"""


@pytest.fixture
def code(tmp_path: Path) -> Path:
    (tmp_path / "sizes.py").write_text("CHANNELS = 3\n")
    path = tmp_path / "small_net.py"
    path.write_text(CODE)
    return path


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


SHAPE = {"": (1, 1, 8, 8)}


def test_factories(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = read_model(f"{code}:net", SHAPE)
    assert graph.name == "net"
    for text in (f"{code}:ready", f"{code}:Holder.make", f"{code}:Net"):
        assert read_model(text, SHAPE).inputs[0].type.shape == (1, 1, 8, 8)
    assert read_model(f"{code}:with_example").nodes[0].result.type == graph.nodes[0].result.type
    monkeypatch.chdir(code.parent)
    x = torch.rand(2, 1, 8, 8)
    np.testing.assert_array_equal(run(read_model("small_net:net", SHAPE), x), run(graph, x))
    assert str(code.parent) not in sys.path
    for name in ("small_net", "sizes"):
        sys.modules.pop(name)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_state_dicts(code: Path, ending: str) -> None:
    from safetensors.torch import save_file

    model = import_source_module(code)
    weights = {name: torch.randn(value.shape) for name, value in model.state_dict().items()}
    path = code.parent / f"weights.{ending}"
    torch.save(weights, path) if ending == "pt" else save_file(weights, path)
    model.load_state_dict(weights)
    graph = read_model(f"{code}:net", SHAPE, path)
    x = torch.rand(2, 1, 8, 8)
    check_equal(run(graph, x), exactly(model, x))


def import_source_module(code: Path) -> nn.Module:
    from nmc.compiler.frontends.torch.source import build

    return build(f"{code}:net").module


@pytest.mark.parametrize("target", ["cri", "akida"])
def test_compiling_code_equals_compiling_its_onnx_file(
    code: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(code.parent)
    samples = np.random.default_rng(0).random((16, 1, 8, 8))
    np.save("x.npy", samples)
    with quiet(), torch.no_grad():
        options: dict[str, Any] = {"input_names": ["input"], "output_names": ["output"], "dynamo": False}
        torch.onnx.export(import_source_module(code).eval(), (torch.zeros(1, 1, 8, 8),), "net.onnx", **options)
    common = ("--target", target, "--calibration", "x.npy", "--input-shape", "1,1,8,8")
    done = nmc("compile", "small_net.py:net", *common)
    assert done.exit_code == 0, done.output
    assert nmc("compile", "net.onnx", *common, "-o", "from_onnx.nmc").exit_code == 0
    ours, theirs = load(Path("net.nmc")), load(Path("from_onnx.nmc"))
    first, second = Session(ours).run(samples), Session(theirs).run(samples)
    np.testing.assert_array_equal(first.integers["output"], second.integers["output"])
    assert first.outputs["output"].std() > 0
    assert nmc("check", "small_net.py:net", "--target", target, "--input-shape", "1,1,8,8").exit_code == 0


def test_python_calls_take_the_same_models(code: Path) -> None:
    samples = np.random.default_rng(0).random((8, 1, 8, 8))
    model = import_source_module(code)
    options: dict[str, Any] = {"input_shapes": SHAPE, "calibration": samples}
    programs = [compile_model(m, "akida", **options) for m in (model, f"{code}:net")]
    first, second = (Session(program).run(samples).integers["output"] for program in programs)
    np.testing.assert_array_equal(first, second)
    done = compile_verbose(nn.Sequential(model, nn.BatchNorm1d(4)), "akida", **options)
    assert any("training mode" in sentence for sentence in done.warnings)
    assert transform(model, "canonicalize", input_shapes=SHAPE).graph.stage == "canonical"


@pytest.mark.parametrize("dynamic", [False, True])
def test_archives_of_torch_export(dynamic: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = settle(
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    path = tmp_path / "net.pt2"
    free = ({0: torch.export.Dim("n"), 2: torch.export.Dim("h", min=4, max=64)},) if dynamic else None
    with quiet():
        program = torch.export.export(model, (torch.zeros(2 if dynamic else 1, 2, 8, 8),), dynamic_shapes=free)
        torch.export.save(program, path)
    done = import_model(path, {"": (1, 2, 10, 8)} if dynamic else None)
    x = torch.randn(1, 2, 10 if dynamic else 8, 8)
    check_equal(run(done.graph, x), exactly(model, x))
    assert done.graph.name == "net" and [node.result.name for node in done.graph.nodes][:3] == ["0", "1", "2"]


def test_archives_in_core_aten(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pools = nn.Sequential(nn.MaxPool2d(2), nn.ConvTranspose2d(4, 3, 2, 2), nn.ReLU6(), nn.ZeroPad2d(1))
    model = settle(nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), pools, nn.Flatten(), nn.Linear(192, 3)))
    with quiet():
        program = torch.export.export(model, (torch.zeros(1, 2, 8, 8),)).run_decompositions()
        torch.export.save(program, tmp_path / "net.pt2")
    x = torch.randn(1, 2, 8, 8)
    check_equal(run(read_model(tmp_path / "net.pt2"), x), exactly(model, x))

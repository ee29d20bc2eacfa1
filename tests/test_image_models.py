"""The image networks of the examples: parameter counts, and their exports imported and compared with onnxruntime."""

import functools
import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmc.compiler import transform
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import Graph, evaluate
from nmc.compiler.ir.ops import Activation, ConvTranspose

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from models.export import export
from models.images import NAMES, VGG, DenseNet, MobileNetV2, ResNet, UNet
from models.weights import parameter_counts, random_clip, randomize

pytestmark = pytest.mark.slow

EXPORTERS = ("dynamo", "legacy")


@functools.cache
def prepared(name: str) -> tuple[nn.Module, Tensor]:
    """The narrow network with calibrated random weights, and two images it was not calibrated on."""
    make, shape = NAMES[name]
    return randomize(make(), (32, *shape), seed=3), random_clip((2, *shape), seed=4)


def logits(name: str) -> np.ndarray:
    model, images = prepared(name)
    with torch.no_grad():
        return model(images).numpy()


def assert_equals_onnxruntime(graph: Graph, path: Path, images: np.ndarray) -> None:
    """Image by image: the graph is one sample's, whatever batch the file fixes."""
    found = evaluate(graph, {"clip": images})["logits"]
    session = onnxruntime.InferenceSession(path)
    wanted = np.concatenate([session.run(["logits"], {"clip": image[None]})[0] for image in images])
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.slow
def test_full_widths_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        assert parameter_counts(MobileNetV2())[1] == 3_504_872
        assert parameter_counts(ResNet())[1] == 11_689_512
        assert parameter_counts(VGG())[1] == 138_357_544
        assert parameter_counts(DenseNet())[1] == 7_978_856
        assert parameter_counts(UNet())[1] == 1_864_324
        assert MobileNetV2()(torch.empty(1, 3, 224, 224)).shape == (1, 1000)
        assert VGG()(torch.empty(1, 3, 224, 224)).shape == (1, 1000)


@pytest.mark.parametrize("name", NAMES)
def test_random_networks_are_lively(name: str) -> None:
    found = logits(name)
    assert found.shape == ((2, 4, 32, 32) if name.startswith("unet") else (2, 10))
    assert 0.01 < found.std() < 10
    assert np.abs(found[0] - found[1]).max() > 0.1
    model, _ = prepared(name)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert bool(norms) == (name != "vgg")
    assert all(norm.momentum == 0.1 and bool(norm.running_mean.any()) for norm in norms)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="bilinear"):
        UNet(up="bilinear")  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", NAMES)
def test_exports_are_imported(name: str, exporter: str, tmp_path: Path) -> None:
    model, images = prepared(name)
    path = export(model, images[:1], tmp_path / "m.onnx", exporter)  # type: ignore[arg-type]
    graph = read_model(path)
    assert_equals_onnxruntime(graph, path, images.numpy())
    found = evaluate(graph, {"clip": images.numpy()})["logits"]
    np.testing.assert_allclose(found, logits(name), rtol=0, atol=1e-4 * np.abs(found).max())
    plain = transform(graph, "canonicalize,fold-batch-norm").graph
    assert_equals_onnxruntime(plain, path, images.numpy())
    kinds = Counter(node.op.kind for node in plain.nodes if isinstance(node.op, Activation))
    act = name.removeprefix("mobilenet_v2_")
    assert kinds == ({act: 35} if act in ("silu", "hard_swish") else {})
    assert sum(isinstance(node.op, ConvTranspose) for node in plain.nodes) == 2 * name.startswith("unet")


class Function(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


LAYERS: dict[str, tuple[nn.Module, Activation]] = {
    "elu": (nn.ELU(0.5), Activation("elu", 0.5)),
    "gelu": (nn.GELU(), Activation("gelu")),
    "gelu tanh": (nn.GELU("tanh"), Activation("gelu_tanh")),
    "gelu written out": (
        Function(lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
        Activation("gelu_tanh"),
    ),
    "hard sigmoid": (nn.Hardsigmoid(), Activation("hard_sigmoid")),
    "hard swish": (nn.Hardswish(), Activation("hard_swish")),
    "hard swish written out": (Function(lambda x: x * F.relu6(x + 3) / 6), Activation("hard_swish")),
    "leaky relu": (nn.LeakyReLU(0.25), Activation("leaky_relu", 0.25)),
    "mish": (nn.Mish(), Activation("mish")),
    "mish written out": (Function(lambda x: x * torch.tanh(F.softplus(x))), Activation("mish")),
    "quick gelu": (Function(lambda x: x * torch.sigmoid(1.75 * x)), Activation("swish", 1.75)),
    "selu": (nn.SELU(), Activation("selu")),
    "silu": (nn.SiLU(), Activation("silu")),
    "softplus": (nn.Softplus(), Activation("softplus")),
    "softsign": (nn.Softsign(), Activation("softsign")),
}


@pytest.mark.slow
@pytest.mark.parametrize(("exporter", "opset"), [("dynamo", None), ("dynamo", 18), ("legacy", 9), ("legacy", 17)])
@pytest.mark.parametrize("name", LAYERS)
def test_activations_become_one_op(name: str, exporter: str, opset: int | None, tmp_path: Path) -> None:
    layer, op = LAYERS[name]
    images = 30 * random_clip((1, 3, 8, 8)) - 6  # beyond the threshold of softplus
    path = export(layer, images, tmp_path / "m.onnx", exporter, opset)  # type: ignore[arg-type]
    graph = transform(read_model(path), "canonicalize").graph
    assert [node.op for node in graph.nodes] == [op]
    assert_equals_onnxruntime(graph, path, images.numpy())


@pytest.mark.slow
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", ["unet_nearest", "densenet"])
def test_unfolded_exports_with_dynamic_batch_are_imported(name: str, exporter: str, tmp_path: Path) -> None:
    model, images = prepared(name)
    path = export(model, images[:1], tmp_path / "m.onnx", exporter, 18, dynamic_batch=True, fold=False)  # type: ignore[arg-type]
    assert_equals_onnxruntime(read_model(path), path, images.numpy())

"""Which networks are exported, from which inputs, by which exporter with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Shapes = tuple[tuple[int, ...], ...]
EXPORTERS = ("dynamo", "legacy")
IMAGE = ((3, 32, 32),)
CLIP = ((3, 8, 32, 32),)
LONG = ((3, 16, 32, 32),)


@dataclass(frozen=True)
class Case:
    """A network and its exports.

    net      a class of `nets` ("module.Class"), or of `examples/models` ("models.module.Class"), and its options
    inputs   shapes without the batch axis
    opsets   by exporter, where it is not the exporter's own;  symbolic: exporters that leave the batch axis open
    """

    net: str
    options: dict[str, Any]
    inputs: Shapes
    opsets: dict[str, int]
    symbolic: tuple[str, ...]

    def make(self) -> nn.Module:
        """The network, not yet initialized."""
        module, _, name = self.net.rpartition(".")
        package = module if module.startswith("models.") else f"{__package__}.nets.{module}"
        return getattr(import_module(package), name)(**self.options)


def _net(
    net: str, inputs: Shapes = IMAGE, opsets: dict[str, int] | None = None, symbolic: Sequence[str] = (), **options: Any
) -> Case:
    return Case(net, options, inputs, opsets or {}, tuple(symbolic))


CASES: dict[str, Case] = {
    "resnet": _net("models.images.ResNet", symbolic=EXPORTERS, classes=10, width=8),
    "mobilenet v2": _net("models.images.MobileNetV2", opsets={"legacy": 11}, classes=10, width=8),
    "mobilenet v3": _net("mobile.MobileNetV3", opsets={"legacy": 13}),
    "efficientnet": _net("mobile.EfficientNet", symbolic=("dynamo",)),
    "efficientnet, no gates": _net("mobile.EfficientNet", opsets={"legacy": 13}, gated=False),
    "vgg": _net("models.images.VGG", opsets={"legacy": 9}, classes=10, width=8, size=32, depth=(2, 2, 2), hidden=(64,)),
    "squeezenet": _net("mobile.SqueezeNet", symbolic=("legacy",)),
    "squeezenet, floor": _net("mobile.SqueezeNet", ceil=False),
    "shufflenet v2": _net("mobile.ShuffleNetV2", symbolic=EXPORTERS),
    "densenet": _net("models.images.DenseNet", opsets={"dynamo": 23}, classes=10, width=8, depth=(2, 2, 2)),
    "unet, transposed": _net("models.images.UNet", width=8),
    "unet, nearest": _net("models.images.UNet", opsets={"legacy": 11}, width=8, up="nearest"),
    "unet, bilinear": _net("images.BilinearUNet", symbolic=("legacy",)),
    "unet, bilinear corners": _net("images.BilinearUNet", corners=True),
    "repvgg, branches": _net("images.RepVGG"),
    "repvgg, deployed": _net("images.RepVGG", deployed=True),
    "convnext": _net("transformers.ConvNeXt", symbolic=("dynamo",)),
    "vit": _net("transformers.ViT", symbolic=("dynamo",)),
    "vit, opset 23": _net("transformers.ViT", opsets={"dynamo": 23, "legacy": 14}),
    "vit, spelled out": _net("transformers.ViT", opsets={"legacy": 12}, fused=False),
    "timesformer": _net("transformers.TimeSformer", CLIP),
    "swin3d": _net("swin.Swin3D", CLIP),
    "c3d": _net("models.classics.C3D", CLIP, opsets={"legacy": 13}, width=8),
    "i3d": _net("inception.I3D", LONG, symbolic=("legacy",)),
    "r3d": _net("models.classics.R3D", LONG, symbolic=("dynamo",), depth=(1, 1, 1, 1)),
    "r(2+1)d": _net("models.classics.R2Plus1D18", CLIP, opsets={"legacy": 11}, depth=(1, 1, 1)),
    "s3d": _net("inception.S3D", LONG),
    "x3d": _net("video.X3D", CLIP),
    "x3d, no gates": _net("video.X3D", CLIP, gated=False),
    "csn": _net("video.CSN", CLIP, symbolic=EXPORTERS),
    "movinet": _net("video.MoViNet", CLIP),
    "movinet, hard-swish": _net("video.MoViNet", CLIP, opsets={"legacy": 14}, activation="Hardswish"),
    "movinet, plain": _net("video.MoViNet", CLIP, activation="ReLU6", gated=False),
    "movinet, causal": _net("models.classics.MoViNetStream", CLIP),
    "movinet, explicit state": _net("video.StreamNet", ((3, 1, 32, 32), (16, 4, 8, 8), (16, 2, 8, 8))),
    "ca3d": _net("transformers.CA3D", CLIP),
    "ca3d, no attention": _net("transformers.CA3D", CLIP, opsets={"legacy": 12}, attention=False),
    "tenn": _net("models.tenn.jester", LONG, opsets={"dynamo": 18}, width=8),
    "tenn, chomp": _net("models.tenn.jester", LONG, opsets={"legacy": 13}, padding="chomp", width=8),
}

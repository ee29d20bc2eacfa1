"""Well-known image networks on Akida: all of them compile, with the limits they exceed and the noise they get."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nmc.backends.akida.lint import lint
from nmc.compiler import compile_verbose
from nmc.runtime import Session

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from models.export import Exporter, export
from models.images import NAMES
from models.weights import random_clip, randomize

pytestmark = pytest.mark.slow
SAMPLES = 16
LEAST_OWN_SNR = 20.0  # dB
# The least SNR of the outputs on images that were not calibrated on, in dB. The random MobileNets have 53 convolutions,
# most of them over 2×2 or 1×1 pixels, and amplify noise layer by layer until little is left of the outputs;
# onnxruntime's own int8 quantization fares alike (benchmarks/akida_noise.py). Of these the first layers are looked at.
SNR = {
    "mobilenet_v2": 1,
    "mobilenet_v2_silu": 1,
    "mobilenet_v2_hard_swish": -3,
    "resnet18": 10,
    "vgg": 24,
    "unet": 18,
    "unet_nearest": 16,
    "densenet": 20,
}
FIRST_LAYERS = 10
# The 3×3 pool with stride 2 and pads on both sides is one with stride 1, thinned out by the convolution behind it.
LIMITS = {name: [("pooling", "max, size 3, stride 1")] for name in ("resnet18", "densenet")}


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("name", NAMES)
def test_image_networks_compile(name: str, exporter: Exporter, tmp_path: Path) -> None:
    make, shape = NAMES[name]
    model, images = randomize(make(), (32, *shape), seed=3), random_clip((SAMPLES, *shape), seed=4)
    path = export(model, images[:1], tmp_path / "net.onnx", exporter)
    done = compile_verbose(path, "akida", calibration=random_clip((32, *shape), seed=5).numpy())
    with torch.no_grad():
        wanted = model(images).numpy().astype(np.float64)
    result = Session(done.program).run(images.numpy())
    noise = np.square(wanted - result.outputs["logits"]).sum()
    assert 10 * np.log10(np.square(wanted).sum() / noise) >= SNR[name]
    own = [report.own for report in done.reports["quantize-akida"]]
    assert min(own[:FIRST_LAYERS] if name.startswith("mobilenet") else own) >= LEAST_OWN_SNR
    assert result.counters["out_of_range"] == 0
    assert [(v.rule, v.got) for v in lint(done.program, "TwoNodesIPv2")] == LIMITS.get(name, [])

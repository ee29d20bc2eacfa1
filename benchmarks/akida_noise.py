"""Noise of int8: nmc for Akida and onnxruntime's own quantization.

Both quantize weights by output channel and activations symmetrically, calibrated on the same 32 images; onnxruntime
has one range a layer and takes the largest values. Shown is the SNR of the outputs of random networks on 16 other
images, against the float network.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from page import Section, run

from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.float_model import FloatModel

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))
from models.export import export  # noqa: E402
from models.images import NAMES  # noqa: E402
from models.weights import random_clip, randomize  # noqa: E402


class Images(CalibrationDataReader):
    """Calibration images, one at a time."""

    def __init__(self, images: np.ndarray):
        self.left = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self.left, None)
        return None if image is None else {"clip": image[None]}


def snr(wanted: np.ndarray, found: np.ndarray) -> float:
    """10·log10(Σ y² / Σ (y − ŷ)²), in dB."""
    return 10 * float(np.log10(np.square(wanted).sum() / np.square(wanted - found).sum()))


def measure(section: Section, quick: bool) -> None:
    section.table("network", "nmc", "onnxruntime int8")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        for name, (make, shape) in NAMES.items() if not quick else [("resnet18", NAMES["resnet18"])]:
            network = randomize(make(), (32, *shape), seed=3)
            typical, images = (random_clip((n, *shape), seed).numpy() for n, seed in ((32, 5), (16, 4)))
            path, peer = Path(folder) / f"{name}.onnx", Path(folder) / f"{name}.int8.onnx"
            export(network, random_clip((1, *shape)), path, "legacy" if quick else "dynamo", opset=18)
            settings = {"per_channel": True, "activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8}
            quantize_static(path, peer, Images(typical), **settings, extra_options={"ActivationSymmetric": True})
            floats, integers = (FloatModel(model)({"clip": images})["logits"] for model in (path, peer))
            program = compile_model(path, "akida", calibration=typical)
            found = Session(program).run(images).outputs["logits"]
            section.row(name, f"{snr(floats, found):.1f} dB", f"{snr(floats, integers):.1f} dB")


if __name__ == "__main__":
    run(__file__, __doc__, measure)

"""The fine-tuned gesture network: a program of its QDQ model computes the model's own codes, all of them."""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from test_gestures import clips_of_test, data

from nmc.compiler import Compilation, compile_verbose
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[1] / "examples" / "gestures_qat"
MODEL = FOLDER / "gestures_qat.onnx"
# Temporal layers have no 4-bit weights, and read no 4-bit values.
BITS = {
    "stem": (4, 8),
    "temporal0": (8, 4),
    "spatial0": (4, 8),
    "temporal1": (8, 4),
    "spatial1": (4, 8),
    "temporal2": (8, 4),
    "pointwise2": (4, 4),
    "spatial2": (4, 4),
    "mix2": (4, 4),
    "dense.product": (4, 4),
}
Array = np.ndarray[Any, Any]


@functools.cache
def compiled() -> Compilation:
    return compile_verbose(MODEL, "akida")


def events(count: int) -> Array:
    return data.events(data.clips("test", count, 3)[0])


def of_onnxruntime(model: onnx.ModelProto, clips: Array) -> list[Array]:
    """Outputs of a model as it is written: onnxruntime's rewriting puts integer kernels in its place, whose biases are
    whole numbers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    parts = [session.run(None, {"clip": clips[low : low + 128]}) for low in range(0, len(clips), 128)]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def test_all_integers_and_steps_are_those_of_the_model() -> None:
    program = compiled().program
    assert isinstance(program, AkidaProgram)
    layers = {layer.name: layer for layer in program.layers if "kept_filters" in layer.proof}
    assert {name: (x.parameters["weights_bits"], x.parameters["output_bits"]) for name, x in layers.items()} == {
        **BITS,
        "classify.product": (4, 28),
    }
    for layer in layers.values():
        assert layer.proof["kept_filters"] == layer.proof["filters"]
        assert layer.proof["gain_error"] < 1e-6
        assert layer.proof.get("step_ratio", 1.0) == 1.0
    assert not any("noise" in warning for warning in compiled().warnings)


def with_codes(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """The model with codes as further outputs, as float numbers: numpy has no 4-bit integers."""
    for name in names:
        model.graph.node.append(helper.make_node("Cast", [f"{name}.codes"], [f"{name}.seen"], to=TensorProto.FLOAT))
        model.graph.output.append(helper.make_tensor_value_info(f"{name}.seen", TensorProto.FLOAT, None))
    return model


def test_every_code_is_that_of_the_model() -> None:
    clips = events(6)
    names = [name.removesuffix(".product") for name in BITS]
    logits, *codes = of_onnxruntime(with_codes(onnx.load(MODEL), names), clips)
    result = Session(compiled().program).run(clips, trace=True)
    for name, wanted in zip(BITS, codes, strict=True):
        found = result.trace[name]  # frames are (rows, columns, channels)
        shown = wanted.transpose(0, 2, 3, 4, 1) if wanted.ndim == 5 else wanted.reshape(found.shape)
        assert np.count_nonzero(found != shown) == 0, name
    assert np.array_equal(result.outputs["logits"].argmax(axis=2), logits.argmax(axis=2))


@pytest.mark.slow
def test_decisions_on_all_test_clips_are_those_of_the_model() -> None:
    clips, labels = clips_of_test()
    seen = data.events(clips)
    (wanted,) = of_onnxruntime(onnx.load(MODEL), seen)
    found = Session(compiled().program).run(seen).outputs["logits"]
    assert len(labels) == data.TEST_COUNT
    assert np.count_nonzero(found[:, -1].argmax(axis=1) != wanted[:, -1].argmax(axis=1)) == 0
    assert np.mean(found[:, -1].argmax(axis=1) == labels) >= 0.995


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """Modules `network` and `export` of the example, which are called like those of others."""
    monkeypatch.syspath_prepend(FOLDER)
    for name in ("network", "export"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    found = importlib.import_module("network"), importlib.import_module("export")
    for name in ("network", "export"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return found


def test_a_network_before_training_is_kept_too(example: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    network, export = example
    torch.set_num_threads(1)
    clips = events(2)
    net = network.Network().eval()
    net.calibrate(torch.from_numpy(clips))
    export.write(net, tmp_path / "net.onnx", clips.shape[1:])
    with torch.inference_mode():
        wanted = net(torch.from_numpy(clips)).numpy()
    program = compile_verbose(tmp_path / "net.onnx", "akida").program
    assert isinstance(program, AkidaProgram)
    kept = [layer.proof for layer in program.layers if "kept_filters" in layer.proof]
    assert len(kept) == len(network.ROWS)
    assert all(proof["kept_filters"] == proof["filters"] for proof in kept)
    assert np.array_equal(Session(program).run(clips).outputs["logits"].argmax(axis=2), wanted.argmax(axis=2))


def test_ratios_have_eight_bits(example: tuple[ModuleType, ModuleType]) -> None:
    ratios = torch.exp2(torch.linspace(-9, 3, 500))
    snapped = example[0].eight_bits(ratios).double().numpy()
    mantissa, _ = np.frexp(snapped)
    assert np.array_equal(mantissa * 256, np.rint(mantissa * 256))
    assert np.abs(snapped / ratios.double().numpy() - 1).max() <= 1 / 255

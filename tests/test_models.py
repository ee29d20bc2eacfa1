"""The video networks of the examples: parameter counts, causality, and their exports against torch."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))

from models.classics import C3D, R3D, X3D, MoViNetStream, R2Plus1D, R2Plus1D18  # noqa: E402
from models.export import export  # noqa: E402
from models.tenn import dvs128, eye_tracking, jester  # noqa: E402
from models.weights import parameter_counts, random_clip, randomize  # noqa: E402

PADDINGS = ("pad", "chomp", "concat")
VIDEO = (3, 8, 24, 24)
EVENTS = (2, 6, 24, 24)
SHORT = (1, 1, 1)

# model, shape of one clip, shape of its logits
MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...]]] = {
    "jester pad": (lambda: jester("pad", width=8), VIDEO, (8, 27)),
    "jester chomp": (lambda: jester("chomp", width=8), VIDEO, (8, 27)),
    "jester concat": (lambda: jester("concat", width=8), VIDEO, (8, 27)),
    "dvs128": (lambda: dvs128(width=4), EVENTS, (6, 10)),
    "eye tracking": (lambda: eye_tracking(width=4), (2, 6, 40, 53), (3, 6, 2, 2)),
    "c3d": (lambda: C3D(width=4), VIDEO, (10,)),
    "r3d": (lambda: R3D(width=4, depth=SHORT), VIDEO, (10,)),
    "r3d all frames": (lambda: R3D(width=4, depth=SHORT, temporal_stride=False), VIDEO, (10,)),
    "r2plus1d 18": (lambda: R2Plus1D18(width=4, depth=SHORT), VIDEO, (10,)),
    "r2plus1d": (R2Plus1D, VIDEO, (10,)),
    "movinet": (lambda: MoViNetStream(width=4), VIDEO, (8, 10)),
    "movinet running mean": (lambda: MoViNetStream(width=4, factored=False, head="running-mean"), VIDEO, (8, 10)),
    "x3d": (lambda: X3D(width=4, depth=SHORT), VIDEO, (10,)),
    "x3d silu": (lambda: X3D(width=4, depth=SHORT, act="silu"), VIDEO, (10,)),
}


@functools.cache
def prepared(name: str) -> tuple[nn.Module, Tensor]:
    """The model with calibrated random weights, and a batch of two clips it was not calibrated on."""
    make, shape, _ = MODELS[name]
    return randomize(make(), (8, *shape), seed=3), random_clip((2, *shape), seed=4)


def logits(model: nn.Module, clip: Tensor) -> np.ndarray:
    with torch.no_grad():
        return model(clip).numpy()


def run(path: Path, clip: Tensor) -> np.ndarray:
    (found,) = onnxruntime.InferenceSession(path).run(["logits"], {"clip": clip.numpy()})
    return np.asarray(found)


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize(
    ("make", "counts"),
    [(jester, (1_353_895, 1_347_599)), (dvs128, (170_226, 167_474)), (eye_tracking, (212_504, 208_968))],
)
def test_tenn_has_the_published_parameter_counts(make: Callable[..., nn.Module], counts: tuple, padding: str) -> None:
    with torch.device("meta"):
        assert parameter_counts(make(padding)) == counts


def test_classics_at_full_width_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        assert parameter_counts(R3D(classes=400, width=64))[1] == 33_371_472
        assert parameter_counts(R2Plus1D18(classes=400, width=64))[1] == 31_505_325


@pytest.mark.parametrize(
    ("make", "clip", "out"),
    [
        (jester, (1, 3, 16, 100, 100), (1, 16, 27)),
        (dvs128, (1, 2, 15, 128, 128), (1, 15, 10)),
        (eye_tracking, (1, 2, 50, 80, 106), (1, 3, 50, 3, 4)),
    ],
)
def test_tenn_shapes(make: Callable[[], nn.Module], clip: tuple, out: tuple) -> None:
    with torch.device("meta"):
        model, frames = make(), torch.empty(clip)
        sizes = []
        for module in model.modules():
            if isinstance(module, nn.Conv3d):
                module.register_forward_hook(lambda _, __, y: sizes.append(y.shape[-1]))
        assert model(frames).shape == out
    if make is jester:
        assert sorted(set(sizes), reverse=True) == [50, 25, 13, 7, 4, 2]


@pytest.mark.parametrize("make", [jester, dvs128, eye_tracking])
def test_paddings_are_equal(make: Callable[..., nn.Module]) -> None:
    shape = (2, 3 if make is jester else 2, 6, 24, 24)
    models = [make(padding, width=8) for padding in PADDINGS]
    randomize(models[0], (4, *shape[1:]), seed=1)
    for model in models[1:]:
        model.load_state_dict(models[0].state_dict())
        model.eval()
    clip = random_clip(shape, seed=2)
    for short in (clip, clip[:, :, :1]):
        expected = logits(models[0], short)
        for model in models[1:]:
            np.testing.assert_allclose(logits(model, short), expected, rtol=0, atol=1e-4)


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="padding"):
        jester("left")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="head"):
        MoViNetStream(head="mean")  # type: ignore[arg-type]
    for exporter, opset, message in (("scripted", 18, "exporter"), ("dynamo", 17, "18 to"), ("legacy", 24, "to 23")):
        with pytest.raises(ValueError, match=message):
            export(R2Plus1D(), torch.zeros(1, *VIDEO), tmp_path / "m.onnx", exporter, opset)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_random_networks_are_lively(name: str) -> None:
    model, clip = prepared(name)
    found = logits(model, clip)
    assert found.shape == (2, *MODELS[name][2])
    assert 0.01 < found.std() < 10
    assert np.abs(found[0] - found[1]).max() > 0.01
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm3d)]
    assert not model.training
    assert all(norm.momentum == 0.1 and not norm.training for norm in norms)


def test_random_weights_depend_on_the_seed_alone() -> None:
    models = [R2Plus1D(), R2Plus1D(), R2Plus1D()]
    before = torch.random.get_rng_state()
    first, again, other = (randomize(model, (4, *VIDEO), seed) for model, seed in zip(models, (1, 1, 2), strict=True))
    assert torch.equal(torch.random.get_rng_state(), before)
    clip = random_clip((2, *VIDEO))
    assert 0 <= clip.min() < 0.1 < 0.9 < clip.max() <= 1
    np.testing.assert_allclose(logits(again, clip), logits(first, clip), rtol=0, atol=1e-5)
    assert np.abs(logits(other, clip) - logits(first, clip)).max() > 0.1


@pytest.mark.parametrize("name", ["jester pad", "jester chomp", "dvs128", "movinet", "movinet running mean"])
def test_a_frame_changes_no_earlier_logits(name: str) -> None:
    model, clip = prepared(name)
    changed = clip.clone()
    changed[:, :, 4:] = 1 - changed[:, :, 4:]
    difference = np.abs(logits(model, changed) - logits(model, clip)).max(axis=(0, 2))
    assert difference[:4].max() < 1e-5
    assert difference[4:].min() > 1e-3


def test_temporal_strides_can_be_left_out() -> None:
    for make in (C3D, R3D, R2Plus1D18):
        with torch.device("meta"):
            for stride, frames in ((False, 8), (True, 1)):
                model = make(width=4, temporal_stride=stride)
                pool = next(module for module in model.modules() if isinstance(module, nn.AdaptiveAvgPool3d))
                lengths: list[int] = []
                pool.register_forward_hook(lambda _, x, __, lengths=lengths: lengths.append(x[0].shape[2]))
                model(torch.zeros(2, *VIDEO))
                assert lengths == [frames]


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("name", MODELS)
def test_exports_equal_torch(
    name: str, exporter: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    model, clip = prepared(name)
    path = export(model, clip[:1], tmp_path / "m.onnx", exporter)  # type: ignore[arg-type]
    assert capfd.readouterr() == ("", "")
    assert len(recwarn) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["m.onnx"]
    np.testing.assert_allclose(run(path, clip[:1]), logits(model, clip[:1]), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("name", ["jester concat", "r2plus1d", "movinet running mean"])
def test_unfolded_exports_with_dynamic_batch_equal_torch(name: str, exporter: str, tmp_path: Path) -> None:
    model, clip = prepared(name)
    path = export(model, clip[:1], tmp_path / "m.onnx", exporter, 19, dynamic_batch=True, fold=False)  # type: ignore[arg-type]
    file = onnx.load(path)
    onnx.checker.check_model(file, full_check=True)
    assert file.opset_import[0].version == 19
    assert file.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    norms = sum(isinstance(module, nn.BatchNorm3d) for module in model.modules())
    assert sum(node.op_type == "BatchNormalization" for node in file.graph.node) == norms
    for count in (1, 2):
        np.testing.assert_allclose(run(path, clip[:count]), logits(model, clip[:count]), rtol=0, atol=1e-4)

"""Video networks of the field, exported in tests, become streams that equal their clips."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nmc.compiler.frontends import read_model
from nmc.compiler.ir import FrameSession, Graph, evaluate
from nmc.compiler.ir.ops import Activation, Mean
from nmc.compiler.manager import Manager
from nmc.compiler.passes.base import Context
from nmc.compiler.pipeline import parse_pipeline

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))
import torch  # noqa: E402

from models import classics, tenn  # noqa: E402
from models.export import export  # noqa: E402
from models.weights import random_clip, randomize  # noqa: E402

STREAM = "canonicalize,fold-batch-norm,make-causal,stream"
pytestmark = pytest.mark.slow


def exported(model: "torch.nn.Module", shape: tuple[int, ...], folder: Path, exporter: str, **options) -> Graph:
    path = folder / "model.onnx"
    export(model, random_clip(shape), path, exporter, **options)
    return read_model(path)


def streamed(graph: Graph, clip: np.ndarray, pipeline: str = STREAM) -> tuple[Graph, Context]:
    made, context = graph.copy(), Context(samples={graph.inputs[0].name: clip})
    Manager(True, context.samples).run(made, parse_pipeline(pipeline), context)
    return made, context


# (name, exporter, opset, padding): every pair of exporter and spelling, opsets spread over them.
TENN = [
    (name, exporter, opset, padding)
    for name in ("jester", "dvs128", "eye_tracking")
    for exporter, opsets in (("dynamo", (18, 20, 23)), ("legacy", (11, 14, 17)))
    for opset, padding in zip(opsets, ("pad", "chomp", "concat"), strict=True)
]
SHAPES = {"jester": (1, 3, 16, 20, 20), "dvs128": (1, 2, 15, 24, 24), "eye_tracking": (1, 2, 20, 16, 20)}


@pytest.mark.parametrize(("name", "exporter", "opset", "padding"), TENN)
def test_tenn_networks_stream_every_frame(tmp_path: Path, name: str, exporter: str, opset: int, padding: str) -> None:
    shape = SHAPES[name]
    model = randomize(getattr(tenn, name)(padding, 8), shape)
    graph = exported(model, shape, tmp_path, exporter, opset=opset)
    clip = random_clip((2, *shape[1:]), seed=5)
    expected = model(clip).detach().numpy()
    made, context = streamed(graph, clip.numpy())
    (timing,) = (made.timing[output] for output in made.outputs)
    assert (timing.offset, timing.stride, timing.edges) == (0, 1, ())
    assert context.reports["make-causal"][0].latency == 0
    session = FrameSession(made)
    frames = [session.step({graph.inputs[0].name: clip.numpy()[:, :, t]}) for t in range(shape[2])]
    (output,) = made.outputs
    found = np.stack([frame[output] for frame in frames], axis=timing.axis)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    strict = graph.copy()
    Manager().run(strict, parse_pipeline(STREAM.replace("make-causal", "make-causal{causal=strict}")), Context())
    assert strict.outputs.keys() == made.outputs.keys()


def features(graph: Graph) -> Graph:
    """The network up to its mean over the clip, per frame: what a stream can be compared with frame by frame."""
    made = graph.copy()
    Manager().run(made, parse_pipeline("canonicalize,fold-batch-norm"), Context())
    mean = next(n for n in made.nodes if isinstance(n.op, Mean) and n.x.type.axes.index("T") in n.op.dims)
    per_frame = made.add(Mean((3, 4)), mean.x, name="features")
    made.outputs = {"features": per_frame}
    return made


SYMMETRIC = {
    # constructor, clip (at least two receptive fields and 32 elements long)
    "r3d": (lambda: classics.R3D(width=2, depth=(2, 2, 2, 2)), (1, 3, 840, 2, 2)),
    "r3d without strides": (lambda: classics.R3D(width=2, depth=(2, 2), temporal_stride=False), (1, 3, 80, 4, 4)),
    "r2plus1d-18": (lambda: classics.R2Plus1D18(width=2, depth=(2, 2, 2, 2)), (1, 3, 840, 2, 2)),
    "r2plus1d": (lambda: classics.R2Plus1D(3, 5), (1, 3, 80, 4, 4)),
    "x3d": (lambda: classics.X3D(3, 5, 4), (1, 3, 120, 8, 8)),
}


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_symmetric_networks_stream_with_the_reported_latency(tmp_path: Path, name: str, exporter: str) -> None:
    make, shape = SYMMETRIC[name]
    graph = features(exported(randomize(make(), (2, *shape[1:2], 64, *shape[3:])), shape, tmp_path, exporter))
    clip = {graph.inputs[0].name: random_clip(shape, seed=5).numpy()}
    expected = evaluate(graph, clip)["features"]
    made = graph.copy()
    context = Context()
    Manager().run(made, parse_pipeline("make-causal,stream"), context)
    timing = made.timing["features"]
    (report,) = context.reports["make-causal"]
    assert report.latency == timing.offset > 0
    found = FrameSession(made).run(clip)["features"]
    gap = np.abs(found - expected).max(axis=(0, 1, 3, 4))
    scale = float(np.abs(expected).max())
    inner = sorted(set(range(timing.length)) - set(timing.edges))
    assert len(inner) >= 32
    assert gap[inner].max() <= 1e-9 * scale
    # The named edge elements are exactly those that differ.
    assert np.flatnonzero(gap > 1e-9 * scale).tolist() == list(timing.edges)


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_whole_networks_with_a_mean_over_the_clip(tmp_path: Path, exporter: str) -> None:
    shape = (1, 3, 24, 8, 8)
    graph = exported(randomize(classics.R3D(width=2, depth=(1, 1, 1, 1)), shape), shape, tmp_path, exporter)
    made, context = streamed(graph, random_clip(shape, seed=2).numpy())
    (report,) = context.reports["make-causal"]
    assert (report.elements, report.edges) == (1, (0,))
    assert any(node.op.mnemonic == "running_mean" for node in made.nodes)


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_c3d_streams_its_temporal_max_pooling(tmp_path: Path, exporter: str) -> None:
    shape = (1, 3, 16, 16, 16)
    graph = exported(randomize(classics.C3D(width=4), shape), shape, tmp_path, exporter)
    made, _ = streamed(graph, random_clip(shape, seed=2).numpy())
    fills = [node.op.fill for node in made.nodes if node.op.mnemonic == "fifo"]
    assert -np.inf in fills and 0.0 in fills


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_movinet_streams_without_latency(tmp_path: Path, exporter: str) -> None:
    shape = (1, 3, 12, 16, 16)
    model = randomize(classics.MoViNetStream(3, 5, 4), shape)
    graph = exported(model, shape, tmp_path, exporter)
    clip = random_clip((2, *shape[1:]), seed=3)
    made, context = streamed(graph, clip.numpy())
    assert [(r.latency, r.edges) for r in context.reports["make-causal"]] == [(0, ())]
    (found,) = FrameSession(made).run({graph.inputs[0].name: clip.numpy()}).values()
    expected = model(clip).detach().numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


EXACT: dict[str, tuple[Callable[[], "torch.nn.Module"], tuple[int, ...]]] = {
    "c3d": (lambda: classics.C3D(width=4), (1, 3, 16, 16, 16)),
    "r3d": (lambda: classics.R3D(width=4, depth=(1, 1, 1, 1)), (1, 3, 16, 16, 16)),
    "x3d": (lambda: classics.X3D(3, 5, 4), (1, 3, 12, 16, 16)),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_factorization_keeps_the_output_and_then_streams(tmp_path: Path, name: str) -> None:
    make, shape = EXACT[name]
    graph = exported(randomize(make(), shape), shape, tmp_path, "dynamo")
    clip = {graph.inputs[0].name: random_clip((2, *shape[1:]), seed=4).numpy()}
    (expected,) = evaluate(graph, clip).values()
    made, context = graph.copy(), Context(samples=clip)
    Manager(True, clip).run(made, parse_pipeline("canonicalize,fold-batch-norm,factorize-conv3d"), context)
    (found,) = evaluate(made, clip).values()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert len(context.reports["factorize-conv3d"]) >= 3
    Manager(True, clip).run(made, parse_pipeline("make-causal,stream"), Context())


class Heads(torch.nn.Module):
    """One temporal layer in front of the heads that video networks have; frames-first networks transpose first."""

    def __init__(self, head: str, frames_first: bool):
        super().__init__()
        self.head, self.frames_first = head, frames_first
        self.conv, self.norm = torch.nn.Conv3d(2, 4, 3, padding=1), torch.nn.BatchNorm3d(4)
        self.pool, self.linear = torch.nn.AvgPool3d((1, 2, 2)), torch.nn.Linear(4, 3)
        self.pointwise = torch.nn.Conv3d(4, 3, 1)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        x = x.permute(0, 2, 1, 3, 4) if self.frames_first else x
        y = self.pool(torch.relu(self.norm(self.conv(x))))
        if self.head == "1x1x1 conv":
            return self.pointwise(y.mean((3, 4), keepdim=True)).flatten(2)
        if self.head == "MatMul per frame":
            return self.linear(y.mean((3, 4)).transpose(1, 2))
        if self.head == "Gemm":
            return self.linear(torch.nn.functional.adaptive_avg_pool3d(y, 1).flatten(1))
        return torch.nn.functional.adaptive_avg_pool3d(y, (y.shape[2], 1, 1)).squeeze(4).squeeze(3)


@pytest.mark.parametrize("frames_first", [False, True], ids=["NCTHW", "NTCHW"])
@pytest.mark.parametrize(
    ("head", "exporter"),
    [
        *((head, exporter) for head in ("1x1x1 conv", "MatMul per frame", "Gemm") for exporter in ("dynamo", "legacy")),
        ("adaptive pool", "legacy"),  # torch's dynamo exporter has no conversion of it
    ],
)
def test_heads_and_axes(tmp_path: Path, head: str, exporter: str, frames_first: bool) -> None:
    shape = (1, 6, 2, 8, 8) if frames_first else (1, 2, 6, 8, 8)
    graph = exported(Heads(head, frames_first).eval(), shape, tmp_path, exporter)
    assert graph.inputs[0].type.axes == ("NTCHW" if frames_first else "NCTHW")
    made, context = streamed(graph, random_clip((2, *shape[1:]), seed=1).numpy())
    assert made.inputs[0].type.axes == "NCHW" and made.timing[made.inputs[0].name].axis == (1 if frames_first else 2)
    (report,) = context.reports["make-causal"]
    assert (report.latency, report.elements, report.edges) == (1, 1 if head == "Gemm" else 6, ())


ACTIVATIONS: dict[str, tuple[Callable[[], "torch.nn.Module"], str]] = {
    "ReLU": (torch.nn.ReLU, "relu"),
    "ReLU6": (torch.nn.ReLU6, "clip"),
    "Hardtanh": (lambda: torch.nn.Hardtanh(0.0, 4.0), "clip"),
    "LeakyReLU": (lambda: torch.nn.LeakyReLU(0.1), "leaky_relu"),
    "Hardswish": (torch.nn.Hardswish, "hard_swish"),
    "Hardsigmoid": (torch.nn.Hardsigmoid, "hard_sigmoid"),
    "SiLU": (torch.nn.SiLU, "silu"),
    "Sigmoid": (torch.nn.Sigmoid, "sigmoid"),
    "Tanh": (torch.nn.Tanh, "tanh"),
    "GELU": (torch.nn.GELU, "gelu"),
}


@pytest.mark.parametrize(("exporter", "opset"), [("dynamo", 18), ("dynamo", 20), ("legacy", 11), ("legacy", 17)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_one_op(tmp_path: Path, name: str, exporter: str, opset: int) -> None:
    make, expected = ACTIVATIONS[name]
    model = torch.nn.Sequential(torch.nn.Conv3d(2, 3, (3, 1, 1), padding=(1, 0, 0)), make()).eval()
    shape = (1, 2, 6, 2, 2)
    graph = exported(model, shape, tmp_path, exporter, opset=opset)
    clip = random_clip((2, *shape[1:]), seed=1)
    made, _ = streamed(graph, clip.numpy())
    last = made.nodes[-1].op
    assert (last.kind if isinstance(last, Activation) else last.mnemonic) == expected
    (found,) = FrameSession(made).run({graph.inputs[0].name: clip.numpy()}).values()
    np.testing.assert_allclose(found, model(clip).detach().numpy(), rtol=1e-4, atol=1e-5)

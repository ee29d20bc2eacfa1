"""How long video networks take: import to stream, factorization, and frames, beside onnxruntime on the clip network.

`make bench` runs it after the digits; exporting the networks needs torch.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import onnxruntime
from machine import describe, median, row

from nmc.compiler import transform
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import FrameSession, evaluate

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))
from models import classics, tenn  # noqa: E402
from models.export import export  # noqa: E402
from models.weights import random_clip, randomize  # noqa: E402

STREAM = "canonicalize,fold-batch-norm,make-causal,stream"


def jester(folder: Path) -> None:
    """TENN Jester at full size: 16 frames of 100×100, 1.35 M parameters."""
    shape = (1, 3, 16, 100, 100)
    path = export(randomize(tenn.jester(), shape), random_clip(shape), folder / "jester.onnx")
    clip = random_clip(shape, seed=1).numpy()
    row("TENN Jester: import to streaming graph", median(lambda: transform(path, STREAM)))
    graph = transform(path, STREAM).graph
    name = graph.inputs[0].name
    frame = median(lambda: FrameSession(graph).run({name: clip})) / 16
    session = onnxruntime.InferenceSession(path)
    peer = median(lambda: session.run(None, {name: clip})) / 16
    row("TENN Jester: a frame, reference session (float64)", frame)
    row("TENN Jester: a frame of the clip in onnxruntime", peer, f"{frame / peer:.0f} times faster than the reference")


def c3d(folder: Path) -> None:
    """A C3D with the original channel counts, 64 to 512, on few pixels."""
    shape = (1, 3, 16, 32, 32)
    path = export(randomize(classics.C3D(width=64), shape), random_clip(shape), folder / "c3d.onnx")
    graph = transform(read_model(path), "canonicalize,fold-batch-norm").graph
    clip = {graph.inputs[0].name: random_clip(shape, seed=1).numpy()}
    for rank in ("exact", "r2plus1d", "energy=0.99"):
        passes = f"factorize-conv3d{{rank={rank}}}"
        seconds = median(lambda p=passes: transform(graph, p), runs=1)
        (before,), (after,) = (evaluate(g, clip).values() for g in (graph, transform(graph, passes).graph))
        error = float(abs(after - before).max() / abs(before).max())
        row(f"C3D, 64 to 512 channels: factorize, rank {rank}", seconds, f"largest relative output change {error:.1e}")


def main() -> None:
    print(f"{describe()}\n")
    with tempfile.TemporaryDirectory() as folder:
        jester(Path(folder))
        c3d(Path(folder))


if __name__ == "__main__":
    main()

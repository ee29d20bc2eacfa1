"""Video networks as floats: import to a stream, factorization, the reference session.

TENN Jester has 16 frames of 100×100 and 1.35 M parameters; the reference session computes in float64, frame by frame,
and onnxruntime float32, clip by clip. The C3D has half the original channel counts, 32 to 256, on 32×32 pixels. Random
weights. Medians of 5; factorizations run once.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import onnxruntime
from machine import RUNS, median
from page import Section, ms, run

from nmc.compiler import transform
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import FrameSession, evaluate

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples"))
from models import classics, tenn  # noqa: E402
from models.export import export  # noqa: E402
from models.weights import random_clip, randomize  # noqa: E402

STREAM = "canonicalize,fold-batch-norm,make-causal,stream"


def jester(section: Section, folder: Path, quick: bool) -> None:
    size, runs, exporter = (32, 1, "legacy") if quick else (100, RUNS, "dynamo")
    shape = (1, 3, 16, size, size)
    path = export(randomize(tenn.jester(), shape), random_clip(shape), folder / "jester.onnx", exporter)
    clip = random_clip(shape, seed=1).numpy()
    importing = median(lambda: transform(path, STREAM), runs)
    graph = transform(path, STREAM).graph
    name = graph.inputs[0].name
    frame = median(lambda: FrameSession(graph).run({name: clip}), runs) / 16
    session = onnxruntime.InferenceSession(path)
    peer = median(lambda: session.run(None, {name: clip}), runs) / 16
    section.table("TENN Jester", "import to streaming graph", "a frame, reference session", "a frame, onnxruntime")
    section.row(f"{size}×{size} pixels", ms(importing), ms(frame), ms(peer))


def c3d(section: Section, folder: Path, width: int) -> None:
    shape = (1, 3, 16, 32, 32)
    path = export(randomize(classics.C3D(width=width), shape), random_clip(shape), folder / "c3d.onnx")
    graph = transform(read_model(path), "canonicalize,fold-batch-norm").graph
    clip = {graph.inputs[0].name: random_clip(shape, seed=1).numpy()}
    section.table(f"C3D, {width} to {8 * width} channels", "factorize", "largest relative output change")
    for rank in ("exact", "r2plus1d", "energy=0.99"):
        passes = f"factorize-conv3d{{rank={rank}}}"
        start = time.perf_counter()
        changed = transform(graph, passes).graph
        seconds = time.perf_counter() - start
        (before,), (after,) = (evaluate(g, clip).values() for g in (graph, changed))
        section.row(f"rank {rank}", ms(seconds), f"{float(abs(after - before).max() / abs(before).max()):.1e}")


def measure(section: Section, quick: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        jester(section, Path(folder), quick)
        if not quick:
            c3d(section, Path(folder), 32)


if __name__ == "__main__":
    run(__file__, __doc__, measure)

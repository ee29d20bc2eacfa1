"""From an exported clip network to a frame-by-frame stream: what factorization costs, and what the stream answers when.

`python examples/models/stream.py model.onnx [--rank r2plus1d]` reads any clip network. Without a file it exports small
R3D and the TENN Jester networks (that needs torch).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nmc.compiler import transform
from nmc.compiler.frontends import read_model
from nmc.compiler.ir import FrameSession
from nmc.compiler.passes.factorize_conv3d import table

FRONT = "canonicalize,fold-batch-norm,factorize-conv3d{{rank={rank}}}"


def show(path: Path, rank: str) -> None:
    """Factorize, stream, and compare with the clip network on noise."""
    start = time.perf_counter()
    graph = read_model(path)
    (value,) = graph.inputs
    clip = np.random.default_rng(0).normal(size=(1, *value.type.shape[1:]))
    front = transform(graph, FRONT.format(rank=rank), calibration=clip)
    done = transform(front.graph, "canonicalize,make-causal,stream")
    print(f"{path.name}: {value.type} to a stream in {time.perf_counter() - start:.2f} s")
    factorized = front.context.reports.get("factorize-conv3d", [])
    print(table(factorized) if factorized else "no full 3-D kernels")
    for report in done.context.reports["make-causal"]:
        edges = f"edge elements {list(report.edges)}" if report.edges else "no edge elements"
        print(f"output {report.output!r}: latency {report.latency} frames, {report.elements} elements, {edges}")
    for where, frames in done.context.reports["delays"]:
        print(f"delay of {frames} frames at {where}")
    session = FrameSession(done.graph)
    start = time.perf_counter()
    session.run({value.name: clip})
    print(f"{session.frame} frames through the reference session in {time.perf_counter() - start:.2f} s\n")


def export_examples(folder: Path) -> list[Path]:
    """A small R3D network and TENN Jester with random weights."""
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from models import classics, tenn
    from models.export import export
    from models.weights import random_clip, randomize

    made = []
    for name, model, shape in (
        ("r3d", classics.R3D(width=8, depth=(1, 1, 1, 1)), (1, 3, 32, 32, 32)),
        ("tenn_jester", tenn.jester(), (1, 3, 16, 100, 100)),
    ):
        made.append(export(randomize(model, shape), random_clip(shape), folder / f"{name}.onnx"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--rank", default="r2plus1d", help="exact, r2plus1d, energy=0.99, error=0.05, or a number")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in [arguments.model] if arguments.model else export_examples(Path(folder)):
            show(path, arguments.rank)


if __name__ == "__main__":
    main()

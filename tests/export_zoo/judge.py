"""What becomes of one file in nmc: imported, equal to onnxruntime, compiled for each target or refused."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmc.compiler import compile_verbose
from nmc.compiler.diagnostics import NmcError
from nmc.compiler.frontends.onnx import import_onnx
from nmc.compiler.ir import Graph, evaluate
from nmc.runtime.program.hybrid import HostSegment
from onnx_models import session

Array = np.ndarray[Any, Any]
TOLERANCE = 1e-4  # of the largest output
SAMPLES = 2
FRAMES = 6
BUGS = {"NMC-P002", "NMC-X001"}  # diagnostics of faults of nmc itself
TARGETS = ("akida", "cri")


@dataclass(frozen=True)
class Verdict:
    """What became of one file.

    imported  "equal", "refused", "wrong" or "crashed";  targets: for each one "yes", "with host segments: n", "refused"
              or "crashed"
    codes     of the diagnostics, by "import" or target;  detail: for people: the diagnostics, or where a number differs
    """

    imported: str
    targets: Mapping[str, str]
    codes: Mapping[str, Counter[str]]
    detail: Mapping[str, str]

    @property
    def bugs(self) -> list[str]:
        """What no model should lead to."""
        found = [self.imported] if self.imported in ("wrong", "crashed") else []
        return found + [f"{target} crashed" for target, kind in self.targets.items() if kind == "crashed"]


def feeds(graph: Graph, samples: int = SAMPLES) -> dict[str, Array]:
    """Inputs from 0 to 1 by name; of a network with states several frames, (samples, frames, …)."""
    rng = np.random.default_rng(1)
    lead = (samples, FRAMES) if graph.stepped else (samples,)
    shapes = {value.name: value.type.shape[1:] for value in graph.inputs}
    return {name: rng.random((*lead, *shape), np.float32) for name, shape in shapes.items()}


def _one_sample(runtime: Any, given: Mapping[str, Array], outputs: Sequence[str], frames: int) -> list[Array]:
    """The outputs for one sample, (1, …); after several frames (1, frames, …). Inputs that are not given are states:
    zeros, then the outputs that are not asked for, in their order."""
    kept = [value for value in runtime.get_inputs() if value.name not in given]
    news = [value.name for value in runtime.get_outputs() if value.name not in outputs] if kept else []
    states = {value.name: np.zeros(value.shape, np.float32) for value in kept}
    if not frames:
        return runtime.run(list(outputs), {**given, **states})
    made: list[list[Array]] = []
    for t in range(frames):
        found = runtime.run([*outputs, *news], {name: array[:, t] for name, array in given.items()} | states)
        made.append(found[: len(outputs)])
        states = dict(zip(states, found[len(outputs) :], strict=True))
    return [np.stack(parts, axis=1) for parts in zip(*made, strict=True)]


def by_onnxruntime(path: Path, given: Mapping[str, Array], outputs: Sequence[str], frames: int = 0) -> list[Array]:
    """The outputs for all samples, one at a time, as most files have a batch of one. With `frames`, the network is
    given that many frames of each sample, (samples, frames, …), one after the other."""
    runtime = session(str(path))
    samples = range(len(next(iter(given.values()))))
    rows = [_one_sample(runtime, {name: a[i : i + 1] for name, a in given.items()}, outputs, frames) for i in samples]
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def difference(path: Path, graph: Graph) -> float:
    """The largest difference of any output from onnxruntime's, relative to its largest element."""
    given = feeds(graph)
    frames = FRAMES if graph.stepped else 0
    found, expected = evaluate(graph, given), by_onnxruntime(path, given, list(graph.outputs), frames)
    worst = 0.0
    for got, want in zip(found.values(), expected, strict=True):
        if got.shape != want.shape:
            return float("inf")
        worst = max(worst, float(np.abs(got - want).max() / max(np.abs(want).max(), 1e-30)))
    return worst


def _codes(error: NmcError) -> Counter[str]:
    return Counter(diagnostic.code for diagnostic in error.diagnostics)


def _compiled(graph: Graph, target: str) -> tuple[str, Counter[str], str]:
    """Kind, codes and detail of one compilation: as it is, or else with host segments."""
    given: dict[str, Any] = {"calibration": feeds(graph)}
    try:
        compile_verbose(graph, target, **given)
        return "yes", Counter(), ""
    except NmcError as error:
        codes, detail = _codes(error), str(error)
    if BUGS & codes.keys():
        return "crashed", codes, detail
    try:
        program = compile_verbose(graph, target, host_fallback=True, **given).program
        count = sum(isinstance(segment, HostSegment) for segment in program.segments)
        return f"with host segments: {count}", codes, detail
    except NmcError as error:
        return "refused", codes, f"{detail}\nwith host segments:\n{error}"


def judge(path: Path) -> Verdict:
    """Import, evaluate and compile one file."""
    codes: dict[str, Counter[str]] = {}
    detail: dict[str, str] = {}
    targets: dict[str, str] = {}
    try:
        graph = import_onnx(path)
        apart = difference(path, graph)
    except NmcError as error:
        return Verdict("refused", {}, {"import": _codes(error)}, {"import": str(error)})
    except Exception:  # whatever it is, it is a bug
        return Verdict("crashed", {}, {}, {"import": traceback.format_exc()})
    if apart > TOLERANCE:
        return Verdict("wrong", {}, {}, {"import": f"an output differs by {apart:.2g} of the largest"})
    for target in TARGETS:
        try:
            targets[target], codes[target], detail[target] = _compiled(graph, target)
        except Exception:
            targets[target], detail[target] = "crashed", traceback.format_exc()
    return Verdict("equal", targets, codes, detail)

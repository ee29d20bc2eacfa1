"""The pass manager: runs a pipeline, checks every graph on the way, and keeps the evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as safetensors

from ..runtime.program.atomic import atomic_write, make_folder
from ..runtime.program.timing import Timing
from .diagnostics import NmcError, unsupported, usage
from .ir import Graph, constant_bank, evaluate, print_graph
from .ir.stages import verify
from .passes.base import Context, Pass
from .pipeline import nearest, print_pipeline

VERIFY_SAMPLES = 8
VERIFY_TOLERANCE = 1e-4
REPRODUCER = "nmc-reproducer"


@dataclass(frozen=True)
class PassRecord:
    """What one pass did: rewrites, wall time in seconds, nodes after it, output change (only with verify_each)."""

    name: str
    rewrites: int
    seconds: float
    nodes: int
    change: float | None = None


@dataclass(frozen=True)
class Manager:
    """Runs passes over a graph.

    verify_each   compare the graph's outputs before and after each pass on `inputs`; a pass that promises to keep them
                  must (largest difference ≤ 1e-4 of the largest output), any other is only reported
    dump_ir       folder for `NN-pass.ir` files with their constants
    print_after   name of a pass (or "all") after which the graph goes to `show`
    reproducer    folder for what replays a failure
    target        the target that is compiled for, "" if none: part of the command that replays
    """

    verify_each: bool = False
    inputs: Mapping[str, np.ndarray[Any, Any]] | None = None
    dump_ir: Path | None = None
    print_after: str | None = None
    show: Callable[[str], None] = print
    reproducer: Path = Path(REPRODUCER)
    target: str = ""

    def run(self, graph: Graph, passes: Sequence[Pass], context: Context) -> list[PassRecord]:
        """Apply the passes in order, in place. NmcError as the passes raise it; any other failure becomes NMC-P002
        with a reproducer."""
        names = [step.name for step in passes]
        if self.print_after not in (None, "all", *names):
            raise usage(
                "NMC-P001", f"no pass {self.print_after!r} in the pipeline", hint=nearest(self.print_after, names)
            )
        records: list[PassRecord] = []
        if self.dump_ir is not None:
            write_graph(graph, self.dump_ir / f"00-{graph.stage}.ir")
        for number, step in enumerate(passes, 1):
            before = graph.copy()
            context.stage(step.name)
            try:
                records.append(self._step(graph, step, context))
                context.done.append(records[-1])
            except (NmcError, MemoryError):
                raise
            except Exception as error:
                raise self._failed(before, passes[number - 1 :], context, error) from error
            if self.dump_ir is not None:
                write_graph(graph, self.dump_ir / f"{number:02}-{step.name}.ir")
            if self.print_after in (step.name, "all"):
                self.show(f"# after {step}\n{print_graph(graph)}")
        return records

    def _step(self, graph: Graph, step: Pass, context: Context) -> PassRecord:
        step.requires(graph)
        reference = self._outputs(graph)
        start = time.perf_counter()
        rewrites = step.run(graph, context)
        seconds = time.perf_counter() - start
        graph.stage = step.gives or graph.stage
        verify(graph)
        step.ensures(graph)
        change = None if reference is None else output_change(reference, self._outputs(graph) or {}, graph.timing)
        if change is not None and step.preserves and not change <= VERIFY_TOLERANCE:
            raise unsupported(
                "NMC-P003",
                f"pass {step} changed the outputs by {change:.3g} of their largest value",
                where=f"graph {graph.name!r}",
                why="the pass promises to keep them up to float rounding",
                hint="report this with the files of --dump-ir",
            )
        return PassRecord(step.name, rewrites, seconds, len(graph.nodes), change)

    def _outputs(self, graph: Graph) -> dict[str, np.ndarray[Any, Any]] | None:
        if not self.verify_each or self.inputs is None:
            return None
        feeds = {name: array[:VERIFY_SAMPLES] for name, array in self.inputs.items()}
        return evaluate(graph, feeds)

    def _failed(self, before: Graph, rest: Sequence[Pass], context: Context, error: Exception) -> NmcError:
        replay = write_reproducer(self.reproducer, before, rest, context, self.target)
        return unsupported(
            "NMC-P002",
            f"pass {rest[0]} failed: {type(error).__name__}: {error}",
            where=f"graph {before.name!r}, stage {before.stage}",
            why="this is a bug in nmc, not in the model",
            hint=f"report it with the folder {self.reproducer}; it replays with: {replay}",
        )


def without_edges(array: np.ndarray[Any, Any], timing: Timing | None) -> np.ndarray[Any, Any]:
    """The elements of an output that a stream gives exactly."""
    if timing is None or not timing.edges:
        return array
    return np.delete(array, timing.edges, axis=timing.axis) if timing.axis >= 0 else array[:0]


def output_change(
    before: Mapping[str, np.ndarray[Any, Any]],
    after: Mapping[str, np.ndarray[Any, Any]],
    timing: Mapping[str, Timing],
) -> float:
    """Largest |difference| over all outputs, edge elements of streams apart, relative to the largest |output| before
    (inf if names differ)."""
    if before.keys() != after.keys():
        return float("inf")
    worst = 0.0
    for name, array in before.items():
        scale = float(np.abs(array).max(initial=0.0)) or 1.0
        difference = without_edges(after[name] - array, timing.get(name))
        worst = max(worst, float(np.abs(difference).max(initial=0.0)) / scale)
    return worst


def write_graph(graph: Graph, path: Path) -> None:
    """The text form at `path`, and its large constants beside it in `constants/<digest>` files (safetensors).
    NMC-F014 where a file cannot be written."""
    make_folder(path.parent, parents=True)
    bank = path.parent / "constants"
    for digest, data in constant_bank(graph).items():
        file = bank / f"{digest[:16]}.safetensors"
        if not file.exists():
            _write_arrays(make_folder(bank) / file.name, {digest: data})
    _write_text(path, print_graph(graph))


def write_reproducer(folder: Path, graph: Graph, rest: Sequence[Pass], context: Context, target: str) -> str:
    """Input graph, calibration and remaining pipeline in one folder; returns the command that replays them."""
    write_graph(graph, folder / "input.ir")
    if not target:
        call = f"transform('{folder / 'input.ir'}', '{print_pipeline(rest)}')"
        command = f'python -c "from nmc.compiler import transform; {call}"'
    else:
        command = f"nmc compile {folder / 'input.ir'} --target {target} --passes '{print_pipeline(rest)}'"
    if context.samples is not None and target:
        _write_arrays(folder / "calibration.safetensors", context.samples)
        command += f" --calibration {folder / 'calibration.safetensors'}"
    _write_text(folder / "replay.sh", command + "\n")
    return command


def _write_text(path: Path, text: str) -> None:
    atomic_write(path, lambda file: file.write(text.encode()))


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    content = safetensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    atomic_write(path, lambda file: file.write(content))

"""A sweep from the grid to its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...runtime.evaluate import Evaluation, score_output
from ...runtime.labelled import Labelled, check_labels
from ...runtime.parallel.evaluate import evaluate_in_parts
from ...runtime.parallel.files import sha256_of
from ...runtime.parallel.jobs import Job, Settings
from ...runtime.parallel.pool import Pool
from ...runtime.program import Program, load
from ...runtime.program.diagnostics import NmcError
from ...runtime.score_output import ScoreOutput
from .grid import Point
from .meters import meters
from .point import Source
from .programs import Made, compile_points
from .rows import Row, row_of, whole

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], object] | None]]
"""Shows how far something is: a context that gives a callback (done, in all), or None."""


@dataclass(frozen=True)
class Sweep:
    """What is run: a network with every point of a grid on labelled samples.

    open_data  opens the samples for a program
    model      path of the float model, which is run once and compared with all points
    part       samples that a process takes at a time
    """

    source: Source
    points: Sequence[Point]
    open_data: Callable[[Program], Labelled]
    output: str | None = None
    decay: float | None = None
    model: str | None = None
    part: int | None = None


@dataclass(frozen=True)
class Swept:
    """The rows, with equal columns, and the points behind them; parts, resumed: as in `Evaluated`, of all points."""

    rows: list[Row]
    made: list[Made]
    parts: int
    resumed: int


def run_sweep(sweep: Sweep, pool: Pool, folder: Path, resume: bool, bar: Bar) -> Swept:
    """Compile all points, then evaluate those that have a program. `folder` gets programs and, with `resume`, parts.

    What keeps a point from running is in its row. NmcError for what is wrong with all of them: the network's file, the
    float model, the folder, and those of `pool` and `checkpoint`.
    """
    with bar("compiling") as progress:
        made = compile_points(sweep.source, identity(sweep.source), sweep.points, folder, pool, progress)
    jobs, made = _jobs(sweep, made)
    with bar("evaluating") as progress:
        done = evaluate_in_parts(
            [job for job, _ in jobs.values()],
            pool,
            part=sweep.part,
            resume=folder if resume else None,
            progress=progress,
        )
    compared = {one.evaluation.output: one.evaluation.model for one in done if one.evaluation.model is not None}
    found: dict[int, Evaluation] = {}
    for i, one in zip(jobs, done, strict=True):
        found[i] = replace(one.evaluation, model=compared.get(one.evaluation.output))
    rows = [row_of(one, found.get(i)) for i, one in enumerate(made)]
    return Swept(whole(rows), made, sum(one.parts for one in done), sum(one.resumed for one in done))


def identity(source: Source) -> dict[str, Any]:
    """What a program follows from beside its options. The network is imported for it, so a file that cannot be read
    is told before the first point; NmcError as `compile_model`."""
    from ...compiler.frontends import import_model
    from ...compiler.ir import print_graph

    imported = import_model(source.model, source.input_shapes, source.state_dict, source.nir, source.states)
    return {
        "model": hashlib.sha256(print_graph(imported.graph).encode()).hexdigest(),
        "import": imported.options,
        "target": source.target,
        "calibration": None if source.calibration is None else sha256_of(source.calibration),
    }


def _jobs(sweep: Sweep, made: Sequence[Made]) -> tuple[dict[int, tuple[Job, ScoreOutput]], list[Made]]:
    """The evaluations by point, and the points, now also with what is wrong with their outputs and samples."""
    opened: dict[Any, Labelled] = {}
    jobs: dict[int, tuple[Job, ScoreOutput]] = {}
    checked = list(made)
    settings = Settings(sweep.output, sweep.decay, meters)
    for i, one in enumerate(made):
        if one.path is None:
            continue
        program = load(one.path)
        try:
            scores = score_output(program, sweep.output)
            inputs = tuple((entry.name, entry.shape) for entry in program.inputs)
            if inputs not in opened:
                opened[inputs] = sweep.open_data(program)
            check_labels(opened[inputs], scores.classes)
        except NmcError as error:
            checked[i] = replace(one, path=None, problems=tuple(error.diagnostics), exit_code=int(error.exit_code))
            continue
        # The float model gives the same for all points with the same output.
        model = None if scores in {known for _, known in jobs.values()} else sweep.model
        jobs[i] = Job(one.path, opened[inputs], model, settings), scores
    return jobs, checked

"""An evaluation as work in parts: what it needs, what each part is, and how a process does one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from ..cost import Meter
from ..evaluate import decay_of
from ..evaluator import Evaluator, Part, part_size
from ..float_model import FloatModel
from ..labelled import Divisible, Labelled, LabelledArrays, check_labels
from ..program.container import Program, load
from ..score_output import ScoreOutput, score_output
from ..session import Session
from .files import SharedFile, external_digests
from .pool import Pool

Meters = Callable[[Program], Callable[[], Meter] | None]


@dataclass(frozen=True)
class Settings:
    """How samples are shown to a program.

    output  the output that has the class scores; needed where the program has several
    decay   of the smoothing over frames, at least 0 and below 1; None as in `evaluate`
    meters  makes what makes the meter of a part, None for a program without one; a function of a module
    engine  that runs the program
    """

    output: str | None = None
    decay: float | None = None
    meters: Meters | None = None
    engine: str = "auto"


@dataclass(frozen=True)
class Job:
    """An evaluation to be done: the path of a program, labelled samples, and perhaps the path of a float model (.onnx),
    which runs on one thread a process, so that it rounds alike wherever it runs."""

    program: str | os.PathLike[str]
    data: Labelled
    model: str | os.PathLike[str] | None = None
    settings: Settings = Settings()


@dataclass(frozen=True)
class Plan:
    """A job that is cut into parts.

    shared  what stands for the program and the float model among the arguments of a task
    key     what the results follow from; empty unless there will be a checkpoint
    """

    job: Job
    scores: ScoreOutput
    size: int
    shared: tuple[Any, Any]
    key: dict[str, Any]

    @property
    def samples(self) -> int:
        return len(self.job.data.labels)

    @property
    def parts(self) -> int:
        return -(-self.samples // self.size)

    def bounds(self, part: int) -> tuple[int, int]:
        """First sample of a part, and the one behind its last."""
        return part * self.size, min((part + 1) * self.size, self.samples)

    def task(self, part: int) -> tuple[Any, ...]:
        """The arguments of `run_part`."""
        data, (low, high) = self.job.data, self.bounds(part)
        if isinstance(data, Divisible):
            piece = data.cut(low, high)
        else:
            piece = LabelledArrays(data.read(low, high), data.labels[low:high])
        return (self.job.settings, *self.shared, piece)


def plan(job: Job, pool: Pool, part: int | None, digests: dict[int, str] | None) -> Plan:
    """Cut a job into parts of `part` samples, or as many as are read together.

    digests  of data seen so far, by identity; None if there is no checkpoint. NMC-R020, R023; TypeError for data that
             is not `Divisible` where digests are needed.
    """
    program, data, settings = load(job.program), job.data, job.settings
    scores = score_output(program, settings.output)
    check_labels(data, scores.classes)
    size = part_size(program) if part is None else part
    file, shared = pool.share(job.program)
    model, shared_model = (None, None) if job.model is None else pool.share(job.model)
    key: dict[str, Any] = {}
    if digests is not None:
        if not isinstance(data, Divisible):
            raise TypeError(f"{type(data).__name__} has no digest(), which a checkpoint needs")
        if id(data) not in digests:
            digests[id(data)] = data.digest()
        key = {
            "nmc": version("nmc"),
            "program": file.sha256,
            "data": digests[id(data)],
            "model": None if model is None else [model.sha256, *external_digests(model.path)],
            "output": scores.name,
            "decay": decay_of(program, settings.decay),
            "part": size,
            "costs": settings.meters is not None,
        }
    return Plan(job, scores, size, (shared, shared_model), key)


def run_part(settings: Settings, program: SharedFile, model: SharedFile | None, piece: Labelled) -> Part:
    """Show the samples of `piece` to the program, in whatever process this is."""
    return _evaluator(settings, program, model).part(piece, 0, len(piece.labels))


class _Last(threading.local):
    """What this thread opened last: the next part most often is of the same job."""

    of: tuple[Any, ...] = ()
    evaluator: Evaluator | None = None


_LAST = _Last()


def _evaluator(settings: Settings, program: SharedFile, model: SharedFile | None) -> Evaluator:
    wanted = (settings, program, model)
    if _LAST.evaluator is None or _LAST.of != wanted:
        with program.local() as path:
            session = Session(load(path), settings.engine)
        floats = None
        if model is not None:
            with model.local() as path:
                floats = FloatModel(path, threads=1)
        meter = None if settings.meters is None else settings.meters(session.program)
        scores = score_output(session.program, settings.output)
        decay = decay_of(session.program, settings.decay)
        _LAST.evaluator, _LAST.of = Evaluator(session, scores, decay, floats, meter), wanted
    return _LAST.evaluator

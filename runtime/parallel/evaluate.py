"""Evaluations in parts of a fixed size: what they give does not depend on who runs which part, or when."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..evaluate import Evaluation, joined
from ..evaluator import Part
from .checkpoint import Checkpoint, checkpoint_path, open_checkpoint
from .jobs import Job, Plan, plan, run_part
from .pool import Here, Pool
from .records import part_from_json, part_to_json

Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Evaluated:
    """What a job gave. parts: into how many it was cut; resumed: how many of them the checkpoint had already."""

    evaluation: Evaluation
    parts: int
    resumed: int


def evaluate_in_parts(
    jobs: Sequence[Job],
    pool: Pool | None = None,
    *,
    part: int | None = None,
    resume: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[Evaluated]:
    """Run jobs on a pool (`pool.open_pool`; without one here), the parts of all of them in one queue.

    part      samples of a part, at least 1; chosen by the size of a sample if None
    resume    a checkpoint, or a folder for one of each job (needed for several): parts that it has are not run again
    progress  called with (samples done, samples in all)

        with open_pool(4) as pool:
            [done] = evaluate_in_parts([Job("digits.nmc", data)], pool, resume="digits.nmc-parts")

    The result is the same whatever the pool, and in whatever order parts end; only `seconds` are as measured. NmcError
    as in `evaluate`, `open_pool` and `open_checkpoint`, and NMC-R072 (a part that ends every process).
    """
    chosen: Pool = pool or Here()
    digests = None if resume is None else dict[int, str]()
    plans = [plan(job, chosen, part, digests) for job in jobs]
    with ExitStack() as stack:
        kept = [_Kept(p, None if resume is None else stack.enter_context(_checkpoint(resume, p))) for p in plans]
        _run(kept, chosen, progress)
    return [one.evaluated() for one in kept]


class _Kept:
    """What is there of a job: its parts so far, and the checkpoint that gets the next ones."""

    def __init__(self, plan: Plan, checkpoint: Checkpoint | None):
        self.plan, self.checkpoint = plan, checkpoint
        done: dict[int, Any] = {} if checkpoint is None else checkpoint.done
        self.parts = {number: part_from_json(gave) for number, gave in done.items()}
        self.resumed = len(self.parts)

    def missing(self) -> list[int]:
        return [number for number in range(self.plan.parts) if number not in self.parts]

    def samples(self, number: int) -> int:
        low, high = self.plan.bounds(number)
        return high - low

    def add(self, number: int, gave: Part) -> None:
        self.parts[number] = gave
        if self.checkpoint is not None:
            self.checkpoint.add(number, part_to_json(gave))

    def evaluated(self) -> Evaluated:
        in_order = [self.parts[number] for number in range(self.plan.parts)]
        evaluation = joined(self.plan.scores, self.plan.job.data, in_order)
        return Evaluated(evaluation, self.plan.parts, self.resumed)


def _checkpoint(resume: str | os.PathLike[str], plan: Plan) -> Any:
    return open_checkpoint(checkpoint_path(resume, plan.key), plan.key, plan.parts)


def _run(kept: Sequence[_Kept], pool: Pool, progress: Progress | None) -> None:
    """Run all parts that are missing."""
    waiting = [(one, number) for one in kept for number in one.missing()]
    total = sum(one.plan.samples for one in kept)
    done = total - sum(one.samples(number) for one, number in waiting)
    for index, gave in pool.run(run_part, (one.plan.task(number) for one, number in waiting)):
        one, number = waiting[index]
        one.add(number, gave)
        done += one.samples(number)
        if progress:
            progress(done, total)

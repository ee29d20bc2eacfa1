"""How often a program decides as labelled, and as the float model does."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .akida_session import AkidaSession
from .arith import Floats, Ints
from .classify import DECAY, decide
from .cri_session import CriSession
from .evaluator import Evaluator, Model, Part, part_size
from .hybrid_session import HybridSession
from .labelled import Labelled, check_labels
from .program.container import Program
from .score_output import ScoreOutput, score_output
from .session import Session

__all__ = ["Evaluation", "Model", "ScoreOutput", "decay_of", "evaluate", "joined", "score_output"]


@dataclass(frozen=True)
class Evaluation:
    """What a program, and perhaps its float model, decided on labelled samples.

    output     the scored output
    labels     int64 (n,)
    names      the classes' names by index, () where they have none
    rules      the rules of decision; the first is the usual one:
               of an output with a time axis `smoothed` (largest probability of the last frame, smoothed over the frames
               by `classify.Smoother`) and `last_frame` (largest score there), of any other `largest` (largest score);
               of a spiking network's output with a time axis `sum` (largest sum over all timesteps: most spikes)
    program    by rule, float64 (n, classes): the numbers of which the largest decides
    model      the same of the float model; None where there was none
    edges      elements of the output that may differ from the source model's before any rounding (docs/video.md)
    counters   over all samples: values clipped at the input (`input_clipped`), values that left their buffers
               (`out_of_range`), and what the session counts of spikes, synaptic_events and macs
    seconds    that the program ran, of all parts together
    """

    output: ScoreOutput
    labels: Ints
    names: tuple[str, ...]
    program: dict[str, Floats]
    model: dict[str, Floats] | None
    counters: dict[str, int]
    seconds: float = 0.0

    @property
    def rules(self) -> tuple[str, ...]:
        return tuple(self.program)

    @property
    def edges(self) -> tuple[int, ...]:
        return self.output.timing.edges

    def agreement(self, rule: str) -> float:
        """Share of samples on which program and float model decide alike; ValueError without a float model."""
        if self.model is None:
            raise ValueError("there is no float model to agree with")
        return float(np.mean(decide(self.program[rule]) == decide(self.model[rule])))


def evaluate(
    program: Program | AkidaSession | CriSession | HybridSession | str | os.PathLike[str],
    data: Labelled,
    *,
    output: str | None = None,
    model: Model | None = None,
    decay: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Evaluation:
    """Run a program, and a float model beside it, on labelled samples, a part of them at a time.

    output    the output that has the class scores; needed where the program has several
    model     the float model to compare with (its samples are the same, in the source model's layout)
    decay     of the smoothing over frames, at least 0 and below 1; by default as the program says, or 0.8
    progress  called with (samples done, samples in all)

        evaluate("digits.nmc", LabelledArrays({"image": images}, labels)).program["largest"]

    `parallel.evaluate` does the same in several processes, and goes on where it was ended. NmcError NMC-R020 (labels),
    R023 (output), R024 (model), and those of `Session.run` and of `data.read`.
    """
    session = program if isinstance(program, AkidaSession | CriSession | HybridSession) else Session(program)
    scores = score_output(session.program, output)
    check_labels(data, scores.classes)
    evaluator = Evaluator(session, scores, decay_of(session.program, decay), model)
    count, size = len(data.labels), part_size(session.program)
    parts: list[Part] = []
    for low in range(0, count, size):
        high = min(low + size, count)
        parts.append(evaluator.part(data, low, high))
        if progress:
            progress(high, count)
    return joined(scores, data, parts)


def joined(output: ScoreOutput, data: Labelled, parts: Sequence[Part]) -> Evaluation:
    """The evaluation whose samples the parts hold, in the order of the samples."""
    models = [part.model for part in parts if part.model is not None]
    counters = {name: sum(part.counters[name] for part in parts) for name in parts[0].counters}
    found = _join([part.program for part in parts])
    seconds = sum(part.seconds for part in parts)
    return Evaluation(output, data.labels, data.names, found, _join(models) if models else None, counters, seconds)


def _join(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {rule: np.concatenate([part[rule] for part in parts]) for rule in parts[0]}


def decay_of(program: Program, given: float | None = None) -> float:
    """The decay of the smoothing over frames: as given, or as the program's task says, or `classify.DECAY`."""
    return next(decay for decay in (given, program.task.smoothing, DECAY) if decay is not None)

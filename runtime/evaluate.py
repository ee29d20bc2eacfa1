"""How often a program decides as labelled, and as the float model does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .akida_session import AkidaSession
from .arith import Floats, Ints
from .classify import DECAY, decide, smooth
from .cri_session import CriSession
from .encode import Array
from .hybrid_session import HybridSession
from .labelled import Labelled, check_labels
from .program.akida import AT_ONCE, without
from .program.container import Program
from .program.cri import CriProgram
from .program.diagnostics import bad_file, usage
from .program.timing import Timing
from .result import BATCH_ENTRIES, MAX_BATCH
from .session import Session

Model = Callable[[Mapping[str, Array]], Mapping[str, ArrayLike]]
"""Anything that makes outputs (n, *shape) by name of samples (n, *shape) by name, as `float_model.FloatModel` does."""


@dataclass(frozen=True)
class ScoreOutput:
    """An output of class scores: its shape for one sample, and its timing. `summed`: the class with the largest sum
    over all timesteps is the answer, as with the spikes of a spiking network."""

    name: str
    shape: tuple[int, ...]
    timing: Timing
    summed: bool = False

    @property
    def classes(self) -> int:
        return math.prod(without(self.shape, self.timing.axis))

    def by_frame(self, values: ArrayLike) -> Floats:
        """Values (n, *shape) as scores (n, frames, classes), one frame where the output has no time axis."""
        array, axis = np.asarray(values, np.float64), self.timing.axis
        moved = np.moveaxis(array, axis, 1) if axis > 0 else array[:, None]
        return moved.reshape(*moved.shape[:2], self.classes)


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
    counters   values clipped at the input, and values that left their buffers, over all samples
    """

    output: ScoreOutput
    labels: Ints
    names: tuple[str, ...]
    program: dict[str, Floats]
    model: dict[str, Floats] | None
    counters: dict[str, int]

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
    decay: float = DECAY,
    progress: Callable[[int, int], object] | None = None,
) -> Evaluation:
    """Run a program, and a float model beside it, on labelled samples, a part of them at a time.

    output    the output that has the class scores; needed where the program has several
    model     the float model to compare with (its samples are the same, in the source model's layout)
    decay     of the smoothing over frames, at least 0 and below 1
    progress  called with (samples done, samples in all)

        evaluate("digits.nmc", LabelledArrays({"image": images}, labels)).program["largest"]

    NmcError NMC-R020 (labels), R023 (output), R024 (model), and those of `Session.run` and of `data.read`.
    """
    session = program if isinstance(program, AkidaSession | CriSession | HybridSession) else Session(program)
    scores = score_output(session.program, output)
    check_labels(data, scores.classes)
    count, size = len(data.labels), _part(session.program)
    found: list[dict[str, Floats]] = []
    wanted: list[dict[str, Floats]] = []
    counters = {"input_clipped": 0, "out_of_range": 0}
    for low in range(0, count, size):
        high = min(low + size, count)
        samples = data.read(low, high)
        result = session.run(samples)
        if result.counters["samples"] != high - low:
            raise ValueError(f"data.read({low}, {high}) gave {result.counters['samples']} samples")
        found.append(_ends(scores, scores.by_frame(result.outputs[scores.name]), decay))
        counters = {key: total + result.counters[key] for key, total in counters.items()}
        if model is not None:
            wanted.append(_ends(scores, _model_scores(scores, model(samples), high - low), decay))
        if progress:
            progress(high, count)
    return Evaluation(
        scores, data.labels, data.names, _join(found), _join(wanted) if model is not None else None, counters
    )


def score_output(program: Program, name: str | None = None) -> ScoreOutput:
    """The output of that name, or the program's only one; NMC-R023 if it is not clear or has no class scores."""
    if not isinstance(program, CriProgram):
        outputs = {o.name: ScoreOutput(o.name, o.shape, o.timing) for o in program.outputs}
    else:
        trains = {True: Timing(0, length=program.timesteps, axis=1), False: AT_ONCE}
        outputs = {r.name: ScoreOutput(r.name, r.shape, trains[r.by_step], r.by_step) for r in program.readouts}
    names = ", ".join(map(repr, outputs))
    if name is None and len(outputs) != 1:
        raise usage(
            "NMC-R023", f"the program has the outputs {names}", hint="name the one with the class scores: --output"
        )
    found = outputs[name] if name in outputs else None if name is not None else next(iter(outputs.values()))
    if found is None:
        raise usage("NMC-R023", f"the program has no output {name!r}", hint=f"it has {names}")
    extents = [extent for extent in without(found.shape, found.timing.axis) if extent > 1]
    if len(extents) != 1:
        what = f"output {found.name!r} of shape {found.shape} is no row of class scores"
        raise usage("NMC-R023", what, why="one axis besides time must count the classes, all others have length 1")
    return found


def _ends(output: ScoreOutput, scores: Floats, decay: float) -> dict[str, Floats]:
    """By rule of decision, what scores (n, frames, classes) end with: (n, classes)."""
    if output.summed:
        return {"sum": scores.sum(axis=1)}
    if output.timing.axis <= 0:
        return {"largest": scores[:, -1]}
    return {"smoothed": smooth(scores, decay)[:, -1], "last_frame": scores[:, -1]}


def _model_scores(output: ScoreOutput, outputs: Mapping[str, ArrayLike], samples: int) -> Floats:
    if output.name not in outputs:
        has = ", ".join(map(repr, outputs))
        raise bad_file("NMC-R024", f"the float model has no output {output.name!r}", hint=f"it has {has}")
    values = np.asarray(outputs[output.name])
    if values.shape != (samples, *output.shape):
        what = f"the float model's output {output.name!r} has shape {values.shape}"
        raise bad_file(
            "NMC-R024", what, why=f"the program's has {(samples, *output.shape)}", hint="is it the same model?"
        )
    if not np.isfinite(values).all():
        raise bad_file("NMC-R024", f"the float model's output {output.name!r} holds NaN or infinity")
    return output.by_frame(values)


def _join(parts: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {rule: np.concatenate([part[rule] for part in parts]) for rule in parts[0]}


def _part(program: Program) -> int:
    """Samples that are read together: few enough that their values fit into what a session takes for a layer."""
    values = sum(math.prod(entry.shape) for entry in program.inputs)
    return min(max(BATCH_ENTRIES // max(values, 1), 1), MAX_BATCH)

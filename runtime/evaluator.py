"""Showing labelled samples to a program, and to its float model, a part of them at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .akida_session import AkidaSession
from .arith import Floats
from .classify import smooth
from .cost import Meter
from .cri_session import CriSession
from .encode import Array
from .hybrid_session import HybridSession
from .labelled import Labelled
from .program.container import Program
from .program.diagnostics import bad_file
from .result import BATCH_ENTRIES, MAX_BATCH, Result
from .score_output import ScoreOutput

Model = Callable[[Mapping[str, Array]], Mapping[str, ArrayLike]]
"""Anything that makes outputs (n, *shape) by name of samples (n, *shape) by name, as `float_model.FloatModel` does."""

AnySession = AkidaSession | CriSession | HybridSession
COUNTED = ("input_clipped", "out_of_range", "spikes", "synaptic_events", "macs")
METERED = ("hbm_access", "cycles")


@dataclass(frozen=True)
class Part:
    """What samples that follow one another gave.

    program   by rule of decision, float64 (n, classes): the numbers of which the largest decides
    model     the same of the float model, None where there is none
    counters  totals over the samples: those of COUNTED that the session has, with a meter also METERED
    seconds   of running the program
    """

    program: dict[str, Floats]
    model: dict[str, Floats] | None
    counters: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Evaluator:
    """A program on an engine, the output that has its scores, and perhaps a float model and a count of costs.

    decay  of the smoothing over frames
    meter  makes the meter of a part; CRI programs only
    """

    session: AnySession
    output: ScoreOutput
    decay: float
    model: Model | None = None
    meter: Callable[[], Meter] | None = None

    def part(self, data: Labelled, low: int, high: int) -> Part:
        """Samples low … high−1 of the data; NMC-R024 (float model), and what `Session.run` and `data.read` raise."""
        samples = data.read(low, high)
        more: dict[str, Any] = {} if self.meter is None else {"meter": self.meter()}
        start = time.perf_counter()
        result = self.session.run(samples, **more)
        seconds = time.perf_counter() - start
        if result.counters["samples"] != high - low:
            raise ValueError(f"data.read({low}, {high}) gave {result.counters['samples']} samples")
        found = _ends(self.output, self.output.by_frame(result.outputs[self.output.name]), self.decay)
        wanted = None
        if self.model is not None:
            wanted = _ends(self.output, _model_scores(self.output, self.model(samples), high - low), self.decay)
        return Part(found, wanted, _counted(result), seconds)


def part_size(program: Program) -> int:
    """Samples that are read together: few enough that their values fit into what a session takes for a layer."""
    values = sum(math.prod(entry.shape) for entry in program.inputs)
    return min(max(BATCH_ENTRIES // max(values, 1), 1), MAX_BATCH)


def _counted(result: Result) -> dict[str, int]:
    counters = {name: result.counters[name] for name in COUNTED if name in result.counters}
    hardware = result.counters.get("hardware", {})
    return counters | {name: hardware[name] for name in METERED if name in hardware}


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

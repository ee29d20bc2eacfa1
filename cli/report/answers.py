"""What a program answers, as class probabilities: of a sample, or in every frame of a clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...runtime.akida_host import frame_of
from ...runtime.akida_session import AkidaSession
from ...runtime.classify import DECAY, smooth, softmax, top
from ...runtime.hybrid_session import HybridSession
from ...runtime.program import AkidaProgram, CriProgram, Program
from ...runtime.program.hybrid import HybridProgram
from ...runtime.result import Result

MOST_CLASSES = 10_000
SHOWN_FRAMES = 512
NEAR = 1e-3

Array = np.ndarray[Any, np.dtype[Any]]
Facts = dict[str, Any]


def answers(program: Program, result: Result) -> list[Facts]:
    """For every output with one axis of 2 entries or more: the entries with the largest numbers, sample by sample.

    {"output", "entries", "probabilities": "own" (the numbers are some) or "softmax", "samples": [{"entry": [index …],
    "value", "probability"} …]}. Outputs of spiking networks are summed over their timesteps, if they have some. An
    output with NaN or infinity, which a host segment may give, has `not_finite`, their number, and no samples.
    """
    rows = []
    trains = {r.name for r in program.readouts if r.by_step} if isinstance(program, CriProgram) else set[str]()
    for name, values in result.outputs.items():
        scores = _scores(values, name in trains)
        if scores is None or not len(scores):
            continue
        if bad := _not_finite(scores):
            rows.append({"output": name, "entries": scores.shape[1], "not_finite": bad, "samples": []})
            continue
        chances, how = _probabilities(scores)
        best, _ = top(scores)
        samples = [
            {"entry": b.tolist(), "value": s[b].tolist(), "probability": p[b].tolist()}
            for b, s, p in zip(best, scores, chances, strict=True)
        ]
        rows.append({"output": name, "entries": scores.shape[1], "probabilities": how, "samples": samples})
    return rows


def frame_answers(program: AkidaProgram | HybridProgram, sample: Mapping[str, Array]) -> list[Facts]:
    """Probabilities in every frame of one clip (1, *shape), for outputs that are scores in each frame.

    {"output", "entries", "probabilities", "first": the frame of the output's first element, "last": of its last,
    "shown": [index …] of the five entries that are likeliest at some time, "raw": [[probability of each frame] of each
    shown entry], "smoothed": likewise}; `not_finite` as in `answers`, and nothing to show.
    """
    session = HybridSession(program) if isinstance(program, HybridProgram) else AkidaSession(program)
    made: dict[str, list[Array]] = {}
    for frame in range(min(program.stream_length, SHOWN_FRAMES)):
        given = {entry.name: frame_of(entry, sample[entry.name], frame) for entry in program.inputs}
        for name, values in session.step(given).items():
            made.setdefault(name, []).append(values[0].ravel())
    rows = []
    for output in program.outputs:
        if not _is_scores(output.frame_shape):
            continue
        scores = np.stack(made[output.name])
        if bad := _not_finite(scores):
            rows.append({"output": output.name, "entries": scores.shape[1], "not_finite": bad})
            continue
        chances, how = _probabilities(scores)
        smoothed = smooth(scores) if how == "softmax" else None
        shown = np.sort(top(chances.max(axis=0))[0])
        rows.append(
            {
                "output": output.name,
                "entries": scores.shape[1],
                "probabilities": how,
                "decay": DECAY,
                "first": output.timing.offset,
                "last": output.timing.last,
                "shown": shown.tolist(),
                "raw": chances[:, shown].T.tolist(),
                "smoothed": None if smoothed is None else smoothed[:, shown].T.tolist(),
            }
        )
    return rows


def _is_scores(shape: tuple[int, ...]) -> bool:
    wide = [extent for extent in shape if extent != 1]
    return len(wide) == 1 and 2 <= wide[0] <= MOST_CLASSES


def _scores(values: Array, train: bool) -> Array | None:
    """(samples, classes) in float64, of a train (samples, timesteps, classes) the sums; None for what is no vector."""
    whole = values.astype(np.float64).sum(axis=1) if train else values.astype(np.float64)
    return whole.reshape(len(whole), math.prod(whole.shape[1:])) if _is_scores(whole.shape[1:]) else None


def _not_finite(scores: Array) -> int:
    return int(np.count_nonzero(~np.isfinite(scores)))


def _probabilities(scores: Array) -> tuple[Array, str]:
    """Scores (…, classes) as probabilities: as they are where they are some already, else their softmax."""
    if scores.min(initial=0.0) >= 0 and np.abs(scores.sum(axis=-1) - 1).max(initial=0.0) <= NEAR:
        return scores.astype(np.float64), "own"
    return softmax(scores), "softmax"

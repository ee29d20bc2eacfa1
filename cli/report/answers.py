"""What a program answers, as class probabilities: of a sample, or in every frame of a clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...runtime.akida_host import frame_of
from ...runtime.akida_session import AkidaSession
from ...runtime.classify import smooth, softmax, top
from ...runtime.cri_session import CriSession
from ...runtime.evaluate import decay_of
from ...runtime.hybrid_session import HybridSession
from ...runtime.program import AkidaProgram, CriProgram, Program
from ...runtime.program.hybrid import HybridProgram
from ...runtime.result import Result
from ..live.play import train_moments

MOST_CLASSES = 10_000
SHOWN_FRAMES = 512
NEAR = 1e-3

Array = np.ndarray[Any, np.dtype[Any]]
Facts = dict[str, Any]


def answers(program: Program, result: Result) -> list[Facts]:
    """For every output with one axis of 2 entries or more: the entries with the largest numbers, sample by sample.

    {"output", "entries", "names" of the entries if the program has them, "probabilities": "own" (the numbers are some)
    or "softmax", "samples": [{"entry": [index …], "value", "probability"} …]}. Outputs of spiking networks are summed
    over their timesteps, if they have some. An output with NaN or infinity, which a host segment may give, has
    `not_finite`, their number, and no samples.
    """
    rows = []
    trains = {r.name for r in program.readouts if r.by_step} if isinstance(program, CriProgram) else set[str]()
    for name, values in result.outputs.items():
        scores = _scores(values, name in trains)
        if scores is None or not len(scores):
            continue
        entries = {"output": name, "entries": scores.shape[1], "names": _names(program, scores.shape[1])}
        if bad := _not_finite(scores):
            rows.append({**entries, "not_finite": bad, "samples": []})
            continue
        chances, how = _probabilities(scores)
        best, _ = top(scores)
        samples = [
            {"entry": b.tolist(), "value": s[b].tolist(), "probability": p[b].tolist()}
            for b, s, p in zip(best, scores, chances, strict=True)
        ]
        rows.append({**entries, "probabilities": how, "samples": samples})
    return rows


def frame_answers(program: AkidaProgram | HybridProgram, sample: Mapping[str, Array]) -> list[Facts]:
    """Probabilities in every frame of one clip (1, *shape), for outputs that are scores in each frame.

    {"output", "entries", "names", "probabilities", "unit", "decay" of the smoothing, "first": the frame of the output's
    first element, "last": of its last, "shown": [index …] of the five entries that are likeliest at some time, "raw":
    [[probability of each frame] of each shown entry], "smoothed": likewise}; `not_finite` as in `answers`, and nothing
    to show.
    """
    session = HybridSession(program) if isinstance(program, HybridProgram) else AkidaSession(program)
    made: dict[str, list[Array]] = {}
    decay = decay_of(program, None)
    for frame in range(min(program.stream_length, SHOWN_FRAMES)):
        given = {entry.name: frame_of(entry, sample[entry.name], frame) for entry in program.inputs}
        for name, values in session.step(given).items():
            made.setdefault(name, []).append(values[0].ravel())
    rows = []
    for output in program.outputs:
        if not _is_scores(output.frame_shape):
            continue
        scores = np.stack(made[output.name])
        entries = {"output": output.name, "entries": scores.shape[1], "names": _names(program, scores.shape[1])}
        if bad := _not_finite(scores):
            rows.append({**entries, "not_finite": bad})
            continue
        chances, how = _probabilities(scores)
        smoothed = smooth(scores, decay) if how == "softmax" else None
        shown = np.sort(top(chances.max(axis=0))[0])
        rows.append(
            {
                **entries,
                "probabilities": how,
                "unit": "frame",
                "decay": decay,
                "first": output.timing.offset,
                "last": output.timing.last,
                "shown": shown.tolist(),
                "raw": chances[:, shown].T.tolist(),
                "smoothed": None if smoothed is None else smoothed[:, shown].T.tolist(),
            }
        )
    return rows


def step_answers(program: CriProgram, sample: Mapping[str, Array], seed: int | None) -> list[Facts]:
    """The same in every timestep of a spiking network, of what each output would be if it were read there, for one
    train (1, T, *shape). What is summed over timesteps is not smoothed; before the first answer there are zeros."""
    if len(program.inputs) != 1 or not program.inputs[0].every:
        return []
    rows, (frames,) = [], sample.values()
    for readout in program.readouts:
        if not _is_scores(readout.row_shape):
            continue
        moments = train_moments(CriSession(program, "auto", seed), frames[0], readout.name)
        found = [None if moment.scores is None else moment.scores.ravel() for moment in moments]
        first = next((step for step, scores in enumerate(found) if scores is not None), len(found))
        scores = np.array(found[first:], np.float64).reshape(len(found) - first, -1)
        if not len(scores):
            continue
        chances = np.concatenate([np.zeros((first, scores.shape[1])), softmax(scores)])
        shown = np.sort(top(chances.max(axis=0))[0])
        entries = {"output": readout.name, "entries": scores.shape[1], "names": _names(program, scores.shape[1])}
        time = {"first": first, "last": len(found) - 1, "unit": "timestep", "decay": None, "smoothed": None}
        raw = chances[:, shown].T.tolist()
        rows.append({**entries, "probabilities": "softmax", **time, "shown": shown.tolist(), "raw": raw})
    return rows


def _names(program: Program, entries: int) -> list[str]:
    known = program.task.classes
    return list(known) if len(known) == entries else []


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

"""From class scores to decisions: softmax, smoothing over the frames of a stream, the most likely classes, accuracy.

Scores are logits: the last axis counts the classes, and a constant added to all of them means nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arith import Floats, Ints

DECAY = 0.8
TOP = 5


def softmax(scores: ArrayLike) -> Floats:
    """p[k] = exp(s[k] − m) / Σ_j exp(s[j] − m) over the last axis, m the largest s; float64.

    Without m the equation is the same, but exp would overflow. Scores must be finite.
    """
    s = np.asarray(scores, np.float64)
    with np.errstate(over="ignore"):  # s − m may become −∞, and exp of it 0, which it is
        e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Smoother:
    """Class probabilities of a stream, smoothed over its frames:

        p[t] = decay · p[t−1] + (1 − decay) · softmax(scores[t]),    p[−1] = 0

    A frame's vote fades by `decay` a frame, and the first vote weighs no more than a later one. So the entries of p[t]
    sum to 1 − decay^(t+1): what is missing to 1 is the share of the frames before the first. decay 0 smoothes nothing.

        smoother = Smoother()
        for frame in camera:
            classes, chances = top(smoother.update(session.step(frame)["logits"]))
    """

    def __init__(self, decay: float = DECAY):
        """ValueError unless 0 ≤ decay < 1."""
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and below 1, not {decay}")
        self.decay = decay
        self.probabilities: Floats | None = None

    def update(self, scores: ArrayLike) -> Floats:
        """Take the scores (..., classes) of the next frame; returns p[t] of the same shape, float64.

        Scores of another shape than the frame before (another number of streams) start all anew, as `step` does.
        """
        now = (1 - self.decay) * softmax(scores)
        before = self.probabilities
        self.probabilities = now if before is None or before.shape != now.shape else self.decay * before + now
        return self.probabilities.copy()

    def reset(self) -> None:
        """Back to before the first frame."""
        self.probabilities = None


def smooth(scores: ArrayLike, decay: float = DECAY) -> Floats:
    """What a `Smoother` gives at every frame: scores (..., frames, classes) to p of the same shape, float64."""
    smoother, s = Smoother(decay), np.asarray(scores, np.float64)
    p = np.zeros(s.shape)
    for frame in range(s.shape[-2]):
        p[..., frame, :] = smoother.update(s[..., frame, :])
    return p


def top(probabilities: ArrayLike, count: int = TOP) -> tuple[Ints, Floats]:
    """The `count` most likely classes, the most likely first, and their probabilities; of equals the lower index first.

    (..., classes) to two arrays (..., min(count, classes)), int64 and float64.
    """
    p = np.asarray(probabilities, np.float64)
    best = np.argsort(-p, axis=-1, kind="stable")[..., :count]
    return best, np.take_along_axis(p, best, axis=-1)


def decide(scores: ArrayLike) -> Ints:
    """The class with the largest score or probability; of equals the lower index. (..., classes) to int64 (...)."""
    return np.asarray(scores).argmax(axis=-1)


def accuracy(labels: Ints, decisions: Ints) -> float:
    """Share of samples decided as labelled, both (n,); NaN where there are none."""
    return float(np.mean(labels == decisions)) if len(labels) else float("nan")


def top_accuracy(labels: Ints, scores: ArrayLike, count: int = TOP) -> float:
    """Share of samples whose label is among the `count` classes with the largest scores; labels (n,), scores (n, k)."""
    best, _ = top(scores, count)
    return float(np.mean((best == labels[:, None]).any(axis=1))) if len(labels) else float("nan")


def confusion(labels: Ints, decisions: Ints, classes: int) -> Ints:
    """c[i, j] = samples of class i that were decided to be j: rows true, columns predicted. int64 (classes, classes)"""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, decisions), 1)
    return counts


def class_accuracy(counts: Ints) -> Floats:
    """c[i, i] / Σ_j c[i, j] of a confusion matrix, (classes,): accuracy by class, NaN for a class without samples."""
    samples = counts.sum(axis=1)
    shares = np.full(len(counts), np.nan)
    np.divide(np.diagonal(counts), samples, out=shares, where=samples > 0)
    return shares

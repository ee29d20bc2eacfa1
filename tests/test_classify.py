"""Softmax, smoothing over frames, the most likely classes, accuracy and confusion: by hand and by property."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from test_akida_session import clips_of, video

from nmc.runtime import Session
from nmc.runtime.classify import (
    Smoother,
    accuracy,
    class_accuracy,
    confusion,
    decide,
    smooth,
    softmax,
    top,
    top_accuracy,
)

LN3 = math.log(3)
SCORES = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=st.floats(-1e3, 1e3))
DECAYS = st.floats(0, 1, exclude_max=True)


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(softmax([[0, LN3], [LN3, LN3]]), [[0.25, 0.75], [0.5, 0.5]], rtol=1e-15)
    assert softmax(np.float32([0.1, 0.2])).dtype == np.float64


def test_softmax_of_large_scores_neither_overflows_nor_vanishes() -> None:
    assert softmax([1e308, 1e308, -1e308]).tolist() == [0.5, 0.5, 0]
    np.testing.assert_allclose(softmax([1e4, 1e4 - LN3]), [0.75, 0.25], rtol=1e-9)


@given(SCORES)
def test_softmax_gives_probabilities_in_the_order_of_the_scores(scores: Any) -> None:
    p = softmax(scores)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-12)
    assert p.min() >= 0
    best = np.take_along_axis(p, decide(scores)[..., None], axis=-1)[..., 0]
    assert np.array_equal(best, p.max(axis=-1))


def test_smoothing_by_hand() -> None:
    """decay 0.8: each frame adds a fifth of its softmax to four fifths of what was."""
    scores = np.array([[0, LN3], [LN3, 0], [0, 0]])
    expected = [[0.05, 0.15], [0.19, 0.17], [0.252, 0.236]]
    np.testing.assert_allclose(smooth(scores), expected, rtol=1e-12)
    smoother = Smoother()
    for row, p in zip(scores, expected, strict=True):
        np.testing.assert_allclose(smoother.update(row), p, rtol=1e-12)
    assert decide(smoother.update([0, 0])) == 0


@given(SCORES, DECAYS)
def test_a_stream_is_smoothed_like_the_whole_clip(scores: Any, decay: float) -> None:
    """The sum Σ_k (1 − decay) · decay^(t−k) · softmax(s[k]) in another order, frame by frame, and its total."""
    smoother, p, alone = Smoother(decay), smooth(scores, decay), softmax(scores)
    for frame in range(scores.shape[-2]):
        assert np.array_equal(smoother.update(scores[..., frame, :]), p[..., frame, :])
        weights = (1 - decay) * decay ** np.arange(frame, -1.0, -1)
        expected = (alone[..., : frame + 1, :] * weights[:, None]).sum(axis=-2)
        np.testing.assert_allclose(p[..., frame, :], expected, rtol=1e-9, atol=1e-300)
        np.testing.assert_allclose(p[..., frame, :].sum(axis=-1), 1 - decay ** (frame + 1), rtol=1e-9)


@given(SCORES)
def test_decay_0_smoothes_nothing(scores: Any) -> None:
    assert np.array_equal(smooth(scores, 0), softmax(scores))


def test_reset_and_another_number_of_streams_start_anew() -> None:
    smoother = Smoother(0.5)
    first = smoother.update([[0.0, LN3]])
    smoother.update([[1.0, 2.0]])
    smoother.reset()
    assert np.array_equal(smoother.update([[0.0, LN3]]), first)
    assert np.array_equal(smoother.update([[0.0, LN3]] * 2), np.repeat(first, 2, axis=0))


def test_what_a_smoother_returned_does_not_change_later() -> None:
    smoother = Smoother(0.5)
    first = smoother.update([0.0, 0.0])
    first[:] = 7
    assert smoother.update([0.0, 0.0]).tolist() == [0.375, 0.375]


@pytest.mark.parametrize("decay", [-0.1, 1, 2, math.nan])
def test_a_decay_must_let_new_frames_count_and_old_ones_fade(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        Smoother(decay)


def test_a_smoother_follows_the_steps_of_a_session() -> None:
    clips = clips_of(3, 2)
    session, smoother = Session(video(3)), Smoother()
    for frame in range(clips.shape[2]):
        p = smoother.update(session.step(clips[:, :, frame])["scores"])
    whole = Session(video(3)).run(clips).outputs["scores"]
    assert np.array_equal(p, smooth(whole.swapaxes(1, 2))[:, -1])


def test_top_lists_the_most_likely_first_and_of_equals_the_lower_index() -> None:
    classes, p = top([[0.1, 0.4, 0.1, 0.4], [0, 0, 0, 0]], 3)
    assert classes.tolist() == [[1, 3, 0], [0, 1, 2]]
    assert p.tolist() == [[0.4, 0.4, 0.1], [0, 0, 0]]
    assert top([0.3, 0.7])[0].tolist() == [1, 0]
    assert decide([[1, 2, 2], [0, 0, 0]]).tolist() == [1, 0]


@given(SCORES, st.integers(1, 6))
def test_top_agrees_with_a_plain_sort(scores: Any, count: int) -> None:
    classes, p = top(scores, count)
    for row, found, values in zip(*(a.reshape(-1, a.shape[-1]) for a in (scores, classes, p)), strict=True):
        assert found.tolist() == sorted(range(len(row)), key=lambda k: (-row[k], k))[:count]
        assert values.tolist() == row[found].tolist()


def test_accuracy_and_confusion_by_hand() -> None:
    labels, decisions = np.array([0, 0, 0, 2, 2]), np.array([0, 1, 0, 2, 0])
    counts = confusion(labels, decisions, 3)
    assert counts.tolist() == [[2, 1, 0], [0, 0, 0], [1, 0, 1]]
    assert accuracy(labels, decisions) == 0.6
    np.testing.assert_array_equal(class_accuracy(counts), [2 / 3, np.nan, 0.5])
    scores = np.array([[3, 2, 1], [1, 3, 2], [0, 0, 0], [1, 1, 1], [3, 1, 2]])
    assert [top_accuracy(labels, scores, k) for k in (1, 2, 3)] == [0.4, 0.6, 1]


def test_nothing_has_no_accuracy() -> None:
    none = np.zeros(0, np.int64)
    assert math.isnan(accuracy(none, none))
    assert math.isnan(top_accuracy(none, np.zeros((0, 3))))
    assert np.isnan(class_accuracy(confusion(none, none, 2))).tolist() == [True, True]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_the_confusion_matrix_counts_every_sample_once(pairs: list[tuple[int, int]]) -> None:
    labels, decisions = np.array(pairs).T
    counts = confusion(labels, decisions, 4)
    assert all(counts[i, j] == pairs.count((i, j)) for i in range(4) for j in range(4))
    assert np.trace(counts) / len(pairs) == accuracy(labels, decisions)

"""The moving digits of the examples: same clips everywhere, opposites by reversal, and the shipped networks."""

import functools
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from nmc.compiler import transform
from nmc.compiler.ir import FrameSession

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "gestures"
sys.path.insert(0, str(ROOT / "examples"))

from gestures import data  # noqa: E402

STREAM = "canonicalize,fold-batch-norm,make-causal,stream"
NETWORKS = ("gestures", "gestures_events")
SMALL = [key for key in data.DIGESTS if key[1] < data.TEST_COUNT]


@functools.cache
def clips_of_test(count: int = data.TEST_COUNT) -> tuple[data.Clips, data.Labels]:
    return data.clips("test", count, data.TEST_SEED)


def seen(name: str, clips: data.Clips) -> data.Clips:
    """What the network takes: the clips or their events."""
    return data.events(clips) if name.endswith("events") else clips


def logits(name: str, clips: data.Clips) -> np.ndarray:
    session = onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", providers=["CPUExecutionProvider"])
    parts = (seen(name, clips[i : i + 128]) for i in range(0, len(clips), 128))
    return np.concatenate([session.run(["logits"], {"clip": part})[0] for part in parts])


def published(name: str) -> tuple[float, float]:
    """The accuracies in the README, in percent: at the last frame, and smoothed."""
    found = re.search(rf"^\| `{name}\.onnx` .*?([\d.]+) % \| ([\d.]+) % \|", (FOLDER / "README.md").read_text(), re.M)
    assert found is not None
    return float(found[1]), float(found[2])


def test_every_published_digest_is_of_other_clips() -> None:
    assert len(SMALL) == 2
    assert ("test", data.TEST_COUNT, data.TEST_SEED) in data.DIGESTS
    assert len(set(data.DIGESTS.values())) == len(data.DIGESTS)


@pytest.mark.parametrize("key", SMALL, ids=str)
def test_clips_are_the_same_everywhere(key: tuple[data.Split, int, int]) -> None:
    clips, labels = data.clips(*key)
    assert (clips.dtype, clips.shape) == (np.float32, (key[1], 1, 16, 24, 24))
    assert data.digest(clips) == data.DIGESTS[key]
    assert np.array_equal(clips, np.rint(clips * 255).astype(np.uint8) / np.float32(255))
    assert (clips.min(), clips.max() <= 1) == (0, True)
    assert np.bincount(labels).tolist() == [key[1] // 8] * 8


@pytest.mark.slow
def test_all_test_clips_are_the_same_everywhere() -> None:
    clips, labels = clips_of_test()
    assert data.digest(clips) == data.DIGESTS["test", data.TEST_COUNT, data.TEST_SEED]
    assert np.bincount(labels).tolist() == [data.TEST_COUNT // 8] * 8


def test_another_seed_or_split_gives_other_clips() -> None:
    digests = {data.digest(data.clips(split, 8, seed)[0]) for split in ("train", "test") for seed in (0, 1)}
    assert len(digests) == 4


def random_starts(count: int) -> tuple[data.Labels, data.Integers, data.Integers]:
    rng = np.random.default_rng(5)
    return np.arange(count) % 8, rng.integers(data.PERIODS, size=(count, 4)), rng.integers(80, 512, size=count)


def test_a_clip_played_backwards_is_a_clip_of_the_opposite_class() -> None:
    labels, starts, speeds = random_starts(64)
    forwards = data.trajectories(labels, starts, speeds)
    assert np.array_equal(data.trajectories(labels ^ 1, forwards[:, -1], speeds), forwards[:, ::-1])
    digits, white = np.random.default_rng(6).integers(0, 17, size=(64, 8, 8)), np.full(64, 255)
    backwards = data.render(digits, data.trajectories(labels ^ 1, forwards[:, -1], speeds), white)
    assert np.array_equal(backwards, data.render(digits, forwards, white)[:, ::-1])
    assert [data.CLASSES[k ^ 1].split()[0] for k in range(8)] == [name.split()[0] for name in data.CLASSES]


def test_every_pose_is_as_likely_in_each_frame_of_each_class() -> None:
    """A gesture at a given speed permutes the circle of start positions, so uniform starts stay uniform."""
    for label in range(8):
        axis = label // 2
        starts = np.zeros((data.PERIODS[axis], 4), np.int64)
        starts[:, axis] = np.arange(len(starts))
        poses = data.trajectories(np.full(len(starts), label), starts, np.full(len(starts), data.SPEEDS[axis, 1]))
        assert np.array_equal(np.sort(poses[:, :, axis], axis=0), np.repeat(starts[:, axis, None], 16, axis=1))
        assert not np.delete(poses, axis, axis=2).any()


def test_digits_move_as_their_classes_say() -> None:
    """The centre of mass of a digit in mid-canvas moves, its orientation turns, and its area grows or shrinks."""
    digit = np.zeros((1, 8, 8), np.int64)
    digit[0, 3:5, 4:8] = 16  # a bar that points to the right
    rows, columns = np.mgrid[:24, :24] - 11.5
    trend = {}
    for label, name in enumerate(data.CLASSES):
        starts, speeds = np.array([[24 * 128, 24 * 128, 0, 2048]]), np.array([40])
        picture = data.render(digit, data.trajectories(np.array([label]), starts, speeds), np.array([255]))[0] / 255
        area = picture.sum((1, 2))
        x, y = ((picture * along).sum((1, 2)) / area for along in (columns, rows))
        trend[name] = [float(track[-1] - track[0]) for track in (x, y, np.arctan2(y, x), area)]
    assert trend["swipe left"][0] < -1 < 1 < trend["swipe right"][0]
    assert trend["swipe up"][1] < -1 < 1 < trend["swipe down"][1]
    assert trend["rotate counter-clockwise"][2] < -0.5 < 0.5 < trend["rotate clockwise"][2]  # y points downwards
    assert trend["zoom out"][3] < -1 < 1 < trend["zoom in"][3]


def test_events_are_the_changes_beyond_the_threshold() -> None:
    clips, _ = clips_of_test(8)
    events = data.events(clips)
    assert (events.dtype, events.shape) == (np.float32, (8, 2, 16, 24, 24))
    assert not events[:, :, 0].any()
    levels = np.rint(clips * 255).astype(int)
    change = np.diff(levels[:, 0], axis=1)
    assert np.array_equal(events[:, 0, 1:] == 1, change > 25)
    assert np.array_equal(events[:, 1, 1:] == 1, change < -25)
    assert set(np.unique(events)) == {0, 1}


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_files_are_small_and_hold_the_network_only(name: str) -> None:
    path = FOLDER / f"{name}.onnx"
    content = path.read_bytes()
    assert len(content) < 500_000
    assert not re.search(rb"/(work|home|root|tmp|usr)/|site-packages|\.py\b|torch\.nn", content)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        2 if name.endswith("events") else 1,
        *(16, 24, 24),
    ]
    assert [v.name for v in (*model.graph.input, *model.graph.output)] == ["clip", "logits"]


@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks_stream_without_latency(name: str) -> None:
    clips = clips_of_test(8)[0]
    done = transform(FOLDER / f"{name}.onnx", STREAM)
    timing = done.graph.timing["logits"]
    assert (timing.offset, timing.stride, timing.edges) == (0, 1, ())
    found = FrameSession(done.graph).run({"clip": seen(name, clips)})["logits"]
    assert found.shape == (8, 16, 8)
    np.testing.assert_allclose(found, logits(name, clips), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks_have_the_published_accuracy(name: str) -> None:
    clips, labels = clips_of_test()
    answers = logits(name, clips)
    last, smoothed = published(name)
    weights = 0.8 ** np.arange(15, -1, -1)
    assert 100 * np.mean(answers[:, -1].argmax(1) == labels) >= last - 0.1
    assert 100 * np.mean((answers * weights[:, None]).sum(1).argmax(1) == labels) >= smoothed - 0.1
    assert last >= 97

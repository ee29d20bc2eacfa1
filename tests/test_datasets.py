"""Data sets of event cameras, in tiny files of the real formats: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from pipes import sent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from event_files import CLASSES, FRAMES, H, W, bin_bytes, places, recording, rows, write_bin, write_gestures, write_npz
from test_evaluate import check_fails, codes_of, nmc

from nmc.cli.live.clips import open_clip
from nmc.cli.live.events import Sensor
from nmc.cli.live.view import view_of
from nmc.runtime.aedat import Events
from nmc.runtime.datasets.binning import Binning, event_frames
from nmc.runtime.datasets.files import read_recording
from nmc.runtime.datasets.layouts import subfolders
from nmc.runtime.datasets.objects import EventObjects, from_objects
from nmc.runtime.datasets.samples import EventSamples
from nmc.runtime.evaluate import evaluate
from nmc.runtime.labelled import LabelledArrays, open_labelled
from nmc.runtime.parallel.evaluate import evaluate_in_parts
from nmc.runtime.parallel.jobs import Job
from nmc.runtime.program import NmcError, save

pytestmark = pytest.mark.slow

DVS, SMALL = (128, 128), (34, 34)
PROGRAM = places()
DIGITS = places(10)


def opened(path: Path, program: Any = PROGRAM, **options: Any) -> EventSamples:
    data = open_labelled(path, program, **options)
    assert isinstance(data, EventSamples)
    return data


def check_samples(data: EventSamples, events: list[Events], labels: list[int], how: Binning = Binning()) -> None:  # noqa: B008
    """The data are frames of these events, (5, 2, 4, 6) each, also when they are cut and go to another process."""
    wanted = [event_frames(part, how, data.take.sensor, FRAMES, (H, W)).transpose(0, 3, 1, 2) for part in events]
    assert data.labels.tolist() == labels
    assert np.array_equal(data.read(0, len(labels))["events"], np.stack(wanted))
    piece = sent(data.cut(1, 3))
    assert piece.labels.tolist() == labels[1:3]
    assert np.array_equal(piece.read(0, 2)["events"], np.stack(wanted[1:3]))


def refused(call: Callable[[], object]) -> list[str]:
    with pytest.raises(NmcError) as caught:
        call()
    return codes_of(caught)


# --- files ---


def test_events_of_40_bits(tmp_path: Path) -> None:
    """x, y, and polarity with time, the highest byte first; a row 240 puts later times off by 8,192 µs."""
    (tmp_path / "a.bin").write_bytes(bytes([5, 33, 0x80, 0x01, 0x02, 0, 0, 0x7F, 0xFF, 0xFF, 33, 1, 0, 0, 9]))
    assert rows(read_recording(tmp_path / "a.bin")) == [(258, 5, 33, True), (2**23 - 1, 0, 0, False), (9, 33, 1, False)]
    (tmp_path / "a.bin").write_bytes(bytes([1, 2, 0, 0, 7, 0, 240, 0, 0, 0, 3, 4, 0x80, 0, 1]))
    assert rows(read_recording(tmp_path / "a.bin")) == [(7, 1, 2, False), (8193, 3, 4, True)]


def test_arrays_of_events(tmp_path: Path) -> None:
    events = recording(3, DVS)
    assert rows(read_recording(write_npz(tmp_path / "a.npz", events))) == rows(events)
    np.savez(tmp_path / "b.npz", t=events.t, x=events.x, y=events.y, p=events.on)
    assert rows(read_recording(tmp_path / "b.npz")) == rows(events)
    columns = np.stack([events.x, events.y, events.on, events.t // 1000], 1)
    for dtype in (np.int64, np.float64, np.uint16):
        np.save(tmp_path / "c.npy", columns.astype(dtype))
        assert rows(read_recording(tmp_path / "c.npy")) == [(t // 1000 * 1000, *rest) for t, *rest in rows(events)]


GOOD: dict[str, Any] = {"t": [1, 2], "x": [0, 1], "y": [0, 1], "p": [0, 1]}


@pytest.mark.parametrize(
    ("arrays", "why"),
    [
        ({"frames": [1, 2], "t": [1]}, "it has the arrays 'frames', 't'"),
        (GOOD | {"label": [0]}, "it has the arrays 'label', 'p', 't', 'x', 'y'"),
        (GOOD | {"x": [1]}, "must have one length"),
        ({name: [values] for name, values in GOOD.items()}, "must have one length"),
        (GOOD | {"x": [-1, 0]}, "x must lie in 0 … 32767, and reaches from -1 to 0"),
        (GOOD | {"p": [1, 2]}, "p must lie in 0 … 1"),
        (GOOD | {"t": [0.5, 1]}, "t holds numbers that are not whole"),
        (GOOD | {"t": [np.nan, 1]}, "t holds numbers that are not whole"),
        (GOOD | {"y": [1j, 1]}, "y must be numbers"),
    ],
)
def test_arrays_that_are_no_events(arrays: dict[str, Any], why: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(NmcError, match=why) as caught:
        read_recording(tmp_path / "a.npz")
    assert codes_of(caught) == ["R002"]


def test_damaged_recordings(tmp_path: Path) -> None:
    for name, content in {
        "cut.bin": bin_bytes(recording(1, SMALL))[:-1],
        "empty.bin": b"",
        "other.aedat": b"#!AER-DAT2.0\r\n",
        "other.npz": b"PK",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert refused(lambda name=name: read_recording(tmp_path / name)) == ["R002"]
    np.save(tmp_path / "flat.npy", np.zeros((4, 3)))
    assert refused(lambda: read_recording(tmp_path / "flat.npy")) == ["R002"]
    for name in ("no.bin", "no.aedat", "no.npy"):
        assert refused(lambda name=name: read_recording(tmp_path / name)) == ["R001"]


# --- folders ---


def test_gestures_as_published(tmp_path: Path) -> None:
    events = write_gestures(tmp_path, {"user24_led": [3, 0, 10], "user25_lab": [5]})
    data = opened(tmp_path)
    check_samples(data, events, [3, 0, 10, 5])
    assert (data.kind, data.split, data.names[10], data.take.sensor) == ("dvs128", "test", "other gestures", DVS)
    how = Binning("time", values="count", on=0)
    check_samples(opened(tmp_path, events=how, limit=3), events[:3], [3, 0, 10], how)
    assert refused(lambda: opened(tmp_path, split="train")) == ["R001"]


def test_gestures_as_converted(tmp_path: Path) -> None:
    """SpikingJelly: a folder a class, .npz; tonic: a folder a person, .npy with the class as name, in milliseconds."""
    events = [recording(label, DVS) for label in (0, 2, 10)]
    for label, part in zip((10, 2, 0), events[::-1], strict=True):
        write_npz(tmp_path / "np" / "test" / str(label) / f"user01_led_{label}.npz", part)
        write_npz(tmp_path / "np" / "train" / str(label) / "user02_led_0.npz", part)
        person = tmp_path / "tonic" / "ibmGestureTest" / "user24_led"
        person.mkdir(parents=True, exist_ok=True)
        np.save(person / f"{label}.npy", np.stack([part.x, part.y, part.on, part.t], 1))
    check_samples(opened(tmp_path / "np", kind="dvs128"), events, [0, 2, 10])
    check_samples(opened(tmp_path / "np" / "test", kind="events", events=Binning(sensor=DVS)), events, [0, 2, 10])
    data = opened(tmp_path / "tonic")
    later = [Events(part.t * 1000, part.x, part.y, part.on) for part in events]
    check_samples(data, later, [0, 2, 10])
    assert (data.kind, data.split) == ("dvs128", "test")
    assert opened(tmp_path / "np", kind="dvs128", split="train").split == "train"


def test_digits_of_n_mnist(tmp_path: Path) -> None:
    """One of every class in turn, so that the first few are of all classes."""
    events = {}
    for label, name in ((0, "00003"), (1, "00002"), (1, "00010"), (9, "00001")):
        events[label, name] = recording(label, SMALL, seed=int(name))
        write_bin(tmp_path / "Test" / str(label) / f"{name}.bin", events[label, name])
        write_bin(tmp_path / "Train" / "0" / f"{name}.bin", events[label, name])
    (tmp_path / "Test" / "0" / "README.txt").write_text("no recording")
    order = [(0, "00003"), (1, "00002"), (9, "00001"), (1, "00010")]
    data = opened(tmp_path, DIGITS)
    check_samples(data, [events[key] for key in order], [0, 1, 9, 1])
    assert (data.kind, data.split, data.names, data.take.sensor) == ("nmnist", "test", (), SMALL)
    assert opened(tmp_path / "Test", DIGITS).split is None
    assert opened(tmp_path, DIGITS, split="train", limit=2).labels.tolist() == [0, 0]
    assert evaluate(DIGITS, data).program["smoothed"].argmax(axis=1).tolist() == [0, 1, 9, 1]


def test_folders_called_by_classes(tmp_path: Path) -> None:
    for label, name in enumerate(("car", "bike", "dog")):
        write_npz(tmp_path / "data" / name / "a.npz", recording(label, SMALL))
    how = Binning(sensor=SMALL)
    by_name = opened(tmp_path / "data", events=how)
    assert (by_name.names, by_name.labels.tolist(), by_name.kind) == (("bike", "car", "dog"), [0, 1, 2], "events")
    (tmp_path / "classes.txt").write_text("car\nbike\ndog\n")
    listed = opened(tmp_path / "data", events=how, classes=tmp_path / "classes.txt")
    check_samples(listed, [recording(label, SMALL) for label in range(3)], [0, 1, 2])
    (tmp_path / "classes.txt").write_text("car\nbus\n")
    (tmp_path / "data" / "car").rename(tmp_path / "data" / "12345678901234567890")
    assert opened(tmp_path / "data", events=how).names == ("12345678901234567890", "bike", "dog")
    call = lambda: opened(tmp_path / "data", events=how, classes=tmp_path / "classes.txt")  # noqa: E731
    assert refused(call) == ["R020"] * 3


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ("", "the first line is not class,startTime_usec,endTime_usec"),
        ("class,start,end\n1,0,9\n", "the first line is not class,startTime_usec,endTime_usec"),
        ("class,startTime_usec,endTime_usec\n", "the recording has no labels"),
        ("class,startTime_usec,endTime_usec\n12,0,9\n", "there is no class 12"),
        ("class,startTime_usec,endTime_usec\n1,0,9\n\n1,9,9\n", "a gesture from 9 to 9 µs"),
        ("class,startTime_usec,endTime_usec\n1,x,9\n", "invalid literal for int()"),
        ("class,startTime_usec,endTime_usec\n1,5\n", "not enough values"),
        ("class,startTime_usec,endTime_usec\n1,5,9223372036854775808\n", "a gesture from 5 to"),
        (f"class,startTime_usec,endTime_usec\n1,5,{'1' * 200_000}\n", "field larger than field limit"),
    ],
)
def test_wrong_labels_are_refused_by_line(labels: str, why: str, tmp_path: Path) -> None:
    write_gestures(tmp_path, {"user01_lab": [1], "user02_lab": [2]})
    (tmp_path / "user01_lab_labels.csv").write_text(labels)
    (tmp_path / "user02_lab.aedat").unlink()
    with pytest.raises(NmcError) as caught:
        opened(tmp_path)
    assert codes_of(caught) == ["R021", "R021"]
    assert "user01_lab_labels.csv" in str(caught.value) and why in str(caught.value)
    assert "user02_lab.aedat" in str(caught.value)


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "trials_to_test.txt").write_text("\n")
    write_npz(tmp_path / "npz" / "0" / "a.npz", recording(0, SMALL))
    (tmp_path / "npz" / "1").mkdir()
    write_bin(tmp_path / "split" / "Train" / "0" / "a.bin", recording(0, SMALL))
    person = tmp_path / "persons" / "user01_led"
    person.mkdir(parents=True)
    np.save(person / "wave.npy", np.zeros((3, 4)))
    (tmp_path / "empty").mkdir()
    how = Binning(sensor=SMALL)
    assert refused(lambda: opened(tmp_path / "trials")) == ["R021"]
    assert refused(lambda: opened(tmp_path / "npz")) == ["R020"]  # no --sensor
    assert refused(lambda: opened(tmp_path / "npz", events=how)) == ["R021"]  # class 1 is empty
    assert refused(lambda: opened(tmp_path / "npz", events=how, split="test")) == ["R021"]
    assert refused(lambda: opened(tmp_path / "split")) == ["R021"]  # no test half
    assert refused(lambda: opened(tmp_path / "persons")) == ["R021"]
    assert refused(lambda: opened(tmp_path / "empty")) == ["R020"]  # as frames without a list
    assert refused(lambda: opened(tmp_path / "empty", kind="nmnist")) == ["R021"]
    assert refused(lambda: subfolders(tmp_path / "no")) == ["R021"]
    assert refused(lambda: opened(tmp_path / "npz", places(shape=(2, H, W), axis=-1), events=how)) == ["R021"]
    write_npz(tmp_path / "npz" / "1" / "a.npz", recording(1, SMALL))
    assert refused(lambda: opened(tmp_path / "npz", events=how, scale=2.0)) == ["R020"]
    labels = tmp_path / "labels.csv"
    labels.write_text("0;a\n")
    assert refused(lambda: opened(tmp_path / "npz", events=how, labels=labels)) == ["R020"]
    np.savez(tmp_path / "x.npz", events=np.zeros((1, FRAMES, 2, H, W)), y=[0])
    assert isinstance(open_labelled(tmp_path / "x.npz", PROGRAM, kind="npz"), LabelledArrays)
    for more in ({"split": "test"}, {"events": how}, {"kind": "dvs128"}):
        assert refused(lambda more=more: open_labelled(tmp_path / "x.npz", PROGRAM, **more)) == ["R020"]


def test_all_damaged_recordings_of_a_part_are_told(tmp_path: Path) -> None:
    write_gestures(tmp_path, {"user01_led": [1, 2], "user02_led": [3], "user03_led": [4]})
    whole = (tmp_path / "user01_led.aedat").read_bytes()
    (tmp_path / "user01_led.aedat").write_bytes(whole[:-1])
    (tmp_path / "user03_led_labels.csv").write_text("class,startTime_usec,endTime_usec\n4,300000,400000\n")
    data = opened(tmp_path)
    assert refused(lambda: data.read(0, 4)) == ["R002", "R005"]
    (tmp_path / "user01_led.aedat").write_bytes(whole)
    assert len(data.read(0, 3)["events"]) == 3
    narrow = opened(tmp_path, events=Binning(sensor=(64, 128)), limit=3)
    assert refused(lambda: narrow.read(0, 3)) == ["R005"] * 3
    (tmp_path / "user02_led.aedat").unlink()
    assert refused(lambda: data.read(0, 4)) == ["R001", "R005"]


# --- evaluation ---


@pytest.fixture
def gestures(tmp_path: Path) -> tuple[Path, Path]:
    """A program file, and recordings of all gestures of which the last two say they are each other."""
    save(PROGRAM, tmp_path / "p.nmc")
    write_gestures(tmp_path / "data", {"user01_led": [*range(6)], "user02_led": [*range(6, CLASSES)]})
    labels = tmp_path / "data" / "user02_led_labels.csv"
    labels.write_text(labels.read_text().replace("\n10,", "\nx,").replace("\n11,", "\n10,").replace("\nx,", "\n11,"))
    return tmp_path / "p.nmc", tmp_path / "data"


def test_recordings_are_evaluated(gestures: tuple[Path, Path], tmp_path: Path) -> None:
    plot = tmp_path / "out.png"
    done = nmc(gestures[0], "--data", gestures[1], "--confusion", "--confusion-plot", plot)
    assert done.exit_code == 0, done.output
    words = "test recordings (dvs128): 5 frames with equally many events each; 1 where an event fell; 128x128 to 6x4"
    assert words in done.output and "air guitar" in done.output and f"written: {plot}" in done.output
    assert plot.read_bytes().startswith(b"\x89PNG") and len(plot.read_bytes()) > 5000
    facts = json.loads(nmc(gestures[0], "--data", gestures[1], "--confusion", "--json").stdout)
    wanted = np.eye(CLASSES, dtype=int)[[*range(9), 10, 9]]
    assert facts["confusion"] == wanted.tolist()
    assert [row["program"] for row in facts["by_class"]] == [1.0] * 9 + [0.0] * 2
    options = ("--window", 20, "--values", "count", "--polarity", "on-off", "--split", "test", "--limit", 3)
    facts = json.loads(nmc(gestures[0], "--data", gestures[1], *options, "--json").stdout)
    assert facts["samples"] == 3 and facts["events"] == {
        "format": "dvs128",
        "split": "test",
        "sensor": "128x128",
        "frames": 5,
        "size": "6x4",
        "bins": "window",
        "window_us": 20000,
        "values": "count",
        "resize": "move",
        "polarity": "on-off",
    }


def test_parts_and_resumed_ones_are_the_same(gestures: tuple[Path, Path], tmp_path: Path) -> None:
    data = opened(gestures[1])
    whole = evaluate(PROGRAM, data)
    for resumed in (0, 4):
        (found,) = evaluate_in_parts([Job(gestures[0], data)], part=3, resume=tmp_path / "parts")
        assert (found.parts, found.resumed) == (4, resumed)
        for rule in whole.rules:
            assert np.array_equal(found.evaluation.program[rule], whole.program[rule])
    assert data.digest() != opened(gestures[1], events=Binning(values="count")).digest()
    before = data.digest()
    (gestures[1] / "user01_led.aedat").touch()
    assert data.digest() != before


@pytest.mark.slow
def test_workers_read_recordings(gestures: tuple[Path, Path]) -> None:
    base = (gestures[0], "--data", gestures[1], "--confusion", "--json")
    alone, shared = (json.loads(nmc(*base, *more).stdout) for more in ((), ("--workers", 2, "--part", 3)))
    assert shared.pop("parts") == 4 and shared.pop("resumed") == 0
    assert shared == alone


def test_wrong_options_of_recordings(gestures: tuple[Path, Path], tmp_path: Path) -> None:
    base = (gestures[0], "--data", gestures[1])
    check_fails(nmc(*base, "--window", 5, "--bins", "time"), 2, "--window takes the place of --bins")
    check_fails(nmc(*base, "--sensor", "12"), 2, "WIDTHxHEIGHT")
    check_fails(nmc(*base, "--sensor", "64x128"), 4, "NMC-R005", "lie outside 64x128 pixels")
    check_fails(nmc(*base, "--confusion-plot", tmp_path / "x.txt"), 2, "NMC-R076")
    check_fails(nmc(*base, "--scale", 2), 2, "NMC-R020", "recordings of an event camera")
    check_fails(nmc(*base, "--format", "npz"), 4)
    check_fails(nmc(*base, "--split", "train"), 4, "NMC-R001", "trials_to_train.txt")


# --- data sets that are objects ---


class Objects:
    """The structure of a data set of tonic: a sequence, targets, sensor_size, classes, transforms."""

    dtype = np.dtype([("x", np.int16), ("y", np.int16), ("p", bool), ("t", np.int64)])
    sensor_size = (34, 34, 2)
    classes: tuple[str, ...] = ("0 - zero", "1 - one", "2 - two")
    target_transform: Any = None

    def __init__(self, labels: list[int]):
        self.targets = labels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        events = recording(self.targets[index], SMALL, seed=index)
        made = np.zeros(len(events), self.dtype)
        made["x"], made["y"], made["p"], made["t"] = events.x, events.y, events.on, events.t
        return made, self.targets[index]


def test_objects_like_those_of_tonic(tmp_path: Path) -> None:
    program, labels = places(3), [0, 2, 1, 1, 0]
    data = from_objects(Objects(labels), program)
    assert isinstance(data, EventObjects) and data.names == Objects.classes
    events = [recording(label, SMALL, seed=i) for i, label in enumerate(labels)]
    wanted = np.stack([event_frames(e, Binning(), SMALL, FRAMES, (H, W)).transpose(0, 3, 1, 2) for e in events])
    assert np.array_equal(data.read(0, 5)["events"], wanted)
    piece = sent(data.cut(1, 4).cut(1, 3))
    assert piece.labels.tolist() == [1, 1] and np.array_equal(piece.read(0, 2)["events"], wanted[2:4])
    assert evaluate(program, data).program["smoothed"].argmax(axis=1).tolist() == labels
    save(program, tmp_path / "p.nmc")
    (found,) = evaluate_in_parts([Job(tmp_path / "p.nmc", data)], part=2, resume=tmp_path / "parts")
    assert np.array_equal(found.evaluation.program["smoothed"], evaluate(program, data).program["smoothed"])
    assert from_objects(Objects([0, 1, 2]), program, limit=2).digest() != data.digest()


def test_labels_of_objects_are_those_of_their_items_if_they_change_them() -> None:
    class Turned(Objects):
        target_transform = staticmethod(lambda label: 2 - label)

        def __getitem__(self, index: int) -> tuple[Any, int]:
            events, label = super().__getitem__(index)
            return events, 2 - label

    assert from_objects(Turned([0, 2, 1]), places(3)).labels.tolist() == [2, 0, 1]
    data: Any = Objects([])
    data.targets = np.array([1, 0, 2])
    assert from_objects(data, places(3), limit=2).labels.tolist() == [1, 0]
    assert from_objects(Objects([]), places(3)).labels.tolist() == []
    pairs: Any = [(SimpleNamespace(), 1), (SimpleNamespace(), 0)]
    assert from_objects(pairs, places(3), how=Binning(sensor=SMALL)).labels.tolist() == [1, 0]


def test_objects_that_hold_no_events() -> None:
    frames: Any = [(np.zeros((2, 34, 34)), 1)]
    data = from_objects(frames, places(3), how=Binning(sensor=SMALL))
    assert refused(lambda: data.read(0, 1)) == ["R005"]
    assert refused(lambda: from_objects(frames, places(3))) == ["R020"]
    words: Any = [(np.zeros(3, Objects.dtype), "wave")]
    assert refused(lambda: from_objects(words, places(3), how=Binning(sensor=SMALL))) == ["R020"]
    short: Any = [(np.zeros(3, Objects.dtype), 0)]
    assert refused(lambda: from_objects(short, places(3), how=Binning(sensor=SMALL)).read(0, 1)) == ["R005"]


def test_recordings_of_40_bits_play_live(tmp_path: Path) -> None:
    events = recording(1, SMALL)
    clip = open_clip(write_bin(tmp_path / "a.bin", events), view_of(PROGRAM), sensor=Sensor(34, 34, 25_000))
    count = int((events.t.max() - events.t.min()) // 25_000) + 1
    wanted = event_frames(events, Binning(window=25_000), SMALL, count, (H, W)).transpose(0, 3, 1, 2)
    assert clip.count == count and np.array_equal(np.stack(list(clip.frames)), wanted)

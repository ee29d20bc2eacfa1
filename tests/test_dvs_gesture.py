"""The DVS128 Gesture example: AEDAT 3.1 files, labels, frames; the network has the published size."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "examples" / "dvs_gesture"
sys.path[:0] = [str(ROOT / "examples")]
sys.path.append(str(FOLDER))  # last: other examples have a recordings.py too

from dvs_gesture import network, recordings, synthetic  # noqa: E402

from nmc.runtime import aedat  # noqa: E402
from nmc.runtime.aedat import AedatError, Events, read_events  # noqa: E402

HEADER = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 0: DVS128\r\n#Start-Time: 2017-01-01 00:00:00\r\n#!END-HEADER\r\n"
PACKETS = (
    [(5, 1, 2, True), (6, 127, 0, False)],
    [(7, 0, 127, False), (7, 3, 4, True), (1 << 30, 5, 6, True)],
)


def packet(kind: int, size: int, body: bytes, number: int, overflow: int = 0, capacity: int | None = None) -> bytes:
    capacity = number if capacity is None else capacity
    return np.array([(kind, 0, size, 4, overflow, capacity, number, number)], aedat.PACKET).tobytes() + body


def polarity(events: list[tuple[int, int, int, bool]], overflow: int = 0, valid: int = 1, spare: int = 0) -> bytes:
    """A packet of polarity events (t, x, y, on), with room for `spare` more."""
    words = [(x << 17 | y << 2 | on << 1 | valid, t) for t, x, y, on in events] + [(0, 0)] * spare
    return packet(1, 8, np.array(words, "<u4").tobytes(), len(events), overflow, len(words))


def written(path: Path, *packets: bytes, header: bytes = HEADER) -> Path:
    path.write_bytes(header + b"".join(packets))
    return path


def rows(events: Events) -> list[tuple[int, int, int, bool]]:
    return list(zip(events.t.tolist(), events.x.tolist(), events.y.tolist(), events.on.tolist(), strict=True))


def test_polarity_events_of_several_packets(tmp_path: Path) -> None:
    other = [packet(0, 8, b"\xff" * 16, 2), packet(2, 36, b"\1" * 36, 1), packet(3, 36, b"", 0)]
    path = written(tmp_path / "a.aedat", polarity(PACKETS[0]), *other, polarity(PACKETS[1], overflow=3, spare=2))
    later = [(3 * 2**31 + t, x, y, on) for t, x, y, on in PACKETS[1]]
    events = read_events(path)
    assert rows(events) == [*PACKETS[0], *later]
    assert (events.t.dtype, events.x.dtype, events.on.dtype) == (np.int64, np.int16, np.bool_)
    assert rows(events.between(6, later[2][0])) == [PACKETS[0][1], *later[:2]]


def test_events_marked_invalid_are_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.aedat", polarity(PACKETS[1], valid=0), polarity(PACKETS[0]))
    assert rows(read_events(path)) == PACKETS[0]


def test_a_recording_without_events(tmp_path: Path) -> None:
    assert len(read_events(written(tmp_path / "a.aedat"))) == 0
    assert len(read_events(written(tmp_path / "b.aedat", packet(2, 36, b"\1" * 36, 1)))) == 0


GOOD = polarity(PACKETS[0])
SECOND = len(HEADER + GOOD)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"#!AER-DAT2.0\r\n" + HEADER[14:] + GOOD, "not an AEDAT 3.1 file, it starts with b'#!AER-DAT2.0"),
        (HEADER[:-16] + GOOD, "the header has no end"),
        (b"#!AER-DAT3.1\r\nFormat: RAW\r\n#!END-HEADER\r\n", "line 2 of the header does not start with #"),
        (HEADER + GOOD + GOOD[:20], f"byte {SECOND}: the file is cut off inside a packet header"),
        (
            HEADER + GOOD + GOOD[:-3],
            f"byte {SECOND}: the file is cut off: a packet of 16 bytes, 13 are left",
        ),
        (HEADER + packet(14, 8, b"", 0), "there is no event type 14"),
        (HEADER + packet(-1, 8, b"", 0), "there is no event type -1"),
        (HEADER + packet(1, 8, b"", -1), "impossible packet: -1 of -1 events"),
        (HEADER + packet(1, 8, b"\0" * 8, 2, capacity=1), "impossible packet: 2 of 1 events of 8 bytes"),
        (HEADER + packet(0, 0, b"", 4), "impossible packet: 4 of 4 events of 0 bytes"),
        (HEADER + packet(1, 8, b"", 0, overflow=-1), "overflow -1"),
        (HEADER + packet(1, 12, b"\0" * 12, 1), "polarity events of 12 bytes"),
        (HEADER + packet(1, 8, b"\1\0\0\0\0\0\0\xff", 1), "negative times of events"),
        (HEADER + packet(2, 2**31 - 1, b"", 2**31 - 1), "the file is cut off: a packet of 4611686014132420609 bytes"),
    ],
)
def test_damaged_recordings_are_refused_by_name(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "user01.aedat"
    path.write_bytes(content)
    with pytest.raises(AedatError) as caught:
        read_events(path)
    assert str(caught.value).startswith(f"{path}")
    assert message in str(caught.value)


def test_every_cut_is_an_error_or_between_packets(tmp_path: Path) -> None:
    whole = HEADER + GOOD + GOOD
    borders = {len(HEADER): 0, len(HEADER + GOOD): 2, len(whole): 4}
    for length in range(len(whole) + 1):
        path = tmp_path / "cut.aedat"
        path.write_bytes(whole[:length])
        if length in borders:
            assert len(read_events(path)) == borders[length]
        else:
            with pytest.raises(AedatError):
                read_events(path)


# --- the folder ---

LABELS = "class,startTime_usec,endTime_usec\n2,0,100\n11,100,200\n"


def recording_of(folder: Path, name: str = "user01_lab", labels: str = LABELS) -> Path:
    events = [(t, t % 128, 3, t % 2 == 0) for t in range(0, 200, 5)]
    (folder / f"{name}_labels.csv").write_text(labels)
    return written(folder / f"{name}.aedat", polarity(events[:7]), polarity(events[7:]))


def test_a_folder_of_recordings_becomes_samples(tmp_path: Path) -> None:
    first, second = recording_of(tmp_path), recording_of(tmp_path, "user02_led")
    (tmp_path / "trials_to_train.txt").write_text("user02_led.aedat\r\nuser01_lab.aedat\r\n\r\n")
    (tmp_path / "trials_to_test.txt").write_text("user01_lab.aedat")
    assert recordings.recordings(tmp_path, "train") == [second, first]
    assert recordings.recordings(tmp_path, "test") == [first]
    parts = list(recordings.samples(first))
    assert [label for _, label in parts] == [recordings.Label(1, 0, 100), recordings.Label(10, 100, 200)]
    assert [(events.t[0], events.t[-1], len(events)) for events, _ in parts] == [(0, 95, 20), (100, 195, 20)]
    frames, gestures = recordings.load(tmp_path, "train", limit=3)
    assert (frames.shape, frames.dtype, gestures.tolist()) == ((3, 10, 2, 63, 63), np.float32, [1, 10, 1])
    assert len(recordings.load(tmp_path, "test")[0]) == 2


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("", "the first line is not class,startTime_usec,endTime_usec"),
        ("class,start,end\n1,0,9\n", "the first line is not class,startTime_usec,endTime_usec"),
        ("class,startTime_usec,endTime_usec\n12,0,9\n", "line 2: there is no class 12"),
        ("class,startTime_usec,endTime_usec\n1,0,9\n\n1,9,9\n", "line 4: a gesture from 9 to 9 µs"),
        ("class,startTime_usec,endTime_usec\n1,x,9\n", "line 2: invalid literal for int()"),
        ("class,startTime_usec,endTime_usec\n1,5\n", "line 2: not enough values"),
        (LABELS + "1,200,300\n", "0 events from 200 to 300 µs"),
    ],
)
def test_wrong_labels_are_refused_by_line(labels: str, message: str, tmp_path: Path) -> None:
    recording = recording_of(tmp_path, labels=labels)
    with pytest.raises(recordings.DataError) as caught:
        list(recordings.samples(recording))
    assert "user01_lab" in str(caught.value) and message in str(caught.value)


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(recordings.DataError, match=r"trials_to_test\.txt"):
        recordings.recordings(tmp_path, "test")
    recording_of(tmp_path)
    (tmp_path / "trials_to_test.txt").write_text("user01_lab.aedat\nuser03.aedat\n")
    with pytest.raises(recordings.DataError) as caught:
        recordings.recordings(tmp_path, "test")
    assert str(caught.value) == f"missing: {tmp_path / 'user03.aedat'}, {tmp_path / 'user03_labels.csv'}"
    (tmp_path / "trials_to_test.txt").write_text("\n")
    with pytest.raises(recordings.DataError, match="no sample is listed for test"):
        recordings.load(tmp_path, "test")


# --- frames ---


def events_at(*places: tuple[int, int, bool]) -> Events:
    x, y, on = zip(*places, strict=True)
    return Events(np.arange(len(x)), np.array(x, np.int16), np.array(y, np.int16), np.array(on))


def test_frames_count_equal_numbers_of_events() -> None:
    events = events_at((1, 2, True), (1, 2, True), (0, 0, False), (3, 4, True), (3, 4, False), (3, 4, False), (5, 6, 1))
    counts = recordings.count_frames(events, 3)
    assert counts.shape == (3, 2, 128, 128)
    assert counts.sum((1, 2, 3)).tolist() == [2, 2, 3]
    assert counts[0, 1, 2, 1] == 2
    assert (counts[1, 0, 0, 0], counts[1, 1, 4, 3]) == (1, 1)
    assert (counts[2, 0, 4, 3], counts[2, 1, 6, 5]) == (2, 1)


def test_frames_need_events_on_the_sensor() -> None:
    with pytest.raises(ValueError, match="2 events do not fill 3 frames"):
        recordings.count_frames(events_at((1, 1, True), (1, 1, True)), 3)
    for place in ((128, 0, True), (0, 128, True)):
        with pytest.raises(ValueError, match="outside the 128×128 pixels"):
            recordings.count_frames(events_at(place), 1)


def test_resized_images_by_hand() -> None:
    image = np.array([[1, 3, 0, 0], [5, 7, 0, 2], [0, 0, 8, 8], [4, 0, 8, 8]])
    assert recordings.resize(image, 2).tolist() == [[4, 0.5], [1, 8]]
    assert recordings.resize(np.array([[0, 16], [32, 48]]), 4).tolist() == [
        [0, 4, 12, 16],
        [8, 12, 20, 24],
        [24, 28, 36, 40],
        [32, 36, 44, 48],
    ]
    one = np.zeros((5, 5))
    one[0, 3] = 16
    assert recordings.resize(one, 2).tolist() == [[0, 3], [0, 0]]  # rows 1/4 and 3/4, columns 3/4 and 1/4


def test_resize_is_that_of_torch() -> None:
    counts = np.random.default_rng(0).integers(0, 5, (2, 2, 128, 128)).astype(np.float64)
    wanted = torch.nn.functional.interpolate(torch.from_numpy(counts), size=(63, 63), mode="bilinear")
    np.testing.assert_allclose(recordings.resize(counts, 63), wanted.numpy(), rtol=0, atol=1e-12)


def test_a_pixel_is_on_where_one_of_its_four_events_is() -> None:
    frames = recordings.binary_frames(events_at((63, 64, True), (0, 0, False), (2, 2, True)), frames=1)
    assert frames.shape == (1, 2, 63, 63)
    assert np.argwhere(frames[0, 1]).tolist() == [[1, 1], [31, 31]]
    assert np.argwhere(frames[0, 0]).tolist() == [[0, 0]]
    assert set(np.unique(frames).tolist()) == {0.0, 1.0}
    # The outputs next to the middle lie between the pixels 61, 62 and 65, 66.
    assert np.argwhere(recordings.binary_frames(events_at((62, 65, True)), frames=1)[0, 1]).tolist() == [[32, 30]]


# --- simulated gestures, the network ---


def test_simulated_gestures_are_reproducible_and_all_different() -> None:
    frames, gestures = synthetic.load(22, seed=0)
    again, _ = synthetic.load(22, seed=0)
    assert np.array_equal(frames, again)
    assert gestures.tolist() == [*range(11), *range(11)]
    assert len({frame.tobytes() for frame in frames}) == 22
    for gesture in range(11):
        events = synthetic.gesture_events(gesture, np.random.default_rng(gesture))
        assert len(events) > 2000 and (np.diff(events.t) >= 0).all()


@pytest.mark.parametrize(
    ("factory", "images", "neurons", "synapses"),
    [
        ("dvs_gesture", [30, 13, 5], 109_615, 53_311_004),
        ("dvs_gesture_3x3", [31, 15, 7], 123_715, 26_988_804),
        ("narrow", [30, 13, 5], 8_843, 681_888),
    ],
)
def test_the_network_has_the_published_size(factory: str, images: list[int], neurons: int, synapses: int) -> None:
    torch.set_num_threads(1)
    made = getattr(network, factory)().layers
    sizes: list[int] = []
    fans = 0
    value = torch.zeros(1, 1, 2, 63, 63)
    with torch.no_grad():
        for module in made:
            value = module(value)
            if type(module).__name__ == "IFNode":
                sizes.append(value.numel())
                assert (module.v_threshold, module.v_reset) == (1.0, 0.0)
            elif hasattr(module, "weight"):
                fans += value.numel() * module.weight[0].numel()
                assert module.bias is None
    channels = made[0].out_channels
    assert sizes[:3] == [channels * image**2 for image in images]
    assert sizes[-1] == 11
    assert (sum(sizes), fans) == (neurons, synapses)

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
from nmc.runtime.program import NmcError  # noqa: E402

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


# --- frames as the network takes them ---


def events_at(*places: tuple[int, int, bool]) -> Events:
    """Ten events at each place, one for each frame."""
    x, y, on = zip(*places * recordings.FRAMES, strict=True)
    return Events(np.arange(len(x)), np.array(x, np.int16), np.array(y, np.int16), np.array(on))


def test_a_folder_of_recordings_becomes_samples(tmp_path: Path) -> None:
    events = [(t, t % 128, 3, t % 2 == 0) for t in range(0, 200, 5)]
    (tmp_path / "user01_lab_labels.csv").write_text("class,startTime_usec,endTime_usec\n2,0,100\n11,100,200\n")
    written(tmp_path / "user01_lab.aedat", polarity(events[:7]), polarity(events[7:]))
    (tmp_path / "trials_to_train.txt").write_text("user01_lab.aedat\r\n\r\n")
    frames, gestures = recordings.load(tmp_path, "train")
    assert (frames.shape, frames.dtype, gestures.tolist()) == ((2, 10, 2, 63, 63), np.float32, [1, 10])
    parts = [Events(*map(np.array, zip(*part, strict=True))) for part in (events[:20], events[20:])]
    assert all(np.array_equal(a, recordings.binary_frames(part)) for a, part in zip(frames, parts, strict=True))
    assert len(recordings.load(tmp_path, "train", limit=1)[0]) == 1
    (tmp_path / "user01_lab_labels.csv").write_text("class,startTime_usec,endTime_usec\n2,0,100\n11,200,300\n")
    with pytest.raises(NmcError, match=r"user01_lab\.aedat, 200 to 300 µs"):
        recordings.load(tmp_path, "train")


def test_a_pixel_is_on_where_one_of_its_four_events_is() -> None:
    frames = recordings.binary_frames(events_at((63, 64, True), (0, 0, False), (2, 2, True)))
    assert frames.shape == (10, 2, 63, 63) and all(np.array_equal(frame, frames[0]) for frame in frames)
    assert np.argwhere(frames[0, 1]).tolist() == [[1, 1], [31, 31]]
    assert np.argwhere(frames[0, 0]).tolist() == [[0, 0]]
    assert set(np.unique(frames).tolist()) == {0.0, 1.0}
    # The outputs next to the middle lie between the pixels 61, 62 and 65, 66.
    assert np.argwhere(recordings.binary_frames(events_at((62, 65, True)))[0, 1]).tolist() == [[32, 30]]


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

"""The clips that `nmc live` takes: arrays, images, GIFs, videos, events; and files that are none."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_dvs_gesture import packet, polarity, written

from nmc.cli.live.clips import open_clip
from nmc.cli.live.events import Sensor
from nmc.cli.live.view import View
from nmc.runtime.program import NmcError
from nmc.runtime.scaling import Scaling

GREY = View("clip", (1, 4, 6, 8), 2, "CHW", 6, 8, 1)
COLOUR = View("image", (3, 6, 8), -1, "CHW", 6, 8, 3)
EVENTS = View("events", (4, 2, 6, 8), 1, "CHW", 6, 8, 2)


def codes(run: Any) -> list[str]:
    with pytest.raises(NmcError) as caught:
        run()
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def pictures(count: int, size: tuple[int, int] = (8, 6)) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), np.uint8)).quantize(256) for _ in range(count)]


def test_a_gif_and_a_folder_of_its_images_are_the_same_clip(tmp_path: Path) -> None:
    images = pictures(5, (12, 9))
    images[0].save(tmp_path / "x.gif", save_all=True, append_images=images[1:], duration=40)
    (tmp_path / "x").mkdir()
    for index, image in enumerate(images):
        image.save(tmp_path / "x" / f"{index:03}.png")
    for view in (GREY, COLOUR):
        gif, plain = open_clip(tmp_path / "x.gif", view, Scaling(51.0)), open_clip(tmp_path / "x", view, Scaling(51.0))
        assert gif.count == plain.count == 5 and (gif.low, gif.high) == (plain.low, plain.high) == (0, 5)
        frames, others = np.stack(list(gif.frames)), np.stack(list(plain.frames))
        assert frames.shape == (5, *view.frame_shape) and frames.max() <= 5 and len(np.unique(frames)) > 50
        np.testing.assert_array_equal(frames, others)
    single = open_clip(tmp_path / "x" / "002.png", COLOUR, Scaling(51.0))
    np.testing.assert_array_equal(next(single.frames), others[2])
    assert single.count == 1


def test_events_fall_into_windows(tmp_path: Path) -> None:
    """(time, x, y, brighter) on 16x12 pixels, windows of 10 µs after the first event."""
    events = [(100, 0, 0, 1), (109, 15, 11, 0), (110, 3, 2, 1), (131, 2, 11, 1), (131, 3, 11, 1)]
    path = written(tmp_path / "x.aedat", polarity(events), packet(2, 36, b"\1" * 36, 1))
    clip = open_clip(path, EVENTS, sensor=Sensor(16, 12, 10))
    frames = np.stack(list(clip.frames))
    assert clip.count == 4 and frames.shape == (4, 2, 6, 8) and frames.sum() == 4
    assert [tuple(map(int, where)) for where in np.argwhere(frames)] == [
        (0, 0, 5, 7),
        (0, 1, 0, 0),
        (1, 1, 1, 1),
        (3, 1, 5, 1),
    ]
    turned = open_clip(path, replace(EVENTS, on=0), sensor=Sensor(16, 12, 10))
    assert np.array_equal(np.stack(list(turned.frames)), frames[:, ::-1])
    assert codes(lambda: open_clip(path, EVENTS, sensor=Sensor(15, 12, 10))) == ["NMC-R005"]
    assert codes(lambda: open_clip(path, GREY)) == ["NMC-R005"]
    path.write_bytes(path.read_bytes()[:-3])
    assert codes(lambda: open_clip(path, EVENTS)) == ["NMC-R002"]
    assert codes(lambda: open_clip(written(path), EVENTS)) == ["NMC-R005"]
    assert codes(lambda: open_clip(tmp_path / "no.aedat", EVENTS)) == ["NMC-R001"]


class Container:
    """What PyAV gives for a video with these pictures."""

    def __init__(self, images: list[Image.Image]):
        self.images = images
        self.streams = SimpleNamespace(video=[SimpleNamespace(frames=0)])

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *details: object) -> None:
        self.images = []

    def decode(self, video: int) -> Any:
        assert video == 0
        yield from (SimpleNamespace(to_image=lambda image=image: image.convert("RGB")) for image in self.images)
        if len(self.images) == 3:
            raise ValueError("the file is cut off")


def test_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"\0")
    monkeypatch.setitem(sys.modules, "av", None)
    assert codes(lambda: open_clip(path, COLOUR)) == ["NMC-R022"]
    images = pictures(3)
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=lambda name, format: Container(images[:2])))
    clip = open_clip(path, COLOUR)
    frames = list(clip.frames)
    assert clip.count is None and len(frames) == 2
    expected = np.asarray(images[1].convert("RGB"), np.float32) / np.float32(255)
    np.testing.assert_array_equal(frames[1], expected.transpose(2, 0, 1))
    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=lambda name, format: Container(images)))
    assert codes(lambda: list(open_clip(path, COLOUR).frames)) == ["NMC-R021"]

    def refuse(name: str, format: None) -> Container:
        raise ValueError("no video")

    monkeypatch.setitem(sys.modules, "av", SimpleNamespace(open=refuse))
    assert codes(lambda: open_clip(path, COLOUR)) == ["NMC-R021"]


def test_arrays_that_are_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"

    def saved(**arrays: Any) -> Path:
        np.savez(path, **arrays)
        return path

    good = np.zeros((1, 9, 6, 8))
    assert open_clip(saved(clip=good), GREY).count == 9
    assert open_clip(saved(other=np.stack([good, good]), y=np.zeros(2, int)), GREY, sample=1).count == 9
    assert codes(lambda: open_clip(path, GREY, sample=2)) == ["NMC-R005"]
    for arrays, code in (
        ({"a": good, "b": good}, "NMC-R004"),
        ({"clip": good[:, :, :5]}, "NMC-R005"),
        ({"clip": good[0, 0]}, "NMC-R005"),
        ({"clip": good[:, :0]}, "NMC-R005"),
        ({"clip": np.full((1, 9, 6, 8), np.nan)}, "NMC-R007"),
        ({"clip": good.astype(complex)}, "NMC-R006"),
    ):
        assert codes(lambda arrays=arrays: open_clip(saved(**arrays), GREY)) == [code], arrays.keys()


def test_files_that_are_no_clip(tmp_path: Path) -> None:
    for name in ("x.gif", "x.png", "x.npy", "x.mp4"):
        assert codes(lambda name=name: open_clip(tmp_path / name, COLOUR)) == ["NMC-R001"], name
    for name, code in (("x.gif", "NMC-R021"), ("x.png", "NMC-R021"), ("x.npy", "NMC-R002"), ("x.txt", "NMC-R002")):
        (tmp_path / name).write_bytes(b"GIF89a but not quite")
        assert codes(lambda name=name: list(open_clip(tmp_path / name, COLOUR).frames)) == [code], name
    assert codes(lambda: open_clip(tmp_path / "x.gif", EVENTS)) == ["NMC-R005"]
    assert codes(lambda: open_clip(tmp_path, EVENTS)) == ["NMC-R005"]
    (tmp_path / "none").mkdir()
    assert codes(lambda: open_clip(tmp_path / "none", COLOUR)) == ["NMC-R021"]

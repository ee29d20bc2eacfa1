"""Folders of frames: layouts, sizes, lists of labels, evaluation of them, and all that can be wrong with them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_akida_reference import Build, f32, i8
from test_akida_session import video
from test_evaluate import CLIPS, check_fails, codes_of, digits, load_split, nmc, saved

from nmc.runtime.evaluate import evaluate
from nmc.runtime.frames import FrameFolders, chosen, open_frames
from nmc.runtime.labelled import LabelledArrays, open_labelled
from nmc.runtime.program import AkidaProgram, GraphInput, GraphOutput, NmcError, Timing, save

H, W, FRAMES = 4, 6, 5
LABELS = ("dark", "bright")


def shades(order: str, channels: int, shape: tuple[int, ...], axis: int) -> AkidaProgram:
    """Two classes, dark and bright: minus and plus the sum of the pixels, which are coded as −128 … 127, a frame."""
    weights = np.repeat(i8(-1, 1)[None], H * W * channels, axis=0)
    build = Build().data("in", (H, W, channels), input_bits=8, input_signed=True)
    build.add("fc", "Dense1D", "in", variables={"weights": weights}, units=2, output_bits=28)
    build.add("y", "Dequantizer", "fc", variables={"scales": f32(1e-3, 1e-3)})
    timing = Timing(0, 1, FRAMES, 1) if axis > 0 else Timing(0)
    given = GraphInput("clip", "in", shape, axis, order, 1 / 255, -128, 8, True)
    return build.program(GraphOutput("scores", "y", (FRAMES, 2) if axis > 0 else (2,), "HWC", timing), inputs=(given,))


def write_clip(folder: Path, frames: Any, suffix: str = ".png") -> None:
    """Frames (n, H, W) or (n, H, W, 3) as 00001.png, …"""
    folder.mkdir(parents=True)
    for number, frame in enumerate(np.asarray(frames, np.uint8), 1):
        Image.fromarray(frame).save(folder / f"{number:05d}{suffix}")


def clip_folder(root: Path, lengths: tuple[int, ...] = (5, 7, 3), channels: int = 3) -> tuple[list[Any], Path]:
    """Folders 1, 2, … with random clips of these lengths, dark and bright in turn, and the list of their labels."""
    rng, clips, lines = np.random.default_rng(0), [], []
    for i, length in enumerate(lengths):
        size = (length, H, W, channels) if channels > 1 else (length, H, W)
        clips.append(rng.integers(0, 120, size) + 120 * (i % 2))
        write_clip(root / str(i + 1), clips[-1])
        lines.append(f"{i + 1};{LABELS[i % 2]}\n")
    (root / "list.csv").write_text("".join(lines))
    return clips, root / "list.csv"


SHADES = shades("CHW", 3, (3, FRAMES, H, W), 2)


def test_a_folder_of_clips_is_evaluated(tmp_path: Path) -> None:
    clip_folder(tmp_path / "data", (5, 7, 3, 5))
    save(SHADES, tmp_path / "p.nmc")
    (tmp_path / "classes.txt").write_text("dark\nbright\n")
    base = (tmp_path / "p.nmc", "--data", tmp_path / "data", "--labels", tmp_path / "data" / "list.csv")
    done = nmc(*base, "--classes", tmp_path / "classes.txt", "--confusion")
    assert done.exit_code == 0, done.output
    assert "1 longer ones were sampled at even spaces, 1 shorter ones repeat their last frame" in done.output
    facts = json.loads(nmc(*base, "--classes", tmp_path / "classes.txt", "--confusion", "--json").stdout)
    assert facts["confusion"] == [[2, 0], [0, 2]]
    assert facts["clips"] == {"frames": 5, "sampled": 1, "repeated": 1}
    assert [row["name"] for row in facts["by_class"]] == ["dark", "bright"]
    by_name = json.loads(nmc(*base, "--json").stdout)  # sorted names: bright is class 0 and the network is always wrong
    assert by_name["rules"]["smoothed"]["program"] == 0
    limited = json.loads(nmc(*base, "--limit", 1, "--json").stdout)
    assert (limited["samples"], limited["clips"]["repeated"]) == (1, 0)


@pytest.mark.parametrize(
    ("order", "shape", "axis", "transposed"),
    [
        ("CHW", (3, FRAMES, H, W), 2, (3, 0, 1, 2)),
        ("HWC", (FRAMES, H, W, 3), 1, (0, 1, 2, 3)),
        ("WHC", (W, H, 3, FRAMES), 4, (2, 1, 3, 0)),
    ],
)
def test_frames_are_laid_out_as_the_network_takes_them(
    tmp_path: Path, order: str, shape: tuple[int, ...], axis: int, transposed: tuple[int, ...]
) -> None:
    clips, labels = clip_folder(tmp_path)
    data = open_frames(tmp_path, labels, shades(order, 3, shape, axis))
    found = data.read(0, 3)["clip"]
    assert found.dtype == np.float32 and found.shape == (3, *shape)
    for clip, made, picked in zip(clips, found, ([0, 1, 2, 3, 4], [0, 2, 3, 4, 6], [0, 1, 2, 2, 2]), strict=True):
        assert np.array_equal(made, (clip[picked] / np.float32(255)).transpose(transposed).astype(np.float32))
    assert np.array_equal(data.read(1, 2)["clip"], found[1:2])
    assert data.labels.tolist() == [1, 0, 1] and data.names == ("bright", "dark")
    assert (data.longer, data.shorter) == (1, 1)
    raw = open_frames(tmp_path, labels, shades(order, 3, shape, axis), scale=1).read(0, 1)["clip"]
    assert np.array_equal(raw[0], clips[0].transpose(transposed))


def test_images_take_the_size_and_colours_of_the_network(tmp_path: Path) -> None:
    write_clip(tmp_path / "1", np.full((5, 2 * H, 3 * W), 77), ".jpg")
    write_clip(tmp_path / "2", np.full((5, H, W, 3), (255, 0, 0)))
    (tmp_path / "list.csv").write_text("1,dark\n2,bright\n")
    colour = open_frames(tmp_path, tmp_path / "list.csv", SHADES, scale=1).read(0, 2)["clip"]
    assert np.unique(colour[0]).tolist() == [77]
    assert [np.unique(channel).tolist() for channel in colour[1]] == [[255], [0], [0]]
    grey = open_frames(tmp_path, tmp_path / "list.csv", shades("HWC", 1, (H, W, FRAMES), 3), scale=1).read(0, 2)["clip"]
    assert (np.unique(grey[0]).tolist(), np.unique(grey[1]).tolist()) == ([77], [76])  # 0.299 · 255


def test_images_on_cri(tmp_path: Path) -> None:
    """Digits as folders of one image each: the same as the arrays they were made of (17 grey levels)."""
    _, _, images, labels = load_split()
    for i in range(12):
        write_clip(tmp_path / f"d{i}", np.rint(images[i] * 240))
    (tmp_path / "list.csv").write_text("".join(f"d{i},{labels[i]}\n" for i in range(12)))
    names = tuple("0123456789")
    done = evaluate(digits(), open_frames(tmp_path, tmp_path / "list.csv", digits(), names, 240))
    expected = evaluate(digits(), LabelledArrays({"image": images[:12]}, labels[:12]))
    assert np.array_equal(done.program["largest"], expected.program["largest"])
    assert np.array_equal(done.labels, expected.labels)


@pytest.mark.parametrize("wanted", [1, 2, 5, 16])
@pytest.mark.parametrize("frames", [1, 2, 5, 16, 37])
def test_chosen_frames_are_evenly_spaced(frames: int, wanted: int) -> None:
    found = chosen(frames, wanted)
    steps = np.diff(found)
    assert len(found) == wanted and found[-1] < frames
    if frames >= wanted:
        assert steps.size == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)
        assert abs(found[0] - (frames - 1 - found[-1])) <= 1
    else:
        assert found == [min(i, frames - 1) for i in range(wanted)]


LISTS = {
    "semicolons": "7;Swiping, Left\n12;Stop\n",
    "header": 'video_id,label,frames,shape\n7,"Swiping, Left",37,"(37, 100)"\n12,Stop,4,"(4, 100)"\n',
    "header with semicolons": "frames;label;video_id\r\n37;Swiping, Left;7\r\n4;Stop;12\r\n",
    "byte order mark and empty line": '\ufeff7,"Swiping, Left"\n\n12, Stop \n',
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_labels(tmp_path: Path, case: str) -> None:
    for name in ("7", "12"):
        write_clip(tmp_path / name, np.zeros((5, H, W, 3)))
    (tmp_path / "list.csv").write_text(LISTS[case], encoding="utf-8", newline="")
    data = open_frames(tmp_path, tmp_path / "list.csv", SHADES)
    assert data.labels.tolist() == [1, 0] and data.names == ("Stop", "Swiping, Left")
    assert [clip[0].parent.name for clip in data.clips] == ["7", "12"]


def test_frames_are_ordered_by_number_and_other_files_do_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    write_clip(folder, np.arange(12)[:, None, None] * np.ones((H, W)))
    for i in range(12):
        (folder / f"{i + 1:05d}.png").rename(folder / f"frame_{i}.PNG")
    (folder / "notes.txt").write_text("not a frame")
    (tmp_path / "list.csv").write_text("1;dark")
    clip = open_frames(tmp_path, tmp_path / "list.csv", SHADES, scale=1).read(0, 1)["clip"]
    assert clip[0, 0, :, 0, 0].tolist() == [1, 3, 6, 8, 10]


def frames_fail(tmp_path: Path, text: str, **given: Any) -> pytest.ExceptionInfo[NmcError]:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(NmcError) as caught:
        open_frames(tmp_path, tmp_path / "list.csv", SHADES, **given)
    return caught


def test_all_that_is_wrong_with_folders_and_labels_is_told_at_once(tmp_path: Path) -> None:
    for name in ("ok", "gap", "odd", "twice"):
        write_clip(tmp_path / name, np.zeros((5, H, W, 3)))
    (tmp_path / "gap" / "00003.png").unlink()
    (tmp_path / "odd" / "00005.png").rename(tmp_path / "odd" / "last.png")
    (tmp_path / "twice" / "00001.png").rename(tmp_path / "twice" / "5.jpg")
    (tmp_path / "empty").mkdir()
    rows = "ok;a\ngap;a\nodd;b\ntwice;b\nempty;c\nnone;a\n"
    caught = frames_fail(tmp_path, rows, names=("a", "b"))
    assert codes_of(caught) == ["R020", "R021", "R021", "R021", "R021", "R021"]
    for part in ("'c'", "frames 3 to 3", "last.png", "number twice", "no frames", "no such folder"):
        assert part in str(caught.value)


def test_twenty_problems_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    caught = frames_fail(tmp_path, "".join(f"{i};a\n" for i in range(33)))
    assert len(codes_of(caught)) == 21 and "13 more" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1;a\n2\n3;b;c\n;d\n4;\n1;b\n", ("line 2", "line 3", "line 4", "line 5", "line 6 names folder '1' again")),
        ("video_id,label,frames\n1,a\n", ("line 2", "3 fields")),
        ("", ("no clips",)),
        ("video_id;label\n", ("no clips",)),
        ('1;"' + "x" * 200_000 + '"', ("malformed", "field")),
    ],
    ids=["lines", "header", "empty", "header alone", "huge field"],
)
def test_malformed_lists_are_named(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    caught = frames_fail(tmp_path, text)
    assert set(codes_of(caught)) == {"R021"}
    assert all(part in str(caught.value) for part in parts)


def test_damaged_images_are_named_when_they_are_read(tmp_path: Path) -> None:
    _, labels = clip_folder(tmp_path, (5, 5))
    (tmp_path / "1" / "00002.png").write_bytes(b"no image")
    whole = (tmp_path / "2" / "00001.png").read_bytes()
    (tmp_path / "2" / "00001.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((H, W), np.uint16)).save(tmp_path / "2" / "00003.png")
    Image.fromarray(np.zeros((H, W, 4), np.uint8)).save(tmp_path / "2" / "00004.png")
    data = open_frames(tmp_path, labels, SHADES)
    with pytest.raises(NmcError) as caught:
        data.read(0, 2)
    assert codes_of(caught) == ["R021"] * 4
    assert "mode I;16" in str(caught.value) and "mode RGBA" in str(caught.value)


def test_reading_images_needs_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, labels = clip_folder(tmp_path)
    save(SHADES, tmp_path / "p.nmc")
    monkeypatch.setitem(sys.modules, "PIL", None)
    check_fails(nmc(tmp_path / "p.nmc", "--data", tmp_path, "--labels", labels), 2, "NMC-R022", "nmc[images]")


def test_networks_that_take_no_images_are_named(tmp_path: Path) -> None:
    _, labels = clip_folder(tmp_path)
    with pytest.raises(NmcError, match="NMC-R005"):
        open_frames(tmp_path, labels, video())
    build = Build().data("a", (1, 1, 1)).data("b", (1, 1, 1)).add("y", "Concatenate", "a", "b")
    with pytest.raises(NmcError, match="NMC-R004"):
        open_frames(tmp_path, labels, build.program())
    with pytest.raises(ValueError, match="scale"):
        open_frames(tmp_path, labels, SHADES, scale=0)


def test_open_labelled_takes_either_layout(tmp_path: Path) -> None:
    _, labels = clip_folder(tmp_path / "data")
    assert isinstance(open_labelled(tmp_path / "data", SHADES, labels=labels, limit=2), FrameFolders)
    arrays = open_labelled(saved(tmp_path / "d.npz", clip=CLIPS, y=[1, 0]), video(), limit=1)
    assert arrays.labels.tolist() == [1] and arrays.read(0, 9)["clip"].shape == (1, *CLIPS.shape[1:])

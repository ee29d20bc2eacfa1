"""`nmc live`: clips of all kinds through programs of all kinds, in a terminal, as lines, as JSON and as a GIF."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageSequence
from rich.console import Console
from test_live_clips import EVENTS

from nmc.cli.live.terminal import line, picture, screen
from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime import Session
from nmc.runtime.classify import smooth
from nmc.runtime.program import save

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden_zoo"
GESTURES = "swipe left,swipe right,swipe up,swipe down,rotate clockwise,rotate counter-clockwise,zoom in,zoom out"
Array = np.ndarray[Any, Any]


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped gesture network as g.nmc, and a labelled file of clips."""
    place = tmp_path_factory.mktemp("live")
    calibration = np.load(GOLDEN / "gestures_calibration.npz")
    model = ROOT / "examples/gestures/gestures.onnx"
    save(compile_model(model, "akida", calibration=calibration[calibration.files[0]]), place / "g.nmc")
    given = np.load(GOLDEN / "gestures_input.npz")
    clips = given[given.files[0]]
    np.savez(place / "clips.npz", clip=clips, labels=np.zeros(len(clips), np.int64))
    return place


@pytest.fixture(scope="module")
def clips(folder: Path) -> Array:
    return np.load(folder / "clips.npz")["clip"]


# --- what is shown ---


def _heeds_interrupts() -> None:
    """As in a terminal: what runs in the background of a script has SIGINT ignored, and so have its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_terminal(*arguments: object, interrupt_after: bytes = b"") -> tuple[int, str]:
    """Exit code and output of `nmc` in a terminal of its own; Ctrl-C once it has printed `interrupt_after`."""
    leader, follower = pty.openpty()
    os.set_blocking(leader, True)
    command = [sys.executable, "-m", "nmc.cli.main", *map(str, arguments)]
    colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "100", "LINES": "30"}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | colours
    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        preexec_fn=_heeds_interrupts,
    )
    os.close(follower)
    said, sent = b"", not interrupt_after
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # Linux says so where nobody writes any more
            break
        said += part
        if not part:
            break
        if not sent and interrupt_after in said:
            process.send_signal(signal.SIGINT)
            sent = True
    os.close(leader)
    return process.wait(), said.decode()


def test_a_gesture_is_recognised_in_a_terminal(folder: Path, clips: Array) -> None:
    expected = Session(folder / "g.nmc").run(clips[:1]).outputs["logits"]
    best = GESTURES.split(",")[int(smooth(expected)[0, -1].argmax())]
    code, said = in_terminal("live", folder / "g.nmc", folder / "clips.npz", "--classes", GESTURES, "--fps", 1000)
    assert code == 0, said
    assert "▀" in said and "\x1b[38;2;" in said and "█" in said and "frames/s" in said
    assert "frame 16/16" in said.replace("\x1b[2m", "")
    last = said.strip().removesuffix("\x1b[0m").splitlines()[-1]  # numba resets colours at its end, given colorama
    assert last.startswith(("\x1b[?25h" + best, best))


def test_ctrl_c_ends_the_show(folder: Path) -> None:
    clip = folder / "clips.npz"
    code, said = in_terminal("live", folder / "g.nmc", clip, "--fps", 0.05, interrupt_after=b"frame 1/16")
    assert code == 130
    assert "stopped after 1 frame" in said and "Traceback" not in said
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1  # the cursor is back


def test_lines_where_there_is_no_terminal(folder: Path, clips: Array) -> None:
    done = nmc("live", folder / "g.nmc", folder / "clips.npz", "--sample", 1, "--top", 2)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 17
    p = smooth(Session(folder / "g.nmc").run(clips[1:2]).outputs["logits"])[0]
    for index, (said, now) in enumerate(zip(lines, p, strict=False)):
        first, second = np.argsort(-now, kind="stable")[:2]
        start = (
            f"frame {index + 1}/16: class {first} {100 * now[first]:.1f} %, class {second} {100 * now[second]:.1f} %; "
        )
        assert said.startswith(start)
    assert lines[-1].startswith(f"class {p[-1].argmax()}, {100 * p[-1].max():.1f} %; 16 frames, simulated in ")
    assert nmc("live", folder / "g.nmc", folder / "clips.npz", "--quiet").output == ""


def test_json(folder: Path, clips: Array) -> None:
    names = folder / "names.txt"
    names.write_text(GESTURES.replace(",", "\n"))
    done = nmc("live", folder / "g.nmc", folder / "clips.npz", "--json", "--classes", names, "--limit", 5)
    facts = json.loads(done.stdout)
    p = smooth(Session(folder / "g.nmc").run(clips[:1]).outputs["logits"])[0, 4]
    assert facts["ok"] and len(facts["moments"]) == 5 and facts["class"] == p.argmax()
    assert [row["probability"] for row in facts["top"]] == sorted(p, reverse=True)[:5]
    assert facts["top"][0]["name"] == GESTURES.split(",")[facts["class"]]
    assert all(0 < moment["sparsity"] < 1 for moment in facts["moments"])


def test_the_gif_shows_clip_and_bars(folder: Path, clips: Array) -> None:
    path = folder / "out.gif"
    done = nmc("live", folder / "g.nmc", folder / "clips.npz", "--save", path, "--json", "--top", 3, "--fps", 10)
    facts = json.loads(done.stdout)
    assert facts["saved"] == str(path)
    with Image.open(path) as opened:
        assert opened.n_frames == 16 and opened.info["duration"] == 100  # type: ignore[attr-defined]
        images = [np.asarray(image.convert("RGB")).astype(int) for image in ImageSequence.Iterator(opened)]
    for frame, image, moment in zip(clips[0, 0], images, facts["moments"], strict=True):
        seen = image[12 + 5 : 12 + 240 : 10, 12 + 5 : 12 + 240 : 10]
        assert np.abs(seen - np.rint(255 * frame / clips[0].max())[..., None]).max() < 20  # of a palette of 128
        for place, row in enumerate(moment["top"]):
            bar = image[12 + 34 * place + 20, 264 : 264 + 281]
            assert abs(np.count_nonzero(bar[:, 0] < 180) - round(280 * row["probability"])) <= 1


def plain(width: int = 60, **given: Any) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=20, **given)


def printed(console: Console, shown: Any) -> str:
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_events_are_green_and_red() -> None:
    frame = np.zeros((2, 6, 8), np.float32)
    frame[0, 1, 2] = frame[1, 3, 4] = 1
    for view, first, second in ((EVENTS, (255, 0, 0), (0, 255, 0)), (replace(EVENTS, on=0), (0, 255, 0), (255, 0, 0))):
        colours = view.paint(frame, 0, 1)
        assert tuple(colours[1, 2]) == first and tuple(colours[3, 4]) == second
        assert np.count_nonzero(colours) == 2


def test_a_picture_in_half_blocks() -> None:
    colours = np.zeros((3, 2, 3), np.uint8)
    colours[0, 0], colours[1, 0] = (255, 0, 0), (0, 0, 255)
    text = picture(plain(color_system="truecolor"), colours, 8)
    assert text.plain.splitlines() == ["▀" * 8] * 6
    style: Any = text.spans[0].style
    assert tuple(style.color.triplet) == (255, 0, 0) and tuple(style.bgcolor.triplet) == (255, 0, 0)
    tiny = picture(plain(color_system="truecolor"), np.zeros((100, 200, 3), np.uint8), 50)
    assert tiny.plain.splitlines() == ["▀" * 50] * 13


def test_no_color_shows_shades() -> None:
    colours = np.repeat(np.array([0, 60, 120, 160, 255], np.uint8), 3).reshape(1, 5, 3)
    console = plain(no_color=True)
    shown = printed(console, screen(console, colours, [("left", 0.5), ("right", 0.25)], ["frame 1"], 6))
    assert "\x1b[38" not in shown and "\x1b[48" not in shown
    assert " ░▒▓█"[1:] in "".join(dict.fromkeys(shown))
    assert "left" in shown and "50.0 %" in shown and "█" * 12 in shown and "frame 1" in shown


def test_lines_of_text() -> None:
    assert line("frame", 3, None, [], 0.5) == "frame 3: no answer yet; sparsity 50.0 %"
    assert line("timestep", 1, 9, [("a", 1.0)], 0) == "timestep 1/9: a 100.0 %; sparsity 0.0 %"


def test_what_the_command_refuses(folder: Path) -> None:
    for arguments, exit_code, what in (
        (["--classes", "a,b"], 4, "NMC-R020"),
        (["--classes", "a,b,c,d,e,f,g,g"], 4, "7 different class names"),
        (["--output", "other"], 2, "NMC-R023"),
        (["--sensor", "128"], 2, "WIDTHxHEIGHT"),
        (["--seed", 1], 2, "NMC-R008"),
        (["--save", folder / "no" / "x.gif"], 4, "NMC-F014"),
    ):
        done = nmc("live", folder / "g.nmc", folder / "clips.npz", "--limit", 1, *arguments)
        assert done.exit_code == exit_code and what in done.output, done.output

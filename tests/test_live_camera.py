"""`nmc live --camera`: FFmpeg's test picture in place of a camera, cameras that are not there, and the key q."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from test_evaluate import digits

from nmc.cli.live.clips import open_camera
from nmc.cli.live.stage import RECENT
from nmc.cli.live.video import camera_source
from nmc.cli.live.view import View
from nmc.cli.main import main
from nmc.runtime.program import NmcError, save
from nmc.runtime.scaling import Scaling

pytestmark = pytest.mark.slow

COLOUR = View("image", (3, 6, 8), -1, "CHW", 6, 8, 3)
EVENTS = View("events", (4, 2, 6, 8), 1, "CHW", 6, 8, 2)
PICTURES = "lavfi:color=c=0x336699:size=64x48:rate=10"
RGB = ",format=rgb24"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits network, 10 classes from 8x8 pixels."""
    path = tmp_path_factory.mktemp("camera") / "d.nmc"
    save(digits(), path)
    return path


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["live", *(str(argument) for argument in arguments)])


def test_a_camera_gives_frames_as_the_network_takes_them() -> None:
    clip = open_camera(f"{PICTURES}:duration=0.5{RGB}", COLOUR, Scaling(51.0))
    frames = list(clip.frames)
    assert (clip.count, clip.endless, clip.low, clip.high) == (None, True, 0.0, 5.0)
    assert [frame.shape for frame in frames] == [(3, 6, 8)] * 5
    for frame in frames:  # 0x33, 0x66 and 0x99 are 1, 2 and 3 times 51
        assert np.array_equal(frame, np.broadcast_to(np.float32([1, 2, 3])[:, None, None], (3, 6, 8)))


@pytest.mark.parametrize(
    ("name", "platform", "source"),
    [
        ("0", "linux", ("/dev/video0", "v4l2")),
        ("12", "linux", ("/dev/video12", "v4l2")),
        ("/dev/v4l/by-id/x", "linux", ("/dev/v4l/by-id/x", "v4l2")),
        ("1", "darwin", ("1", "avfoundation")),
        ("FaceTime HD", "darwin", ("FaceTime HD", "avfoundation")),
        ("USB Cam", "win32", ("video=USB Cam", "dshow")),
        ("rtsp://h/s", "linux", ("rtsp://h/s", None)),
        ("v4l2:/dev/video2", "linux", ("/dev/video2", "v4l2")),
        ("dshow:video=a:b", "win32", ("video=a:b", "dshow")),
    ],
)
def test_names_of_cameras(name: str, platform: str, source: tuple[str, str | None]) -> None:
    assert camera_source(name, platform) == source


@pytest.mark.parametrize("name", ["98", "no", "lavfi:nothing=1", "nothing:1", "http://127.0.0.1:9/x", "lavfi:sine"])
def test_cameras_that_are_not_there(program: Path, name: str) -> None:
    done = nmc(program, "--camera", name)
    assert done.exit_code == 4 and "NMC-R001" in done.output and "Traceback" not in done.output, done.output


def test_events_are_no_pictures() -> None:
    with pytest.raises(NmcError) as caught:
        open_camera(PICTURES, EVENTS)
    assert [d.code for d in caught.value.diagnostics] == ["NMC-R005"]


def test_a_limited_show_is_saved(program: Path, tmp_path: Path) -> None:
    gif = tmp_path / "out.gif"
    done = nmc(program, "--camera", PICTURES, "--limit", 3, "--save", gif, "--json")
    facts = json.loads(done.output)
    assert done.exit_code == 0 and facts["seen"] == 3 and facts["clip"] == PICTURES
    with Image.open(gif) as made:
        assert made.format == "GIF"


def test_a_show_without_end_remembers_the_last_moments(program: Path) -> None:
    done = nmc(program, "--camera", f"{PICTURES}:duration={(RECENT + 20) / 10}", "--json")
    facts = json.loads(done.output)
    assert facts["seen"] == RECENT + 20 and len(facts["moments"]) == RECENT
    assert facts["moments"][0]["index"] == 20


def test_what_does_not_go_together(program: Path, tmp_path: Path) -> None:
    for given, said in (
        ([], "either CLIP or --camera"),
        (["x.gif", "--camera", "0"], "either CLIP or --camera"),
        (["--camera", PICTURES, "--save", "x.gif"], "--save needs --limit"),
    ):
        done = nmc(program, *given)
        assert done.exit_code == 2 and said in done.output, done.output


def test_q_ends_a_show(program: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "nmc.cli.main", "live", str(program), "--camera", PICTURES]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    said, sent = b"", False
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # Linux says so where nobody writes any more
            break
        said += part
        if not part:
            break
        if not sent and b"frame " in said:
            os.write(leader, b"xq")
            sent = True
    os.close(leader)
    assert process.wait() == 0 and b"(median)" in said and b"Traceback" not in said

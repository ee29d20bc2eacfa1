"""Bars: when they appear, what they say, that they go away, and that they touch nothing else."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from test_evaluate import DIGITS

from nmc.cli import progress
from nmc.cli.progress import Bar, context_of, progress_bar

pytestmark = pytest.mark.slow

AT_ONCE = "import nmc.cli.progress as p; p.DELAY = 0.0; from nmc.cli.main import main; main()"


def shown(monkeypatch: pytest.MonkeyPatch, delay: float) -> tuple[Bar, io.StringIO]:
    monkeypatch.setattr(progress, "DELAY", delay)
    screen = io.StringIO()
    return Bar(Console(file=screen, force_terminal=True, width=100), "counting"), screen


def wait_for(screen: io.StringIO, text: str) -> bool:
    """Does the text appear in a while?"""
    for _ in range(500):
        if text in screen.getvalue():
            return True
        time.sleep(0.01)
    return False


def test_what_is_done_at_once_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    bar, screen = shown(monkeypatch, 60.0)
    bar(1, 2)
    bar.stage("writing")
    bar.end()
    assert screen.getvalue() == ""


def test_a_bar_says_what_is_done_and_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    bar, screen = shown(monkeypatch, 0.0)
    bar(1, 4)
    assert wait_for(screen, "counting") and wait_for(screen, "25%")
    bar.stage("writing")
    assert wait_for(screen, "writing")
    bar(3, 4)
    assert wait_for(screen, "75%")
    bar.end()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is cleared


def test_a_compilation_names_its_passes() -> None:
    from nmc.compiler.driver import compile_verbose

    context, said = context_of(None), list[str]()
    context.stage = said.append
    compile_verbose(DIGITS, "cri", timesteps=1, context=context)
    assert said[0] == "importing" and said[-2:] == ["lowering", "building the tables"]
    assert "fold-batch-norm" in said and "quantize-cri" in said


def test_nobody_sees_a_bar_where_there_is_no_terminal() -> None:
    with progress_bar(True, "counting") as bar:
        assert bar is None


def run(tmp_path: Path, *arguments: object) -> tuple[int, bytes, str]:
    """Exit code, standard output (a file) and what the terminal on standard error shows."""
    leader, follower = pty.openpty()
    given = ["compile", DIGITS, "--target", "cri", "-o", tmp_path / "p.nmc", "--timesteps", 1, *arguments]
    command = [sys.executable, "-c", AT_ONCE, *map(str, given)]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdin=follower, stdout=out, stderr=follower, env=environment)
    os.close(follower)
    said = b""
    while True:
        try:
            part = os.read(leader, 1 << 16)
        except OSError:  # Linux says so where nobody writes any more
            break
        if not part:
            break
        said += part
    os.close(leader)
    return process.wait(), (tmp_path / "out").read_bytes(), said.decode()


def test_a_bar_in_a_terminal_leaves_standard_output_alone(tmp_path: Path) -> None:
    code, out, said = run(tmp_path, "--print-after", "canonicalize")
    assert code == 0 and " s" in said and "\x1b[?25h" in said
    assert out.startswith(b"# after canonicalize") and b"\x1b" not in out
    assert "# after canonicalize" not in said


def test_json_shows_no_bar(tmp_path: Path) -> None:
    code, out, said = run(tmp_path, "--json")
    assert code == 0 and said == "" and out.startswith(b"{")


def test_tables_say_how_many_synapses_are_written() -> None:
    from nmc.compiler.driver import compile_verbose

    context, said = context_of(None), list[tuple[int, int]]()
    context.progress = lambda done, total: said.append((done, total))
    program = compile_verbose(DIGITS, "cri", timesteps=1, context=context).program
    ends = [total for done, total in said if done == total]
    assert ends[-2:] == [program.axons.synapses, program.neurons.synapses]
    assert all(0 < done <= total for done, total in said)

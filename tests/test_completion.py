"""What click completes for a shell, and the scripts that ask it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from nmc.cli.main import COMMANDS, main

DEVICES = {"akida2", "TwoNodesIPv2"}


def completed(*words: str) -> list[str]:
    """What could stand for the last word."""
    *before, last = words
    return [item.value for item in ShellComplete(main, {}, "nmc", "_NMC_COMPLETE").get_completions(before, last)]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("comp",), ["compare", "compile"]),
        (("golden", ""), ["check", "record"]),
        (("compile", "m.onnx", "--target", ""), ["akida", "cri"]),
        (("check", "m.onnx", "--target", "a"), ["akida"]),
        (("compile", "m.onnx", "--target", "cri", "--profile", "hw2"), ["hw2024"]),
        (("compile", "m.onnx", "--target", "akida", "--profile", ""), []),
        (("verify", "m.onnx", "p.nmc", "--profile", "a"), ["all"]),
        (("compile", "m.onnx", "--passes", "canonicalize,fold"), ["canonicalize,fold-batch-norm"]),
        (("compile", "m.onnx", "--target", "akida", "--passes", "quantize"), []),
        (("compile", "m.onnx", "--print-after", "al"), ["all"]),
        (("export", "p.nmc", "--format", "h"), ["hs-api", "hbm"]),
        (("explain", "NMC-P00"), ["NMC-P001", "NMC-P002", "NMC-P003", "NMC-P004"]),
        (("compile", "m.onnx", "--verify"), ["--verify-each"]),
    ],
)
def test_words_are_completed(words: tuple[str, ...], found: list[str]) -> None:
    assert completed(*words) == found


def test_all_commands_are_completed() -> None:
    assert completed("") == list(COMMANDS)


def test_devices_are_those_of_the_target() -> None:
    assert set(completed("compile", "m.onnx", "--target", "akida", "--device", "")) >= DEVICES
    assert set(completed("explain", "m.onnx", "--device", "")) >= DEVICES
    assert completed("compile", "m.onnx", "--target", "cri", "--device", "") == []


def test_files_are_left_to_the_shell() -> None:
    complete = ShellComplete(main, {}, "nmc", "_NMC_COMPLETE")
    for before, last in ((["compile"], "m"), (["inspect"], ""), (["explain"], "net"), (["explain"], "")):
        items = complete.get_completions(before, last)
        assert [(item.value, item.type) for item in items] == [(last, "file")], before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_of_the_shells(shell: str) -> None:
    environment: Any = {"_NMC_COMPLETE": f"{shell}_source"}
    done = CliRunner().invoke(main, [], prog_name="nmc", env=environment)
    assert done.exit_code == 0 and f"{shell}_complete" in done.output and "_NMC_COMPLETE" in done.output


def test_a_shell_gets_its_answer_from_the_command() -> None:
    words = {"COMP_WORDS": "nmc compile m.onnx --target a", "COMP_CWORD": "4", "_NMC_COMPLETE": "bash_complete"}
    code = "from nmc.cli.main import main; main(prog_name='nmc')"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | words, capture_output=True, check=True)
    assert done.stdout == b"plain,akida\n"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("complie", "m.onnx"), "did you mean 'compile'?"),
        (("compile", "m.onnx", "--tarket", "cri"), "--target"),
        (("compile", "m.onnx", "--target", "akdia"), "did you mean 'akida'?"),
        (("check", "m.onnx", "--target", "akida", "--device", "akida3"), "did you mean 'akida2'?"),
        (("export", "p.nmc", "--format", "hsapi"), "Did you mean 'hs-api'?"),
        (("simulate", "p.nmc", "--input", "x.npz", "--engine", "referense"), "Did you mean 'reference'?"),
    ],
)
def test_the_nearest_name_is_suggested(words: tuple[str, ...], hint: str) -> None:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 2 and hint in done.output, done.output

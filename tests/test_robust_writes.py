"""What a broken write leaves behind, for every command that writes: a kill, a full disk, several writers at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from akida_programs import random_program
from click.testing import CliRunner
from file_commands import COMMANDS, READERS, SEVERAL, TEMPORARY, Outcome, network

from nmc.cli.main import main
from nmc.runtime.data import read_arrays
from nmc.runtime.program import atomic_write, digest, load, save
from nmc.runtime.program.atomic import together
from nmc.runtime.program.diagnostics import NmcError

QUICK = ("compile", "export hs-api")


def outcomes(folder: Path, commands: tuple[str, ...]) -> list[Outcome]:
    script = Path(__file__).with_name("file_commands.py")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script, folder, *commands], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(**found) for found in json.loads(done.stdout)]


def check_killed(found: Outcome) -> None:
    """Every file is as before or whole; a set of files of which some are new is refused by what reads it."""
    assert found.status < 0, found
    assert found.parts == [], found
    if "rename 2" in found.how:
        assert found.state == "both", found
    elif found.command != "compile --dump-ir":  # its graphs are written one by one, each on its own
        assert found.state == "old", found
    if found.state == "both" and found.command in READERS:
        assert found.reader == 4, found
    assert found.after in (None, True), found


def check_full(found: Outcome) -> None:
    """A diagnostic, and everything as before."""
    assert found.status == 4 and "NMC-F014" in found.said and "Traceback" not in found.said, found
    assert found.parts == [] and found.left == 0, found
    if found.command != "compile --dump-ir":
        assert found.state == "old", found


def check_outcomes(found: list[Outcome], commands: tuple[str, ...]) -> None:
    assert {outcome.command for outcome in found} == set(commands)
    for outcome in found:
        (check_killed if outcome.how.startswith("killed") else check_full)(outcome)
    assert any(outcome.left for outcome in found)  # a killed process leaves its temporary file, and only that


@pytest.mark.slow
def test_a_broken_write_leaves_the_old_files(tmp_path: Path) -> None:
    check_outcomes(outcomes(tmp_path, QUICK), QUICK)


def test_the_table_names_commands_of_several_files() -> None:
    assert set(SEVERAL) < set(COMMANDS) and set(QUICK) < set(COMMANDS)


# --- several files, several writers ---


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")

    def fail(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(NmcError, match="No space"), together():
        atomic_write(tmp_path / "a", lambda file: file.write(b"new"))
        atomic_write(tmp_path / "b", fail)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}
    with together():
        atomic_write(tmp_path / "a", lambda file: file.write(b"new"))
        assert (tmp_path / "a").read_bytes() == b"old" and len(list(tmp_path.glob(TEMPORARY))) == 1
        with together():
            atomic_write(tmp_path / "b", lambda file: file.write(b"more"))
        assert not (tmp_path / "b").exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new", "b": b"more"}


def write_often(path: Path, seed: int) -> None:
    program = random_program(seed)
    for _ in range(10):
        save(program, path)


@pytest.mark.slow
def test_writers_at_the_same_time_never_mix(tmp_path: Path) -> None:
    path, seeds = tmp_path / "net.nmc", range(2)
    known = {digest(random_program(seed)) for seed in seeds}
    save(random_program(0), path)
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write_often, args=(path, seed)) for seed in seeds]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        seen.add(digest(load(path)))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * len(writers)
    assert seen | {digest(load(path))} <= known
    assert [found.name for found in tmp_path.iterdir()] == ["net.nmc"]


@pytest.mark.slow
def test_compilations_to_one_path_leave_one_whole_program(tmp_path: Path) -> None:
    model = network(0).save(tmp_path, "net.onnx")
    command = ["compile", str(model), "--target", "cri", "-q", "--timesteps"]
    for steps in ("2", "3"):
        assert CliRunner().invoke(main, [*command, steps, "-o", str(tmp_path / f"{steps}.nmc")]).exit_code == 0
    nmc = [sys.executable, "-m", "nmc.cli.main", *command]
    both = [subprocess.Popen([*nmc, steps, "-o", tmp_path / "net.nmc"]) for steps in ("2", "3")]
    assert [process.wait() for process in both] == [0, 0]
    assert (tmp_path / "net.nmc").read_bytes() in [(tmp_path / f"{steps}.nmc").read_bytes() for steps in ("2", "3")]


# --- what lies around ---


def test_temporary_files_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    save(random_program(0), tmp_path / "net.nmc")
    for name in ("x.npy", "net.nmc"):
        cut = (tmp_path / name).read_bytes()[:50]
        (tmp_path / f".nmc-{os.urandom(8).hex()}.tmp").write_bytes(cut)
    assert digest(load(tmp_path / "net.nmc")) == digest(random_program(0))
    assert np.array_equal(read_arrays(tmp_path / "x.npy"), np.zeros(3))
    save(random_program(1), tmp_path / "net.nmc")
    assert digest(load(tmp_path / "net.nmc")) == digest(random_program(1))

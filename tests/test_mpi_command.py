"""`nmc simulate` over processes: the same file as one process writes, errors once; slow: with a real mpirun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import akida_programs
import numpy as np
import pytest
from partition_checks import layers, lowered
from ranks import ThreadComm, Threads
from spiking_integer import feeds_for
from test_cri_noise import run_main
from test_cri_reference import unary_program

from nmc.runtime.mpi import world
from nmc.runtime.mpi.machine import RankMachine
from nmc.runtime.program import Exit, save

BIN = Path(sys.executable).parent
BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


class OneRank(ThreadComm):
    """A world of one process; the code that it was ended with."""

    ended: int | None = None

    def __init__(self) -> None:
        super().__init__(Threads(1), 0)

    def abort(self, exit_code: int) -> None:
        OneRank.ended = exit_code
        raise SystemExit(exit_code)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command that simulates a small program, in a world of one process."""
    monkeypatch.setattr(world, "World", OneRank)
    monkeypatch.setattr(OneRank, "ended", None)
    save(unary_program(), tmp_path / "net.nmc")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(0, 2, (5, 3)))
    return ["simulate", str(tmp_path / "net.nmc"), "--input", str(tmp_path / "x.npy")]


def test_the_file_is_that_of_one_process(case: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    assert run_main([*case, "--trace", "-o", str(one)], capsys)[0] == 0
    code, out, _ = run_main([*case, "--trace", "-o", str(other), "--engine", "mpi"], capsys)
    assert code == 0 and one.read_bytes() == other.read_bytes()
    assert "1 processes, 3 to 3 neurons in each; 0 spikes sent" in out


def test_what_launchers_say_is_understood(
    case: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*world.SIZES, *world.RANKS):
        monkeypatch.delenv(name, raising=False)
    assert not world.launched() and world.launched_rank() == 0
    for name, value, several in (
        ("PMI_SIZE", "4", True),
        ("PMI_SIZE", "1", False),
        ("OMPI_COMM_WORLD_SIZE", "2", True),
        ("PMIX_RANK", "0", True),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert world.launched() == several
    monkeypatch.setenv("PMI_SIZE", "2")
    code, out, _ = run_main([*case, "--json"], capsys)
    facts = json.loads(out)["processes"]
    assert code == 0 and facts == {"ranks": 1, "neurons": [3], "messages": 0, "packets": 0}


def test_what_is_not_done_over_processes(case: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    akida = akida_programs.random_program(0)
    save(akida, tmp_path / "akida.nmc")
    for command in ([*case, "--cost"], ["simulate", str(tmp_path / "akida.nmc"), *case[2:]]):
        code, _, told = run_main([*command, "--engine", "mpi"], capsys)
        assert code == Exit.USAGE and told.count("NMC-R011") == 1


def test_an_error_in_the_middle_ends_all(
    case: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: RankMachine, axons: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(RankMachine, "step", step)
    code, _, told = run_main([*case, "--engine", "mpi"], capsys)
    assert code == OneRank.ended == Exit.LIMIT and told.count("NMC-X002") == 1


def test_without_mpi4py(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    command = ["simulate", "net.nmc", "--input", "x.npy", "--engine", "mpi"]
    code, _, told = run_main(command, capsys)
    assert code == Exit.USAGE and "NMC-R010" in told and "nmc[mpi]" in told
    monkeypatch.setenv("PMI_RANK", "1")
    assert run_main(command, capsys) == (Exit.USAGE, "", "")  # rank 0 says it


# --- mpirun ---


def mpirun(ranks: int, *command: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in (*world.SIZES, *world.RANKS)}
    return subprocess.run(
        [str(BIN / "mpirun"), "-n", str(ranks), *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=clean | settings,
    )


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 4])
def test_processes_write_the_file_of_one(ranks: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = layers().graph
    save(lowered(graph), tmp_path / "net.nmc")
    np.savez(tmp_path / "x.npz", **feeds_for(graph, 5, 3, 0))
    case = ["simulate", str(tmp_path / "net.nmc"), "--input", str(tmp_path / "x.npz"), "--trace", "-o"]
    assert run_main([*case, str(tmp_path / "one.npz")], capsys)[0] == 0
    done = mpirun(ranks, str(BIN / "nmc"), *case, str(tmp_path / "y.npz"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "y.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    assert done.stdout.count("written: ") == 1 and f"{ranks} processes, " in done.stdout


FAILING = """
import sys
from mpi4py import MPI
from nmc.cli.main import main
from nmc.runtime.mpi.machine import RankMachine
if MPI.COMM_WORLD.rank == 1:
    RankMachine.step = lambda self, axons: 1 // 0
main()
"""


@pytest.mark.slow
def test_errors_of_processes_are_told_once_and_none_waits(tmp_path: Path) -> None:
    save(unary_program(), tmp_path / "net.nmc")
    np.save(tmp_path / "x.npy", np.zeros((1, 3)))
    program, case = str(tmp_path / "net.nmc"), ["--input", str(tmp_path / "x.npy")]
    done = mpirun(2, str(BIN / "nmc"), "simulate", str(tmp_path / "none.nmc"), *case)
    assert (done.returncode, done.stderr.count("NMC-F001")) == (Exit.BAD_FILE, 1)
    done = mpirun(3, sys.executable, "-c", FAILING, "simulate", program, *case)
    assert (done.returncode, done.stderr.count("NMC-X001"), done.stdout) == (Exit.CHECK_FAILED, 1, "")


@pytest.mark.slow
def test_a_network_of_300_k_neurons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spikes sent are those of the plan, and the output, last potentials and counters those of one process."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    from cri_partition import EVENTS, network

    from nmc.backends.cri.partition import messages, over_ranks
    from nmc.runtime import Session
    from nmc.runtime.data import write_result

    program = network()
    save(program, tmp_path / "net.nmc")
    x = np.random.default_rng(0).random((1, *program.inputs[0].shape)) < EVENTS
    np.save(tmp_path / "x.npy", x)
    expected = Session(program).run(x, trace=True)
    write_result(tmp_path / "one.npz", expected)
    case = [str(BIN / "nmc"), "simulate", str(tmp_path / "net.nmc"), "--input", str(tmp_path / "x.npy"), "--trace"]
    done = mpirun(2, *case, "-o", str(tmp_path / "y.npz"), "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "y.npz").read_bytes() == (tmp_path / "one.npz").read_bytes()
    spikes = np.concatenate([expected.trace[p.name][0].sum(axis=0).ravel() for p in program.populations])
    facts = json.loads(done.stdout)["processes"]
    assert sum(facts["neurons"]) == len(program.neuron_model) == 303_115
    assert facts["messages"] == messages(program, over_ranks(program, 2).owner, spikes) > 0

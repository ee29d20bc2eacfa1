"""`nmc compare`: a board's record against the simulation's file, to the number, and shifts that would explain it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from nmc.cli.main import main
from nmc.runtime.compare.boards import Shift, compare_recorded
from nmc.runtime.data import write_result
from nmc.runtime.program import NmcError
from nmc.runtime.result import Result as RunResult

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
SPIKES = RNG.integers(0, 2, (5, 12, 4))
SCORES = RNG.integers(-900, 900, (5, 3))
SIMULATED = {
    "spikes": SPIKES.astype(np.float32),
    "spikes.int": SPIKES,
    "scores": (SCORES * 0.5).astype(np.float32),
    "scores.int": SCORES,
    "trace/hidden": SPIKES[..., :2],
    "counters": np.array("{}"),
}


def only(found: dict[str, Any]) -> Any:
    (entry,) = compare_recorded(SIMULATED, found)
    return entry


@pytest.mark.parametrize(
    ("name", "array", "compared"),
    [
        ("scores.int", SCORES, "scores.int"),
        ("scores", SCORES.astype(np.int32), "scores.int"),
        ("spikes", SPIKES.astype(bool), "spikes.int"),
        ("scores", (SCORES * 0.5).astype(np.float32), "scores"),
        ("trace/hidden", SPIKES[..., :2].astype(np.uint8), "trace/hidden"),
    ],
)
def test_equal_numbers_of_any_integer_type(name: str, array: Any, compared: str) -> None:
    entry = only({name: array})
    assert entry.equal and entry.name == compared


def test_the_first_number_that_differs() -> None:
    other = SCORES.copy()
    other[2, 1] += 1
    other[4, 0] -= 7
    entry = only({"scores": other})
    assert (entry.differing, entry.first) == (2, ((2, 1), SCORES[2, 1], SCORES[2, 1] + 1))
    assert entry.shift is None and not entry.equal


@pytest.mark.parametrize("by", [1, 3, -2])
def test_a_shift_in_time_is_found_and_not_applied(by: int) -> None:
    entry = only({"spikes": np.roll(SPIKES, by, axis=1)})
    assert not entry.equal and entry.differing > 0
    assert entry.shift == Shift(1, by, 12 - abs(by))


def test_a_record_with_more_steps() -> None:
    longer = np.concatenate([np.zeros((5, 2, 4), np.int64), SPIKES], axis=1)
    entry = only({"spikes": longer})
    assert entry.differing is None and entry.shift == Shift(1, 2, 12)


def test_a_record_with_a_sample_less() -> None:
    assert only({"scores": SCORES[1:]}).shift == Shift(0, -1, 4)


def test_silence_is_no_alignment() -> None:
    """All zeros lie side by side at any shift: that says nothing."""
    quiet = {"spikes": np.zeros((2, 8, 3), np.float32), "spikes.int": np.zeros((2, 8, 3), np.int64)}
    loud = np.zeros((2, 8, 3), np.int64)
    loud[:, 7] = 1
    (entry,) = compare_recorded(quiet, {"spikes": loud})
    assert entry.differing == 6 and entry.shift is None


@pytest.mark.parametrize(
    "found", [{"other": SCORES}, {}, SCORES, {"scores": np.array("text")}], ids=["unknown", "empty", "nameless", "text"]
)
def test_nothing_to_compare(found: Any) -> None:
    with pytest.raises(NmcError) as caught:
        compare_recorded(SIMULATED, found)
    assert [d.code for d in caught.value.diagnostics] == ["NMC-R030"]


# --- the command ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *(str(argument) for argument in arguments)])


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    result = RunResult({"y": SPIKES.astype(np.float32)}, {"y": SPIKES}, {"samples": 5})
    write_result(tmp_path / "y.npz", result)
    return tmp_path / "y.npz"


def test_the_command(simulated: Path) -> None:
    board = simulated.parent / "board.npz"
    np.savez(board, y=SPIKES.astype(np.int16))
    done = nmc(simulated, board)
    assert done.exit_code == 0 and "y.int: equal" in done.stdout
    np.savez(board, y=np.roll(SPIKES, 2, axis=1))
    done = nmc(simulated, board)
    assert done.exit_code == 1 and "numbers differ, the first at [0, 0, " in done.stdout
    assert "equal over 10 rows if the record is read 2 late" in done.stdout
    facts = json.loads(nmc(simulated, board, "--json").stdout)
    assert not facts["ok"] and facts["arrays"][0]["shift"] == {"axis": 1, "by": 2, "overlap": 10}


def test_what_the_record_does_not_have_is_said(tmp_path: Path) -> None:
    both = RunResult({n: SPIKES.astype(np.float32) for n in "ab"}, dict.fromkeys("ab", SPIKES), {"samples": 5})
    write_result(tmp_path / "y.npz", both)
    np.savez(tmp_path / "board.npz", a=SPIKES, counters=np.array("{}"))
    done = nmc(tmp_path / "y.npz", tmp_path / "board.npz")
    assert done.exit_code == 0 and "b.int: not in" in done.stdout


def test_files_that_hold_nothing_to_compare(simulated: Path) -> None:
    array = simulated.parent / "x.npy"
    np.save(array, SPIKES[0])
    for arguments in ((array, simulated), (simulated, simulated.parent / "none.npz")):
        done = nmc(*arguments)
        assert done.exit_code == 4 and "NMC-R0" in done.output and "Traceback" not in done.output

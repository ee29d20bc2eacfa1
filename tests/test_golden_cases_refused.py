"""What `nmc golden` says of damaged cases and records: a diagnostic and an exit code each, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from golden_runs import EXAMPLES, golden, small_case

import nmc.cli.golden as runner

pytestmark = pytest.mark.slow

GOOD = f"model = '{EXAMPLES / 'digits' / 'digits.onnx'}'\ntarget = 'cri'\n"
DRAWN = "random = 'uniform', seed = 0, samples = 1"


def case_of(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text)
    return path


def check_refused(folder: Path, code: int, *texts: str) -> None:
    """Neither check nor record takes the folder, and no file comes or goes."""
    before = sorted(path.name for path in folder.rglob("*"))
    for words in (["check", folder], ["check", folder, "--update"], ["record", folder]):
        done = golden(*words)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        assert [text for text in texts if text not in done.output] == []
    assert sorted(path.name for path in folder.rglob("*")) == before


WRONG = {
    "no toml": ("model = [", 4, ["NMC-R041"]),
    "empty": ("", 4, ["NMC-R042", "the key 'model' is missing", "the key 'target' is missing"]),
    "unknown keys": (
        GOOD + "modle = 1\ninputs = 2\n",
        4,
        ["'modle'", "did you mean 'model'?", "did you mean 'input'?"],
    ),
    "types": (
        "model = 1\ntarget = ''\noptions = 3\nnir = []\ninput_shapes = { x = 3, y = [1, -1] }\n",
        4,
        ["model must be text", "target must be text", "options must be a table", "nir must", "shapes.x", "shapes.y"],
    ),
    "nul in a path": (GOOD + 'input = "x\\u0000.npz"\n', 4, ["input must be text"]),
    "draws": (
        GOOD + "input = { random = 'normal', seed = -1, size = 2, rate = 2 }\n",
        4,
        ["input.random must be", "input.seed must be", "input.samples must be", "'size' in input", "input.rate must"],
    ),
    "rate of uniform": (GOOD + f"input = {{ {DRAWN}, rate = 0.5 }}\n", 4, ["input.rate"]),
    "number of a bool": (GOOD + f"calibration = {{ {DRAWN}, timesteps = true }}\n", 4, ["calibration.timesteps"]),
    "timesteps without trains": (GOOD + f"input = {{ {DRAWN}, timesteps = 3 }}\n", 4, ["NMC-R042", "no trains"]),
    "missing model": ("model = 'none.onnx'\ntarget = 'cri'\n", 4, ["NMC-I001", "none.onnx"]),
    "missing code": ("model = 'none.py:net'\ntarget = 'cri'\n", 4, ["NMC-I001", "none.py"]),
    "missing package": ("model = 'no_such_package.nets:net'\ntarget = 'cri'\n", 4, ["NMC-I030"]),
    "unknown target": (GOOD.replace("cri", "cry"), 2, ["NMC-T001"]),
    "unknown option": (GOOD + "options = { manager = 1 }\n", 2, ["NMC-T002"]),
    "option's value": (GOOD + "options = { timesteps = -1 }\n", 2, ["NMC-T002"]),
    "option's type": (GOOD + "options = { timesteps = '7' }\n", 4, ["NMC-R042", "wrong type"]),
    "missing calibration": (GOOD + "calibration = 'none.npz'\n", 4, ["NMC-R001"]),
    "missing input": (GOOD + "input = 'none.npz'\n", 4, ["NMC-R001"]),
    "input of another shape": (GOOD + "input = 'x.npy'\n", 4, ["NMC-R005"]),
    "nir for onnx": (GOOD + "nir = { dt = 1.0 }\n", 2, ["NMC-I042"]),
    "unknown nir option": (GOOD + "nir = { step = 1.0 }\n", 4, ["NMC-R042", "step"]),
    "state dict without code": (GOOD + "state_dict = 'w.pt'\n", 2, ["NMC-I031"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_cases_are_refused_by_name(name: str, tmp_path: Path) -> None:
    text, code, said = WRONG[name]
    case_of(tmp_path, text)
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 9, 9)))
    check_refused(tmp_path, code, *said)


def test_no_case_at_all(tmp_path: Path) -> None:
    check_refused(tmp_path, 4, "NMC-R040", "holds no case")
    assert "NMC-R040" in golden("check", tmp_path / "none").output
    (tmp_path / "folder.toml").mkdir()
    check_refused(tmp_path, 4, "NMC-R040", "cannot read the case")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_bytes(b"\xff\xfe")
    check_refused(tmp_path, 4, "NMC-R041")


def test_one_array_for_two_inputs(tmp_path: Path) -> None:
    (tmp_path / "sum.ir").write_text(
        'graph "sum" stage imported\ninput %a: f32[1,2]NC\ninput %b: f32[1,2]NC\n'
        '%s = add(%a, %b): f32[1,2]NC from "s"\n%r = relu(%s): f32[1,2]NC from "r"\noutput "y" = %r\n'
    )
    np.save(tmp_path / "x.npy", np.zeros((1, 2)))
    case_of(tmp_path, "model = 'sum.ir'\ntarget = 'cri'\ninput = 'x.npy'\n")
    check_refused(tmp_path, 4, "NMC-R004", "a, b")


DAMAGE = {
    "cut": lambda text: text[: len(text) // 2],
    "no object": lambda text: "[]",
    "another version": lambda text: text.replace('"format": 1', '"format": 2'),
    "a key more": lambda text: text.replace('"format": 1', '"format": 1, "more": 1'),
    "a number of text": lambda text: text.replace('"total": ', '"total": "', 1).replace(",", '",', 1),
    "an integer changed by hand": lambda text: json.dumps(by_hand(json.loads(text), "values", "1 2")),
    "an integer that is none": lambda text: json.dumps(by_hand(json.loads(text), "values", "x")),
    "an integer too large": lambda text: json.dumps(by_hand(json.loads(text), "values", " ".join(["9" * 30] * 20))),
    "a float that is none": lambda text: json.dumps(by_hand(json.loads(text), "floats", "nan")),
}


def by_hand(data: dict, key: str, row: str) -> dict:
    data["outputs"][0][key] = [row]
    return data


def test_damaged_records_are_named_and_update_writes_them_again(tmp_path: Path) -> None:
    case = small_case(tmp_path)
    assert golden("record", case).exit_code == 0
    expected = tmp_path / "small.expected.json"
    good = expected.read_bytes()
    for name, damage in DAMAGE.items():
        expected.write_text(damage(good.decode()))
        assert expected.read_bytes() != good
        done = golden("check", case)
        assert done.exit_code == 4 and "NMC-R044" in done.output, name
        done = golden("check", case, "--update")
        assert done.exit_code == 0 and "small: damaged, recorded" in done.output, name
        assert expected.read_bytes() == good


def test_a_case_that_cannot_run_stops_neither_the_others_nor_lets_anything_be_written(tmp_path: Path) -> None:
    case_of(tmp_path, "model = 'none.onnx'\ntarget = 'cri'\n")
    small_case(tmp_path)
    done = golden("record", tmp_path, "--jobs", 2)
    assert done.exit_code == 4 and "nothing was written" in done.output and "small: new (" in done.output
    assert not (tmp_path / "small.expected.json").exists()
    data = json.loads(golden("check", tmp_path, "--json", "--jobs", 2).stdout)
    assert (data["ok"], data["exit"]) == (False, 4)
    assert [(case["status"], case["errors"][0]["code"]) for case in data["cases"]] == [
        ("error", "NMC-I001"),
        ("new", "NMC-R043"),
    ]


@pytest.mark.parametrize(
    ("error", "exit_code", "code"), [(KeyError("x"), 1, "NMC-X001"), (MemoryError(), 5, "NMC-X002")]
)
def test_what_no_diagnostic_was_made_for_is_an_error_of_its_case(
    error: Exception, exit_code: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_case(tmp_path)

    def fail(case: object) -> None:
        raise error

    monkeypatch.setattr(runner, "run", fail)
    check_refused(tmp_path, exit_code, code, "small: error")


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import os, signal\n\n\ndef net():\n    os.kill(os.getpid(), signal.SIGKILL)\n")
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text("model = 'net.py:net'\ntarget = 'cri'\ninput_shapes = { x = [1, 2] }\n")
    done = golden("check", tmp_path, "--jobs", 2)
    assert done.exit_code == 5 and done.output.count("NMC-X002") == 2 and "Traceback" not in done.output

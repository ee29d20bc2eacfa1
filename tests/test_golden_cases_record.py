"""What `nmc golden` records, when it writes, how cases run side by side, and its JUnit report."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from golden_runs import facts, golden, small_case

import nmc.cli.golden as runner
from nmc.runtime import Session
from nmc.runtime.golden.case import Random, read_case
from nmc.runtime.golden.draw import draw
from nmc.runtime.golden.junit import Outcome, write_junit
from nmc.runtime.golden.recorded import read_recorded, record

pytestmark = pytest.mark.slow


def test_what_is_recorded_are_the_digests_of_a_run(tmp_path: Path) -> None:
    case = read_case(small_case(tmp_path))
    recorded = runner.run(case)
    program = runner.compiled(case)[0].program
    assert isinstance(case.input, Random)
    images = draw(case.input, {"image": (1, 8, 8)}, frozenset(), "")["image"]
    result = Session(program).run(images, trace=True)
    logits = result.integers["logits"]
    (kept,) = recorded.outputs
    head = b"logits <i8 [2, 10]\n"
    assert kept.sha256 == hashlib.sha256(head + logits.astype("<i8").tobytes()).hexdigest()
    kept_integers = kept.integers()
    assert kept_integers is not None and np.array_equal(kept_integers, logits)
    assert np.array_equal(np.array(" ".join(kept.floats).split(), np.float32), result.outputs["logits"].reshape(-1))
    assert recorded.counters["spikes"] == result.counters["spikes"]
    assert [k.name for k in recorded.layers if not k.name.endswith(".potential")] == list(result.trace)
    assert record(program, None, {}).layers == ()


def test_record_check_update(tmp_path: Path) -> None:
    case = small_case(tmp_path)
    expected = tmp_path / "small.expected.json"
    done = golden("check", tmp_path)
    assert done.exit_code == 4 and "NMC-R043" in done.output and not expected.exists()
    assert "small: new, recorded" in golden("record", tmp_path).output
    first = expected.read_bytes()
    assert golden("check", tmp_path).exit_code == 0
    small_case(tmp_path, seed=2)
    done = golden("check", tmp_path)
    assert done.exit_code == 1 and "note: input/image is another one" in done.output and expected.read_bytes() == first
    done = golden("check", tmp_path, "--update")
    assert done.exit_code == 0 and "small: changed, recorded" in done.output
    assert "output logits:" in done.output and expected.read_bytes() != first
    assert golden("check", case, "--quiet").output == ""
    small_case(tmp_path, seed=1)
    assert facts("record", tmp_path)["written"] == [str(expected)]
    assert expected.read_bytes() == first
    text = first.decode()
    data = json.loads(text)
    assert list(data) == sorted(data) and '"shape": [2, 10]' in text and text.endswith("}\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["small.expected.json", "small.toml"]


def test_two_cases_at_once_give_what_they_give_alone(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        small_case(tmp_path, name, seed)
        assert golden("record", tmp_path / f"{name}.toml").exit_code == 0
    found = facts("check", tmp_path, "--jobs", 2)
    assert found["ok"] and [case["name"] for case in found["cases"]] == ["a", "b"]


def test_cases_do_not_see_what_the_code_of_others_has_imported(tmp_path: Path) -> None:
    for name, features in (("a", 3), ("b", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "sizes.py").write_text(f"FEATURES = {features}\n")
        (tmp_path / name / "net.py").write_text(
            "import torch\nfrom sizes import FEATURES\n\n\ndef net():\n    layer = torch.nn.Linear(2, FEATURES)\n"
            "    torch.nn.init.ones_(layer.weight)\n    torch.nn.init.zeros_(layer.bias)\n    return layer.eval()\n"
        )
        (tmp_path / f"{name}.toml").write_text(
            f"model = '{name}/net.py:net'\ntarget = 'akida'\ninput_shapes = {{ input = [1, 2] }}\n"
            "input = { random = 'uniform', seed = 0, samples = 1 }\n"
        )
    done = golden("record", tmp_path)
    assert done.exit_code == 0, done.output
    sizes = [read_recorded(tmp_path / f"{name}.expected.json").outputs[0].shape[-1] for name in "ab"]
    assert sizes == [3, 5]


def test_the_junit_report_tells_failures_from_errors(tmp_path: Path) -> None:
    def reported(code: int) -> tuple[list[str | None], Any]:
        report = tmp_path / "report.xml"
        assert golden("check", tmp_path, "--junit", report).exit_code == code
        (suite,) = ElementTree.parse(report).getroot()
        (test,) = suite
        assert test.get("name") == "case" and float(str(test.get("time"))) >= 0
        return [suite.get(key) for key in ("tests", "failures", "errors")], test

    case = small_case(tmp_path, "case")
    assert golden("record", case).exit_code == 0
    counts, test = reported(0)
    assert counts == ["1", "0", "0"] and len(test) == 0
    small_case(tmp_path, "case", seed=9)
    counts, test = reported(1)
    assert counts == ["1", "1", "0"]
    assert test.find("failure").get("message").startswith("first layer that differs: node_relu")
    assert "counter spikes: was" in test.find("failure").text
    case.write_text("model = 'x'\ntarget = 'cri'\n'\\u0001' = 1\n")
    counts, test = reported(4)
    assert counts == ["1", "0", "1"]
    assert "NMC-R042" in test.find("error").text
    done = golden("check", case, "--junit", tmp_path / "no" / "r.xml")
    assert done.exit_code == 4 and "NMC-F014" in done.output


def test_a_report_holds_whatever_text_it_is_given(tmp_path: Path) -> None:
    tests = [Outcome("x\0<y>", 1.0, "first\x01 ]]>\nsecond \ud800"), Outcome("z", 2.0)]
    write_junit(tmp_path / "r.xml", "a & b", tests)
    (suite,) = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert (suite.get("name"), suite.get("time"), suite[0].get("name")) == ("a & b", "3.000", "x?<y>")
    failure = suite[0].find("failure")
    assert failure is not None and failure.text == "first? ]]>\nsecond ?" and failure.get("message") == "first? ]]>"


def test_draws_are_those_of_the_raw_stream() -> None:
    uniform = draw(Random("uniform", 5, 2), {"x": (3,), "y": ()}, frozenset(), "")
    raw = np.random.PCG64(5).random_raw(8) >> np.uint64(40)
    assert np.array_equal(np.concatenate([uniform["x"].reshape(-1), uniform["y"]]), (raw / 2**24).astype(np.float32))
    assert uniform["x"].dtype == np.float32 and uniform["x"].shape == (2, 3)
    events = draw(Random("events", 5, 2, timesteps=4, rate=0.5), {"x": (7, 3)}, frozenset(["x"]), "")["x"]
    assert events.shape == (2, 4, 3) and set(np.unique(events)) == {0.0, 1.0}
    # The numbers themselves: another numpy must give them, too.
    assert (raw[:3].tolist(), int(events.sum())) == ([13505707, 13554997, 8645728], 13)

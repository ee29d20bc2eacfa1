"""`nmc golden check`: the project's own zoo is as recorded; what counts as a change and what does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_runs import ZOO, golden, plant, small_case, zoo_case

from nmc.runtime.program import CriProgram

pytestmark = pytest.mark.slow

QUICK = ("digits_t7", "digits_residual_t7", "gestures", "gestures_events", "moving_events_16", "moving_events_8")


@pytest.mark.parametrize("name", QUICK)
def test_the_zoo_is_as_recorded(name: str) -> None:
    done = golden("check", ZOO / f"{name}.toml")
    assert done.exit_code == 0, done.output


def test_a_program_that_changed_with_identical_outputs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = zoo_case(tmp_path, "gestures")
    plant(monkeypatch, lambda p: replace(p, layers=(replace(p.layers[0], origin=("elsewhere",)), *p.layers[1:])))
    done = golden("check", case)
    assert done.exit_code == 1 and "  program changed, outputs identical\n" in done.output


def test_small_outputs_say_by_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case(tmp_path)
    assert golden("record", case).exit_code == 0

    def more(program: CriProgram) -> CriProgram:
        readout = program.readouts[0]
        offset = readout.offset + np.array([2, *[0] * 9])
        return replace(program, readouts=(replace(readout, offset=offset),))

    plant(monkeypatch, more)
    done = golden("check", case)
    assert done.exit_code == 1 and "layer" not in done.output
    assert "output logits: 2 of 20 integers differ, by up to 2; the first, [0, 0], was " in done.output


def test_versions_alone_are_no_change_and_floats_may_differ_in_their_last_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = zoo_case(tmp_path, "digits_t7")
    plant(monkeypatch, lambda p: replace(p, provenance={**p.provenance, "numpy": "9.9", "nmc": "7"}))
    assert golden("check", case).exit_code == 0
    path = case.with_suffix(".expected.json")
    data = json.loads(path.read_text())
    exact = [float(number) for row in data["outputs"][0]["floats"] for number in row.split()]
    for factor, code in ((1 + 1e-7, 0), (1.001, 1)):
        data["outputs"][0]["floats"] = [" ".join(f"{number * factor:.9g}" for number in exact)]
        path.write_text(json.dumps(data))
        done = golden("check", case)
        assert done.exit_code == code, done.output
    assert "output logits: integers are equal, " in done.output


def test_counters_are_compared_and_new_ones_are_a_note(tmp_path: Path) -> None:
    case = zoo_case(tmp_path, "digits_t7")
    path = case.with_suffix(".expected.json")
    data = json.loads(path.read_text())
    spikes = data["counters"]["spikes"]
    path.write_text(json.dumps({**data, "counters": {**data["counters"], "spikes": spikes - 1}}))
    done = golden("check", case)
    assert done.exit_code == 1 and f"counter spikes: was {spikes - 1}, is {spikes}" in done.output
    del data["counters"]["spikes"]
    path.write_text(json.dumps(data))
    done = golden("check", case)
    assert done.exit_code == 0 and "note: counters that were not recorded: spikes" in done.output
    assert "digits_t7: same, recorded" in golden("check", case, "--update").output
    assert "note" not in golden("check", case).output

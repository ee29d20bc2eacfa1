"""What the hardware needs for a program, in the commands: `nmc inspect --memory` and `nmc simulate --cost`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from akida_programs import random_frames, random_program
from click.testing import CliRunner, Result

from nmc.backends.cri.image import footprint_of
from nmc.backends.cri.placement import place
from nmc.cli.main import main
from nmc.compiler import compile_model
from nmc.runtime import Session, load
from nmc.runtime.cost import Meter
from nmc.runtime.program import save

EXAMPLES = Path(__file__).parent.parent / "examples"


def nmc(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("digits") / "digits.nmc"
    save(compile_model(EXAMPLES / "digits/digits.onnx", "cri", timesteps=3), path)
    return path


def test_memory_shows_rows_in_the_programs_order_placed_and_the_least(digits: Path) -> None:
    rows = {row["sources"]: row for row in json.loads(nmc("inspect", digits, "--memory", "--json").stdout)["memory"]}
    whole = rows["all"]
    assert whole["natural"] > whole["placed"] >= whole["least"]
    for column in ("synapses", "natural", "placed", "least"):
        assert whole[column] == sum(r[column] for name, r in rows.items() if name not in ("all", "share of a core"))
    assert rows["share of a core"]["placed"].endswith("%")
    assert "rows of memory" in nmc("inspect", digits, "--memory").stdout
    assert json.loads(nmc("inspect", digits, "--json").stdout)["memory"] == []


def test_cost_counts_every_step_of_every_sample(digits: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((5, 1, 8, 8))
    np.save(tmp_path / "x.npy", images)
    counted = json.loads(nmc("simulate", digits, "--input", tmp_path / "x.npy", "--cost", "--json").stdout)
    found, program = counted["counters"]["hardware"], load(digits)
    assert found["hbm_access"] == sum(step["hbm_access"] for step in found["by_step"])
    assert len(found["by_step"]) == program.steps
    meter = Meter(footprint_of(program, place(program)), program.profile)
    batched = Session(program).run(images, batch=2, meter=meter).counters["hardware"]
    assert batched == found
    assert "memory accesses of 64 bytes" in nmc("simulate", digits, "--input", tmp_path / "x.npy", "--cost").stdout
    plain = json.loads(nmc("simulate", digits, "--input", tmp_path / "x.npy", "--json").stdout)
    assert "hardware" not in plain["counters"]


def test_cost_is_for_cri_programs(tmp_path: Path) -> None:
    program = random_program(0)
    save(program, tmp_path / "a.nmc")
    np.savez(tmp_path / "x.npz", **random_frames(program, 0))
    done = nmc("simulate", tmp_path / "a.nmc", "--input", tmp_path / "x.npz", "--cost", "--json")
    assert (done.exit_code, json.loads(done.stdout)["errors"][0]["code"]) == (2, "NMC-X004")

"""Sweeps over options: rows, files, plots, points that are not supported, and sweeps that go on."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result
from test_evaluate import DIGITS, check_fails, load_split

from nmc.cli.main import main
from nmc.cli.sweep.grid import parse_grid
from nmc.cli.sweep.point import Source, compile_point
from nmc.compiler import compile_model
from nmc.runtime.classify import accuracy, decide
from nmc.runtime.evaluate import evaluate
from nmc.runtime.float_model import FloatModel
from nmc.runtime.labelled import LabelledArrays
from nmc.runtime.parallel.pool import open_pool
from nmc.runtime.plot import front
from nmc.runtime.program import NmcError
from nmc.runtime.program.container import digest, load

pytestmark = pytest.mark.slow

SAMPLES = 40


def sweep(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["sweep", *(str(argument) for argument in arguments)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Any, ...]:
    """The arguments for the digits: model, target, data, calibration."""
    train, _, images, labels = load_split()
    np.savez(tmp_path / "d.npz", image=images[:SAMPLES], labels=labels[:SAMPLES])
    np.save(tmp_path / "c.npy", train[:50])
    return DIGITS, "--target", "cri", "--data", tmp_path / "d.npz", "--calibration", tmp_path / "c.npy"


def untimed(facts: dict[str, Any]) -> Any:
    """What does not depend on the machine, the pool, or what was there before."""
    rows = [{name: v for name, v in row.items() if not name.endswith("seconds")} for row in facts["rows"]]
    return rows, facts["diagnostics"], facts["parts"]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# --- grids ---


def test_a_grid_is_every_combination() -> None:
    points = parse_grid(["timesteps=3, 7", "weight-bits=4,8", "ranges=mse"], "cri")
    assert points == [{"timesteps": t, "weight_bits": b, "ranges": "mse"} for t in (3, 7) for b in (4, 8)]
    assert parse_grid(["host_fallback=on,false"], "akida") == [{"host_fallback": True}, {"host_fallback": False}]


@pytest.mark.parametrize(
    ("grid", "code", "text"),
    [
        ("timesteps=", "R076", "''"),
        ("timesteps", "R076", "''"),
        ("timesteps=3,x", "R076", "'x'"),
        ("timesteps=3.5", "R076", "'3.5'"),
        ("timesteps=3,3", "R076", "twice"),
        ("timestep=3", "T002", "did you mean"),
        ("=3", "T002", "''"),
    ],
)
def test_wrong_grids_are_told(grid: str, code: str, text: str) -> None:
    with pytest.raises(NmcError) as caught:
        parse_grid(["profile=sim", grid, "profile=sim"], "cri")
    found = caught.value.diagnostics
    assert [d.code for d in found] == [f"NMC-{code}", "NMC-R076"] and caught.value.exit_code == 2
    assert text in str(found[0]) and "given twice" in str(found[1])


# --- rows ---


def test_rows_say_what_single_runs_say(files: tuple[Any, ...], tmp_path: Path) -> None:
    arguments = (*files, "--grid", "timesteps=1,3", "--resume", tmp_path / "kept", "--part", 15)
    done = sweep(*arguments, "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    train, _, images, labels = load_split()
    data = LabelledArrays({"image": images[:SAMPLES]}, labels[:SAMPLES])
    for row, timesteps in zip(facts["rows"], (1, 3), strict=True):
        program = compile_model(DIGITS, "cri", calibration=train[:50], timesteps=timesteps)
        wanted = evaluate(program, data, model=FloatModel(DIGITS))
        assert wanted.model is not None
        assert row["timesteps"] == timesteps and row["diagnostics"] == "" and row["samples"] == SAMPLES
        assert row["accuracy_largest"] == accuracy(data.labels, decide(wanted.program["largest"]))
        assert row["float_largest"] == accuracy(data.labels, decide(wanted.model["largest"]))
        assert row["agreement_largest"] == wanted.agreement("largest")
        assert row["neurons"] == len(program.neuron_model) and row["machine_steps"] == program.steps
        assert row["weight_bytes"] == 2 * row["synapses"] == 2 * (program.axons.synapses + program.neurons.synapses)
        for name in ("spikes", "synaptic_events"):
            assert row[name] == wanted.counters[name] / SAMPLES
        assert row["compile_seconds"] > 0 < row["simulate_seconds"]
        kept = [load(path) for path in (tmp_path / "kept").glob("*.nmc")]
        assert digest(program) in map(digest, kept)
        shown = json.loads(CliRunner().invoke(main, simulated(tmp_path, digest(program))).stdout)
        assert row["hbm_access"] * SAMPLES == shown["counters"]["hardware"]["hbm_access"]
    again = json.loads(sweep(*arguments, "--json").stdout)
    assert (facts["resumed"], again["resumed"], again["parts"]) == (0, 6, 6)
    assert again["rows"] == facts["rows"]


def simulated(folder: Path, wanted: str) -> list[str]:
    """`nmc simulate --cost` of the kept program with that digest, on the samples of the sweep."""
    (program,) = (path for path in (folder / "kept").glob("*.nmc") if digest(load(path)) == wanted)
    np.save(folder / "x.npy", np.load(folder / "d.npz")["image"])
    return ["simulate", str(program), "--input", str(folder / "x.npy"), "--cost", "--json"]


def test_points_that_are_not_supported_are_rows(files: tuple[Any, ...], tmp_path: Path) -> None:
    arguments = (*files, "--grid", "weight_bits=8,9", "--grid", "timesteps=1", "--no-float")
    done = sweep(*arguments, "-o", tmp_path / "r.csv", "--plot", tmp_path / "r.png")
    assert done.exit_code == 0 and "NMC-T002" in done.stdout and "weight_bits must be" in done.stdout
    good, bad = table(tmp_path / "r.csv")
    assert (good["diagnostics"], bad["diagnostics"]) == ("", "NMC-T002")
    assert float(good["accuracy_largest"]) > 0.5 and bad["accuracy_largest"] == bad["spikes"] == ""
    assert "float_largest" not in good and (tmp_path / "r.png").read_bytes()[:4] == b"\x89PNG"


def test_a_sweep_without_any_supported_point_fails(files: tuple[Any, ...], tmp_path: Path) -> None:
    done = sweep(
        *files, "--grid", "weight_bits=9,10", "--plot", tmp_path / "r.png", "-o", tmp_path / "r.json", "--json"
    )
    facts = json.loads(done.stdout)
    assert done.exit_code == 2 and not facts["ok"] and not (tmp_path / "r.png").exists()
    assert [[d["code"] for d in found] for found in facts["diagnostics"]] == [["NMC-T002"], ["NMC-T002"]]
    assert json.loads((tmp_path / "r.json").read_text())["rows"] == facts["rows"]


def test_what_is_wrong_with_outputs_and_samples_is_in_the_rows(files: tuple[Any, ...]) -> None:
    done = sweep(*files, "--grid", "timesteps=1", "--output", "none")
    check_fails(done, 2, "NMC-R023")


def test_an_option_may_be_a_bad_value_of_the_right_type() -> None:
    made = compile_point(Source(str(DIGITS), "cri"), {"profile": "none"}, None)
    assert [d.code for d in made.problems] == ["NMC-T002"] and made.content is None
    sent = compile_point(Source(str(DIGITS), "cri"), {"timesteps": 1}, None)
    assert sent.content is not None and not sent.problems


# --- files ---


def test_results_have_the_same_numbers_in_every_format(files: tuple[Any, ...], tmp_path: Path) -> None:
    arguments = (*files, "--grid", "timesteps=1,2", "--grid", "weight_bits=8,9", "--resume", tmp_path / "kept")
    for name in ("r.csv", "r.parquet", "r.json"):
        assert sweep(*arguments, "-o", tmp_path / name, "--quiet").output == ""
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert pyarrow.parquet.read_table(tmp_path / "r.parquet").to_pylist() == rows
    assert table(tmp_path / "r.csv") == [{name: "" if v is None else str(v) for name, v in row.items()} for row in rows]


def test_plots_show_a_cost(files: tuple[Any, ...], tmp_path: Path) -> None:
    arguments = (*files, "--grid", "timesteps=1,2", "--resume", tmp_path / "kept")
    for name in ("a.svg", "b.svg"):
        assert sweep(*arguments, "--plot", tmp_path / name, "--cost", "timesteps").exit_code == 0
    assert b"<svg" in (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    check_fails(sweep(*arguments, "--plot", tmp_path / "c.pdf", "--cost", "macs"), 2, "NMC-R076", "no row has")


def test_the_front_is_what_no_other_point_beats() -> None:
    assert front([(3.0, 90.0), (1.0, 80.0), (2.0, 70.0), (4.0, 90.0), (1.0, 85.0), (5.0, 91.0)]) == [4, 0, 5]


def test_what_cannot_be_written_is_told_before_the_first_point(
    files: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = (*files, "--grid", "timesteps=1")
    check_fails(sweep(*base, "-o", tmp_path / "r.xlsx"), 2, "NMC-R076", "'.xlsx'")
    check_fails(sweep(*base, "--plot", tmp_path / "r.bmp"), 2, "NMC-R076", "'.bmp'")
    check_fails(sweep(*base, "--plot", tmp_path / "r.png", "--cost", "beauty"), 2, "NMC-R076", "'beauty'")
    check_fails(sweep(*base, "--resume", tmp_path / "d.npz"), 2, "--resume")
    check_fails(sweep(*base[:3], "--data", tmp_path / "none.npz", "--grid", "timesteps=1"), 4, "NMC-R001")
    check_fails(sweep(tmp_path / "none.onnx", *base[1:]), 4, "NMC-I001")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_fails(sweep(*base, "-o", tmp_path / "r.parquet"), 2, "NMC-R070", "nmc[dask]")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    check_fails(sweep(*base, "--plot", tmp_path / "r.png"), 2, "NMC-R070", "nmc[report]")


def test_a_kept_program_that_was_changed_is_told(files: tuple[Any, ...], tmp_path: Path) -> None:
    arguments = (*files, "--grid", "timesteps=1,2", "--limit", 5, "--resume", tmp_path / "kept")
    assert sweep(*arguments).exit_code == 0
    programs = sorted((tmp_path / "kept").glob("*.nmc"))
    programs[0].write_bytes(programs[1].read_bytes())
    check_fails(sweep(*arguments), 4, "NMC-R073", "not the one that was made here")


# --- several processes ---


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_processes_give_the_same_rows(files: tuple[Any, ...]) -> None:
    arguments = (*files, "--grid", "timesteps=1,2", "--grid", "weight_bits=8,9", "--part", 10, "--json")
    here = json.loads(sweep(*arguments).stdout)
    with open_pool(2) as pool:
        address = pool.client.scheduler.address.replace("tcp://", "dask://")
        there = sweep(*arguments, "--workers", address)
        assert there.exit_code == 0, there.output
        assert untimed(json.loads(there.stdout)) == untimed(here)

"""Commands on networks that need host segments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from golden_runs import golden
from hybrid_nets import NETS, compiled, samples_for

from nmc.cli.main import main
from nmc.runtime import load
from nmc.runtime.program import HybridProgram
from nmc.runtime.program.hybrid_work import work

pytestmark = pytest.mark.slow


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


def facts(*arguments: object) -> dict[str, Any]:
    done = nmc(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gated_image and pooled_clip as models, programs, samples."""
    folder = tmp_path_factory.mktemp("hybrid")
    for name in ("gated_image", "pooled_clip"):
        model, program = NETS[name]().save(folder, f"{name}.onnx"), folder / f"{name}.nmc"
        samples = samples_for(compiled(name).imported, 4)
        np.savez(folder / f"{name}.npz", **samples)
        calibration = folder / f"{name}.npz"
        facts("compile", model, "--target", "akida", "--host-fallback", "--calibration", calibration, "-o", program)
    return folder


def test_compile_says_what_the_host_does(folder: Path) -> None:
    model = folder / "gated_image.onnx"
    refused = nmc("compile", model, "--target", "akida", "-o", folder / "no.nmc")
    assert refused.exit_code == 3 and "--host-fallback runs it on the host" in refused.output
    assert not (folder / "no.nmc").exists()
    done = nmc("compile", model, "--target", "akida", "--host-fallback", "-o", folder / "again.nmc")
    assert done.exit_code == 0 and "3 device segments, 3 host segments" in done.output
    assert "on the host: " in done.output and "bytes cross in a frame" in done.output
    refused = nmc("compile", model, "--target", "cri", "--host-fallback")
    assert refused.exit_code == 2 and "NMC-T002" in refused.output


@pytest.mark.parametrize("name", ["gated_image", "pooled_clip"])
def test_inspect_and_check_list_segments(folder: Path, name: str) -> None:
    program = load(folder / f"{name}.nmc")
    assert isinstance(program, HybridProgram)
    found = facts("inspect", folder / f"{name}.nmc")
    checked = facts("check", folder / f"{name}.onnx", "--target", "akida", "--host-fallback")
    for listed in (found, checked):
        rows = listed["segments"]
        assert [row["segment"] for row in rows] == [segment.name for segment in program.segments]
        assert [(row["MACs"], row["in B"], row["out B"]) for row in rows] == [
            (w.macs, w.bytes_in, w.bytes_out) for w in work(program)
        ]
        assert abs(sum(row["share"] for row in rows) - 1) < 1e-3
        operations = [(row["segment"], row["operation"], row["why"]) for row in listed["host operations"]]
        assert operations == [(s.name, op.name, op.why) for s in program.hosts for op in s.ops]
    layers = {f"{s.name}/{layer.name}" for s in program.devices for layer in s.program.layers}
    assert {row["layer"] for row in found["layers"]} == layers
    shown = nmc("inspect", folder / f"{name}.nmc").output
    assert "host operations" in shown and "segments" in shown and f"output {program.outputs[0].name}" in shown
    again = nmc("check", folder / f"{name}.nmc")
    assert again.exit_code == 0 and "host1" in again.output
    assert nmc("check", folder / f"{name}.nmc", "--host-fallback").exit_code == 2


def test_check_lists_segments_that_exceed_a_device(tmp_path: Path) -> None:
    from hybrid_nets import conv, gate

    from onnx_models import Net

    net = Net(17)
    x = net.op("Relu", conv(net, net.input("image", (1, 3, 32, 32)), 8, 3))
    net.output(conv(net, gate(net, x, 8), 4, 8), "y")
    done = nmc("check", net.save(tmp_path), "--target", "akida", "--host-fallback")
    assert done.exit_code == 5 and "averaged X·Y" in done.output and "host operations" in done.output


def test_simulate_writes_outputs_and_trace(folder: Path, tmp_path: Path) -> None:
    counters = facts(
        *("simulate", folder / "gated_image.nmc", "--input", folder / "gated_image.npz"),
        *("-o", tmp_path / "out.npz", "--trace", "--engine", "reference"),
    )["counters"]
    assert counters["samples"] == 4 and counters["macs_host"] > 0
    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["scores"].shape == (4, 5) and "scores.int" not in arrays.files
        assert np.allclose(arrays["scores"].sum(axis=1), 1)
        assert arrays["trace/host3/softmax"].dtype == np.float32 if "trace/host3/softmax" in arrays.files else True
    with_integers = facts(
        *("simulate", folder / "pooled_clip.nmc", "--input", folder / "pooled_clip.npz"),
        *("-o", tmp_path / "clip.npz", "--engine", "reference"),
    )
    assert with_integers["counters"]["frames"] == load(folder / "pooled_clip.nmc").stream_length
    with np.load(tmp_path / "clip.npz") as arrays:
        assert arrays["maps.int"].shape == arrays["maps"].shape


@pytest.mark.parametrize("name", ["gated_image", "pooled_clip"])
def test_verify_compares_every_layer_and_host_value(folder: Path, name: str) -> None:
    found = facts(
        *("verify", folder / f"{name}.onnx", folder / f"{name}.nmc", "--input", folder / f"{name}.npz"),
        *("--threshold", 10),
    )
    program = load(folder / f"{name}.nmc")
    rows = {row["name"] if "name" in row else row["layer"]: row for row in found["layers"]}
    for segment in program.hosts:
        assert all(f"{segment.name}/{value}" in rows for value in segment.gives)
    for segment in program.devices:
        assert all(f"{segment.name}/{x.name}" in rows for x in segment.program.layers if x.kind != "Dequantizer")


def test_evaluate_scores_a_hybrid_program(folder: Path, tmp_path: Path) -> None:
    with np.load(folder / "gated_image.npz") as arrays:
        np.savez(tmp_path / "labelled.npz", image=arrays["image"], labels=np.arange(4))
    program, model = folder / "gated_image.nmc", folder / "gated_image.onnx"
    shown = nmc("evaluate", program, "--data", tmp_path / "labelled.npz", "--model", model)
    assert shown.exit_code == 0 and "4 samples, 5 classes" in shown.output


def test_export_writes_a_file_for_each_segment(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    files = facts("export", folder / "gated_image.nmc", "--format", "akida-json", "-o", out)["files"]
    names = {Path(file["path"]).name for file in files}
    assert {"device1.akida.json", "device2.akida.json", "host1.onnx", "host3.onnx"} < names
    onnx.checker.check_model(str(out / "host1.onnx"))
    refused = nmc("export", folder / "gated_image.nmc", "--format", "hbm")
    assert refused.exit_code == 2 and "NMC-X003" in refused.output


def test_diff_names_what_changed(folder: Path) -> None:
    program = folder / "gated_image.nmc"
    assert nmc("diff", program, program).exit_code == 0
    other = folder / "coarse.nmc"
    facts(
        *("compile", folder / "gated_image.onnx", "--target", "akida", "--host-fallback", "--ranges", "minmax"),
        *("--calibration", folder / "gated_image.npz", "-o", other),
    )
    changed = nmc("diff", program, other)
    assert changed.exit_code == 1 and "device1/" in changed.output
    assert nmc("diff", program, folder / "pooled_clip.nmc").exit_code == 1


def test_golden_cases_with_host_segments(folder: Path, tmp_path: Path) -> None:
    case = tmp_path / "gated.toml"
    case.write_text(
        f'model = "{folder / "gated_image.onnx"}"\ntarget = "akida"\noptions = {{ host_fallback = true }}\n'
        'calibration = { random = "uniform", seed = 0, samples = 4 }\n'
        'input = { random = "uniform", seed = 1, samples = 2 }\n'
    )
    assert golden("record", tmp_path).exit_code == 0
    assert golden("check", tmp_path).exit_code == 0
    recorded = json.loads((tmp_path / "gated.expected.json").read_text())
    assert any(part["name"] == "segment host1" for part in recorded["parts"])
    assert any(part["name"].startswith("segment device1, layer ") for part in recorded["parts"])
    assert [output["name"] for output in recorded["outputs"]] == ["scores"]
    case.write_text(case.read_text().replace("host_fallback = true", 'host_fallback = true, ranges = "minmax"'))
    assert golden("check", tmp_path).exit_code == 1

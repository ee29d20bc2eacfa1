"""`nmc check`: what fits, what does not and why, with the exit code that says so; nothing is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_akida_lint import EVERY_KIND, conv
from test_cli import DIGITS, check_fails, model_file, nmc

from nmc import compiler
from nmc.backends.akida.devices import DEVICES, not_checked
from nmc.backends.akida.lint import diagnostics, lint
from nmc.compiler import target as targets
from nmc.compiler.diagnostics import limit
from nmc.compiler.passes.base import Declined
from nmc.runtime.program import AkidaProgram, save


class Linted:
    """A target with devices: what `nmc check` needs of one to look at a program."""

    name = "akida"
    devices = tuple(DEVICES)

    def lint(self, program: AkidaProgram, device: str) -> Any:
        return diagnostics(lint(program, device), device)

    def not_checked(self, device: str) -> tuple[str, ...]:
        return not_checked(device)


@pytest.fixture
def linted(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = targets.find_target
    monkeypatch.setattr(targets, "find_target", lambda name: Linted() if name == "akida" else installed(name))


@pytest.fixture
def fitting(tmp_path: Path) -> Path:
    save(EVERY_KIND.program(), tmp_path / "fits.nmc")
    return tmp_path / "fits.nmc"


@pytest.fixture
def exceeding(tmp_path: Path) -> Path:
    program = conv((9, 9, 2049), kernel_stride=3, padding="valid")
    layers = (program.layers[0], replace(program.layers[1], origin=("body.conv",)))
    save(replace(program, layers=layers), tmp_path / "large.nmc")
    return tmp_path / "large.nmc"


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- networks ---


def test_a_network_that_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = nmc("check", DIGITS, "--target", "cri", "--profile", "hw2024")
    assert done.exit_code == 0, done.output
    assert "compiles for cri (profile hw2024)" in done.output and "neurons" in done.output
    assert "calibration" not in done.output
    data = json.loads(nmc("check", DIGITS, "--target", "cri", "--json").stdout)
    assert (data["ok"], data["problems"], data["device"], data["profile"]) == (True, [], None, "sim")
    assert data["neurons"] > 1000 and len(data["not checked"]) == 1
    assert nmc("check", DIGITS, "--target", "cri", "--quiet").output == ""
    assert files(tmp_path) == []


def test_a_network_that_is_not_supported(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.onnx", "Softplus")
    check_fails(nmc("check", path, "--target", "cri"), 3, "error[NMC-", "act")
    check_fails(nmc("check", path, "--target", "cri", "--quiet"), 3, "error[NMC-")
    done = nmc("check", path, "--target", "cri", "--json")
    data = json.loads(done.stdout)
    assert (done.exit_code, data["exit"], data["ok"], data["target"]) == (3, 3, False, "cri")
    compiled = nmc("compile", path, "--target", "cri", "--json", "-o", tmp_path / "p.nmc")
    assert data["problems"] == json.loads(compiled.stdout)["errors"]
    assert files(tmp_path) == ["model.onnx"]


def test_a_network_that_exceeds_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = model_file(tmp_path / "model.onnx")
    assert nmc("check", path, "--target", "cri", "--profile", "hw2024").exit_code == 0
    monkeypatch.setattr("nmc.backends.cri.target.check_limits", too_large)
    done = nmc("check", path, "--target", "cri", "--profile", "hw2024", "--json")
    assert done.exit_code == 5
    assert json.loads(done.stdout)["problems"][0]["code"] == "NMC-C005"


def too_large(program: Any) -> None:
    raise limit("NMC-C005", "the network needs 2 neurons, a core holds 1")


def test_rewrites_that_were_declined_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def declining(*arguments: Any, **options: Any) -> Any:
        done = compile_verbose(*arguments, **options)
        return replace(done, declined=(Declined("fold", "conv1", "it is shared"),), warnings=("mind the gap",))

    compile_verbose = compiler.compile_verbose
    monkeypatch.setattr(compiler, "compile_verbose", declining, raising=False)
    done = nmc("check", DIGITS, "--target", "cri")
    assert done.exit_code == 0
    for text in ("declined", "conv1", "it is shared", "warning: mind the gap"):
        assert text in done.output
    data = json.loads(nmc("check", DIGITS, "--target", "cri", "--json").stdout)
    assert data["declined"] == [{"pass": "fold", "where": "conv1", "why": "it is shared"}]
    assert data["warnings"] == ["mind the gap"]


def test_other_errors_come_as_in_every_command(tmp_path: Path) -> None:
    path = model_file(tmp_path / "model.onnx", shape=("batch", "features"))
    check_fails(nmc("check", path, "--target", "cri"), 2, "--input-shape")
    assert nmc("check", path, "--target", "cri", "--input-shape", "x=1,4").exit_code == 0
    check_fails(nmc("check", tmp_path / "no.onnx", "--target", "cri"), 4, "NMC-I001")
    check_fails(nmc("check", tmp_path / "no.nmc"), 4, "NMC-F001")
    data = json.loads(nmc("check", tmp_path / "no.onnx", "--target", "cri", "--json").stdout)
    assert data["errors"][0]["code"] == "NMC-I001"


def test_usage() -> None:
    check_fails(nmc("check", DIGITS), 2, "--target")
    check_fails(nmc("check", DIGITS, "--target", "cry"), 2, "did you mean 'cri'")
    check_fails(nmc("check", DIGITS, "--target", "cri", "--device", "akida2"), 2, "NMC-T003", "has no devices")
    check_fails(nmc("check", DIGITS, "--target", "cri", "--profile", "hw"), 2, "NMC-T002")


# --- programs ---


@pytest.mark.usefixtures("linted")
def test_a_program_that_fits(fitting: Path) -> None:
    done = nmc("check", fitting)
    assert done.exit_code == 0, done.output
    assert "is a program for akida: 13 layers" in done.output
    assert "fits device akida2" in done.output and "not checked: memory" in done.output
    data = json.loads(nmc("check", fitting, "--device", "SixNodesIPv2", "--json").stdout)
    assert (data["ok"], data["device"], data["problems"]) == (True, "SixNodesIPv2", [])
    assert data["not checked"] == list(not_checked("SixNodesIPv2"))
    assert nmc("check", fitting, "--target", "akida", "--quiet").output == ""


@pytest.mark.usefixtures("linted")
def test_a_program_that_exceeds_limits(exceeding: Path) -> None:
    done = nmc("check", exceeding)
    check_fails(
        done, 5, "limits of device akida2 exceeded: 3", "your name", "body.conv", "1, 2 with kernel 3", "try for"
    )
    assert "not checked: memory" in done.output
    quiet = nmc("check", exceeding, "--quiet")
    check_fails(quiet, 5, "NMC-A010", "body.conv")
    assert quiet.stdout == ""


@pytest.mark.usefixtures("linted")
def test_limits_as_json(exceeding: Path) -> None:
    done = nmc("check", exceeding, "--json")
    data = json.loads(done.stdout)
    assert (done.exit_code, data["exit"], data["ok"], data["device"]) == (5, 5, False, "akida2")
    assert {problem["code"] for problem in data["problems"]} == {"NMC-A010"}
    assert {problem["where"] for problem in data["problems"]} == {"body.conv"}
    assert [problem["row"]["rule"] for problem in data["problems"]] == ["input channels", "stride", "padding"]
    assert data["not checked"]


@pytest.mark.usefixtures("linted")
def test_devices_that_take_no_program(fitting: Path) -> None:
    check_fails(nmc("check", fitting, "--device", "AKD1000"), 5, "Akida 1.0")
    check_fails(nmc("check", fitting, "--device", "SixNodes"), 2, "NMC-T003", "did you mean 'SixNodesIPv2'")
    check_fails(nmc("check", fitting, "--device", "PicoIP"), 2, "NMC-T003", "not published")


@pytest.mark.usefixtures("linted")
def test_a_program_has_its_own_options(fitting: Path) -> None:
    check_fails(nmc("check", fitting, "--target", "cri"), 2, "a program for target akida")
    check_fails(nmc("check", fitting, "--profile", "sim"), 2, "its profile, shapes")
    check_fails(nmc("check", fitting, "--input-shape", "1,4"), 2, "its profile, shapes")


def test_a_program_of_a_target_without_devices(tmp_path: Path) -> None:
    path = tmp_path / "p.nmc"
    assert nmc("compile", model_file(tmp_path / "m.onnx"), "--target", "cri", "-o", path).exit_code == 0
    done = nmc("check", path)
    assert done.exit_code == 0, done.output
    assert "is a program for cri (profile sim)" in done.output and "not checked: limits of a device" in done.output

"""`nmc export` and `nmc import` of Akida programs, and the example that hands the JSON to the vendor's package."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from test_akida_json import HOST, LAYERS, NOTED, ROOT
from test_akida_session import clips_of
from test_cri_reference import unary_program

from nmc.backends.akida.export import write_json
from nmc.cli.main import main
from nmc.runtime import Session
from nmc.runtime.program import AkidaProgram, load, save

SCRIPT = ROOT / "examples" / "akida_json" / "load_with_vendor.py"

# --- the commands ---


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program as net.nmc in the current folder."""
    monkeypatch.chdir(tmp_path)
    save(NOTED, tmp_path / "net.nmc")
    return tmp_path


def test_export_and_import(saved: Path) -> None:
    done = nmc("export", "net.nmc", "--format", "akida-json")
    assert done.exit_code == 0, done.output
    sizes = [f"{name}, {(saved / name).stat().st_size:,} bytes" for name in (LAYERS, HOST)]
    assert done.output == "".join(f"written: {size}\n" for size in sizes)
    done = nmc("import", LAYERS)
    assert done.exit_code == 0, done.output
    assert "net.akida.nmc: akida, 8 layers" in done.output and f"host file {HOST}" in done.output
    assert (saved / "net.akida.nmc").read_bytes() == (saved / "net.nmc").read_bytes()
    done = nmc("import", LAYERS, "--frames", 5)
    assert done.exit_code == 2 and "NMC-X004" in done.output


def test_import_without_a_host_file(saved: Path) -> None:
    nmc("export", "net.nmc", "--format", "akida-json", "-o", "a.json", "--akida-version", "2.20.1")
    (saved / "a.host.json").unlink()
    done = nmc("import", "a.json", "-o", "a.nmc")
    assert done.exit_code == 0 and "--frames N" in done.stderr and "no host file" in done.stdout
    done = nmc("import", "a.json", "-o", "b.nmc", "--frames", 5)
    assert done.exit_code == 0 and done.stderr == ""
    program = load(saved / "b.nmc")
    assert isinstance(program, AkidaProgram) and program.clip_length == 5
    assert nmc("inspect", "b.nmc").output.endswith(": import\n")
    clips = clips_of(0, 2)
    codes = np.clip(np.rint(clips / 0.25) + 3, -128, 127).transpose(0, 2, 3, 4, 1)
    expected = Session(NOTED).run(clips).outputs["scores"]
    np.testing.assert_array_equal(Session(program).run(codes).outputs["y"][:, :, 0, 0], expected.swapaxes(1, 2))


def test_one_json_object_or_nothing(saved: Path) -> None:
    done = nmc("export", "net.nmc", "--format", "akida-json", "--json")
    written = json.loads(done.stdout)
    assert written["ok"] and [file["path"] for file in written["files"]] == [LAYERS, HOST]
    assert [file["bytes"] for file in written["files"]] == [(saved / n).stat().st_size for n in (LAYERS, HOST)]
    done = nmc("import", LAYERS, "--json")
    assert json.loads(done.stdout)["host_file"] == HOST and json.loads(done.stdout)["layers"] == 8
    (saved / HOST).unlink()
    assert json.loads(nmc("import", LAYERS, "--json").stdout)["host_file"] is None
    for arguments in (["export", "net.nmc", "--format", "akida-json"], ["import", LAYERS]):
        assert nmc(*arguments, "--quiet").output == ""


def test_exit_codes(saved: Path) -> None:
    save(unary_program(), saved / "spikes.nmc")
    (saved / "bad.json").write_text("{}")
    (saved / "ill.json").write_text('{"layers": [3]}')
    cases = [
        (["export", "net.nmc"], 2, "--format"),
        (["export", "net.nmc", "--format", "fbz"], 2, "akida-json"),
        (["export", "spikes.nmc", "--format", "akida-json"], 2, "NMC-X003"),
        (["export", "net.nmc", "--format", "akida-json", "--akida-version", "new"], 2, "NMC-X004"),
        (["export", "none.nmc", "--format", "akida-json"], 4, "NMC-F001"),
        (["export", "net.nmc", "--format", "akida-json", "-o", "no/such.json"], 4, "NMC-F014"),
        (["import", "none.json"], 4, "NMC-F001"),
        (["import", "bad.json"], 4, "NMC-F020"),
        (["import", "net.nmc"], 4, "NMC-F020"),
        (["import", "ill.json"], 4, "NMC-F021"),
        (["import", "ill.json", "--frames", "0"], 2, "NMC-X004"),
    ]
    before = sorted(saved.iterdir())
    for arguments, code, text in cases:
        done = nmc(*arguments)
        assert (done.exit_code, "Traceback" in done.output) == (code, False), done.output
        assert text in done.output
    assert sorted(saved.iterdir()) == before


def test_outputs_survive_commands_that_fail(saved: Path) -> None:
    nmc("export", "net.nmc", "--format", "akida-json")
    kept = {name: (saved / name).read_bytes() for name in (LAYERS, HOST, "net.nmc")}
    (saved / "cut.nmc").write_bytes(kept["net.nmc"][:-9])
    assert nmc("export", "cut.nmc", "--format", "akida-json", "-o", LAYERS).exit_code == 4
    (saved / "cut.json").write_bytes(kept[LAYERS][:-9])
    assert nmc("import", "cut.json", "-o", "net.nmc").exit_code == 4
    assert {name: (saved / name).read_bytes() for name in kept} == kept


# --- the vendor's package ---


def test_the_script_says_that_the_package_is_absent(tmp_path: Path) -> None:
    """Python gets no such module to import, installed or not."""
    code = "import runpy, sys; sys.modules['akida'] = None; sys.argv = sys.argv[1:]; "
    code += "runpy.run_path(sys.argv[0], run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPT), LAYERS], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("the package 'akida' is not installed") and done.stderr.count("\n") == 1


class Documented:
    """A stand-in with the calls of the vendor's documentation."""

    def __init__(self, data: Any):
        self.data = data

    @classmethod
    def from_json(cls, text: str) -> Documented:
        return cls(json.loads(text))

    def save(self, path: str) -> None:
        Path(path).write_text(json.dumps(self.data))


@pytest.mark.parametrize("calls", ["from_json", "from_dict"])
def test_the_script_hands_the_layers_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: str) -> None:
    write_json(NOTED, tmp_path / LAYERS)
    older = SimpleNamespace(from_dict=Documented)
    monkeypatch.setitem(sys.modules, "akida", SimpleNamespace(Model=Documented if calls == "from_json" else older))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / LAYERS), str(tmp_path / "net.fbz")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert json.loads((tmp_path / "net.fbz").read_text()) == json.loads((tmp_path / LAYERS).read_text())


def test_the_script_says_what_it_does_not_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / LAYERS).write_text("{}")
    monkeypatch.setitem(sys.modules, "akida", SimpleNamespace(__version__="9.9"))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(tmp_path / LAYERS)])
    with pytest.raises(SystemExit, match=r"akida 9.9 has neither Model.from_json nor Model.from_dict"):
        runpy.run_path(str(SCRIPT), run_name="__main__")

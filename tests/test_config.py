"""Options from nmc.toml and pyproject.toml: where they are looked for, what wins, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from test_evaluate import DIGITS

from nmc.cli.main import main
from nmc.runtime.program import load


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a/b of a repository."""
    (tmp_path / ".git").mkdir()
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def nmc(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def settings(*before: object) -> dict[str, object]:
    """By "command option", what `nmc config` says."""
    done = nmc(*before, "config", "--json")
    assert done.exit_code == 0, done.output
    return {f"{row['command']} {row['option']}": row["value"] for row in json.loads(done.output)["options"]}


def check_refused(done: Result, code: int, *texts: str) -> None:
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    for text in texts:
        assert text in done.output, done.output


def test_a_program_is_compiled_as_the_file_says(place: Path) -> None:
    (place / "nmc.toml").write_text('[compile]\ntarget = "cri"\ntimesteps = 3\noutput = "p.nmc"\n')
    assert nmc("compile", DIGITS).exit_code == 0
    assert load(place / "p.nmc").provenance["options"]["timesteps"] == 3
    assert nmc("compile", DIGITS, "--timesteps", 1).exit_code == 0
    assert load(place / "p.nmc").provenance["options"]["timesteps"] == 1
    check_refused(nmc("--no-config", "compile", DIGITS), 2, "--target")


def test_the_nearest_file_counts(place: Path) -> None:
    assert settings() == {}
    (place.parents[2] / "nmc.toml").write_text("[live]\ntop = 9\n")  # above the repository
    assert settings() == {}
    (place.parents[1] / "pyproject.toml").write_text("[tool.nmc.live]\ntop = 4\n")
    assert settings() == {"live top": "4"}
    (place / "pyproject.toml").write_text("[project]\nname = 'nmc-user'\n")
    assert settings() == {"live top": "4"}
    (place / "pyproject.toml").write_text("[tool.other\n")
    assert settings() == {"live top": "4"}
    (place.parent / "nmc.toml").write_text("[live]\ntop = 5\n")
    (place.parent / "pyproject.toml").write_text("[tool.nmc.live]\ntop = 6\n")
    assert settings() == {"live top": "5"}
    assert settings("--config", place.parent / "pyproject.toml") == {"live top": "6"}
    assert settings("--no-config") == {}


def test_the_home_folder_is_the_last_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.parent / "nmc.toml").write_text("[live]\ntop = 5\n")
    monkeypatch.setenv("HOME", str(place))
    assert settings() == {}


def test_keys_outside_tables_are_for_all_commands_that_have_them(place: Path) -> None:
    (place / "nmc.toml").write_text("top = 3\njobs = 2\n[live]\ntop = 2\n[golden.check]\njobs = 4\nupdate = true\n")
    assert settings() == {
        "evaluate top": "3",
        "live top": "2",
        "golden record jobs": "2",
        "golden check jobs": "4",
        "golden check update": True,
    }
    shown = nmc("config").output
    assert shown.startswith(str(place / "nmc.toml")) and "golden.check" in shown


def test_paths_are_relative_to_the_file(place: Path) -> None:
    (place.parent / "nmc.toml").write_text(
        '[compile]\ncalibration = "c.npz"\ntarget = "cri"\ninput-shape = ["1,1,8,8"]\n'
    )
    found = settings()
    assert found["compile calibration"] == str(place.parent / "c.npz")
    assert (found["compile target"], found["compile input-shape"]) == ("cri", ["1,1,8,8"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[compile]\ntimestep = 1\n", "did you mean 'timesteps'?"),
        ("[compile]\ninput_shape = ['1,1']\n", "did you mean 'input-shape'?"),
        ("[compil]\ntimesteps = 1\n", "there is no command 'compil'"),
        ("[golden.chek]\njobs = 1\n", "golden.chek"),
        ("[golden]\ncheck = 1\n", "'check' is a command"),
        ("compile = 1\n", "'compile' is a command"),
        ("tpo = 1\n", "did you mean 'top'?"),
        ("[compile]\ntimesteps = 'x'\n", "not a valid integer"),
        ("[compile]\ntimesteps = true\n", "must be a text or a number"),
        ("[compile]\nverify-each = 'yes'\n", "must be true or false"),
        ("[compile]\ninput-shape = '1,1,8,8'\n", "must be a list of texts"),
        ("[live]\nfps = -1\n", "range"),
        ("[live]\nsensor = '12'\n", "WIDTHxHEIGHT"),
        ("[compile]\nhelp = true\n", "there is no option 'help'"),
    ],
)
def test_what_does_not_fit_is_named(place: Path, text: str, said: str) -> None:
    (place / "nmc.toml").write_text(text)
    check_refused(nmc("config"), 2, "NMC-X021", "nmc.toml", said)


def test_all_problems_at_once(place: Path) -> None:
    (place / "nmc.toml").write_text("tpo = 1\n[compile]\ntimestep = 1\nverify-each = 1\n[live]\nfps = -1\n")
    done = nmc("config", "--json")
    assert done.exit_code == 2 and len(json.loads(done.output)["errors"]) == 4
    check_refused(nmc("compile", DIGITS), 2, "tpo", "timestep", "verify-each")
    told = json.loads(nmc("compile", DIGITS, "--json").output)
    assert told["exit"] == 2 and {error["code"] for error in told["errors"]} == {"NMC-X021"}


def test_files_that_are_none(place: Path) -> None:
    check_refused(nmc("--config", "no.toml", "targets"), 4, "NMC-X020", "no.toml")
    (place / "nmc.toml").write_text("a = \n")
    check_refused(nmc("targets"), 4, "NMC-X020", "line 1")
    check_refused(nmc("config"), 4, "NMC-X020")
    (place / "nmc.toml").write_bytes(b"\xff")
    check_refused(nmc("targets"), 4, "NMC-X020")
    assert nmc("targets", "--help").exit_code == 0 and nmc("--help").exit_code == 0
    (place / "nmc.toml").unlink()
    (place / "pyproject.toml").write_text("[tool]\nnmc = 1\n")
    check_refused(nmc("targets"), 4, "NMC-X020", "no table")
    (place / "pyproject.toml").write_text("[tool.other]\n")
    check_refused(nmc("--config", "pyproject.toml", "targets"), 4, "NMC-X020", "[tool.nmc]")

"""The workflow for GitHub Actions in docs/golden.md: it is one, and its steps do what the page says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from golden_runs import golden, small_case

from nmc.cli.main import main

PAGE = Path(__file__).parent.parent / "docs" / "golden.md"


def workflow() -> dict[Any, Any]:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.S)
    return yaml.safe_load(text)


def test_the_workflow_has_all_that_github_asks_for() -> None:
    found = workflow()
    # YAML 1.1 reads the key `on` as true.
    assert set(found) == {"name", True, "permissions", "jobs"}
    assert found[True] == ["push", "pull_request"]
    for job in found["jobs"].values():
        assert set(job) == {"runs-on", "timeout-minutes", "steps"}
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))
    uses = [step.get("uses", "").split("@")[0] for step in found["jobs"]["golden"]["steps"]]
    assert uses == ["actions/checkout", "actions/setup-python", "", "", "actions/upload-artifact"]


@pytest.mark.slow
def test_the_command_of_the_workflow_runs_and_its_report_is_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = workflow()["jobs"]["golden"]["steps"]
    (command,) = [step["run"] for step in steps if step.get("run", "").startswith("nmc ")]
    (tmp_path / "golden").mkdir()
    case = small_case(tmp_path / "golden")
    assert golden("record", case).exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, shlex.split(command)[1:]).exit_code == 0
    report = tmp_path / steps[-1]["with"]["path"]
    assert report.is_file() and steps[-1]["if"] == "always()"
    report.unlink()
    shutil.copy(small_case(tmp_path, seed=2), case)
    assert CliRunner().invoke(main, shlex.split(command)[1:]).exit_code == 1
    assert report.is_file()

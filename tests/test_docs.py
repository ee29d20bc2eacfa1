"""Documentation that is made from code is current; every code used is documented; commands shown in prose work."""

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nmc.cli.explanations import EXPLANATIONS
from nmc.compiler.codes import CODES as COMPILER_CODES
from nmc.runtime.program import CODES as RUNTIME_CODES

ROOT = Path(__file__).parent.parent
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_generated_pages_are_current() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    stale = [path.name for path, content in pages.items() if not path.exists() or path.read_text() != content]
    assert stale == [], "run `make docs`"


def test_every_diagnostic_code_in_the_code_is_documented_and_used() -> None:
    text = "\n".join(
        path.read_text()
        for folder in ("compiler", "backends", "runtime", "cli")
        for path in (ROOT / folder).rglob("*.py")
        if path.name not in ("codes.py", "diagnostics.py") and path.parent.name != "explanations"
    )
    used = set(re.findall(r"NMC-[A-Z]\d{3}", text)) | {f"NMC-{code}" for code in re.findall(r'"([FR]\d{3})"', text)}
    known = {**COMPILER_CODES, **RUNTIME_CODES}
    assert used - known.keys() == set()
    assert known.keys() - used == set()
    assert COMPILER_CODES.keys() & RUNTIME_CODES.keys() == set()
    assert EXPLANATIONS.keys() == known.keys()


@pytest.mark.parametrize("page", PROSE, ids=lambda path: path.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []


@pytest.mark.slow
def test_the_commands_of_the_readme_give_what_it_shows(tmp_path: Path) -> None:
    """In `console` blocks, each `$ nmc …` or `$ python …` line runs and prints what the README shows (times apart)."""
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", text, re.S)
    assert blocks
    for name in ("examples", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    for block in blocks:
        for command, shown in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", block, re.M):
            words = shlex.split(command)
            program = {"nmc": [sys.executable, "-m", "nmc.cli.main"], "python": [sys.executable]}[words[0]]
            done = subprocess.run([*program, *words[1:]], capture_output=True, text=True, cwd=tmp_path, check=True)
            assert _steady(done.stdout) == _steady(shown), command


def _steady(text: str) -> list[str]:
    """Lines without trailing blanks, with times replaced."""
    lines = (re.sub(r"\d+\.\d\d s", "# s", line).rstrip() for line in text.strip().splitlines())
    return [line for line in lines if line]

"""docs/benchmarks.md has a section of every benchmark, and the smallest variant of each runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if "def measure(" in path.read_text())
LIGHT = ("cri_partition", "cri_tables")  # those that need neither torch nor compiled code


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    import page

    return page


def test_the_page_has_a_section_of_every_benchmark(page: ModuleType) -> None:
    assert sorted(page.BENCHMARKS) == NAMES
    found = page.sections((ROOT / "docs" / "benchmarks.md").read_text())
    assert list(found) == list(page.BENCHMARKS)
    for name, text in found.items():
        assert text.startswith("## ") and f"ONLY={name}`" in text
        assert re.search(r"^\| .* \|\n\|---\|", text, re.MULTILINE)


def test_a_section_takes_its_place(page: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    last, first = page.BENCHMARKS[-1], page.BENCHMARKS[0]
    for name, text in ((last, "## Last\n"), (first, "## First\n"), (last, "## Last again\n")):
        page.write(path, name, text)
    assert path.read_text().startswith("# Benchmarks\n")
    assert page.sections(path.read_text()) == {first: "## First\n", last: "## Last again\n"}


def test_a_section_holds_its_tables(page: ModuleType) -> None:
    section = page.Section("Title.\n\nText\nof two lines.\n")
    section.table("what", "time")
    section.row("one", page.ms(0.00123))
    section.text("Remark.")
    text = section.markdown("name", 2.0)
    assert text.startswith(
        "## Title\n\nText\nof two lines.\n\n| what | time |\n|---|---:|\n| one | 1.23 ms |\n\nRemark.\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 µs"), (4.2e-7, "0.420 µs"), (9.996e-4, "1.00 ms"), (0.1234, "123 ms"), (2, "2.00 s"), (1234.5, "1234 s")],
)
def test_times_have_three_digits(page: ModuleType, seconds: float, text: str) -> None:
    assert page.ms(seconds) == text


@pytest.mark.parametrize(
    "name", [name if name in LIGHT else pytest.param(name, marks=pytest.mark.bench) for name in NAMES]
)
def test_the_smallest_variant_runs(page: ModuleType, name: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    command = [sys.executable, "-W", "ignore", str(FOLDER / f"{name}.py"), "--quick", "--write", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(page.sections(path.read_text())) == [name]


def test_a_benchmark_that_is_not_there() -> None:
    command = [sys.executable, str(FOLDER / "run.py"), "nothing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such benchmark: nothing; there are akida_engine, " in done.stderr

"""Documentation that is made from code is current; every code used is documented; links lead somewhere.

The commands of the pages are run by `make docs-test` (tests/doc_pages).
"""

import re
import runpy
from pathlib import Path

import pytest

from nmc.cli.explanations import EXPLANATIONS
from nmc.compiler.codes import CODES as COMPILER_CODES
from nmc.runtime.program import CODES as RUNTIME_CODES

ROOT = Path(__file__).parent.parent
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


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


@pytest.mark.parametrize("page", PROSE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [t for t in targets if "://" not in t and not (page.parent / t).exists()] == []

"""Pictures in docs/images: each is on a page, each that a page shows is there, none is large; how one is made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser.chrome import find

ROOT = Path(__file__).parent.parent
IMAGES = {path.resolve() for path in (ROOT / "docs" / "images").iterdir()}
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
LARGEST, ALL = 200_000, 1_000_000


def test_pages_show_every_picture_and_no_other() -> None:
    shown = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]*\]\(([^)#]+)\)", page.read_text())
        if "://" not in target
    }
    assert shown == IMAGES


def test_pictures_are_small_and_made_by_the_script() -> None:
    sizes = {path.name: path.stat().st_size for path in IMAGES}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}
    assert sum(sizes.values()) <= ALL
    script = (ROOT / "docs" / "screenshots.py").read_text()
    assert [path.stem for path in IMAGES if path.stem not in script] == []


def test_without_a_browser_the_error_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(RuntimeError, match=r"none of chromium, .*apt install chromium"):
        find()
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "gone"))
    with pytest.raises(RuntimeError, match=r"gone.*no program"):
        find()
    (tmp_path / "google-chrome").write_text("#!/bin/sh\n")
    (tmp_path / "google-chrome").chmod(0o755)
    monkeypatch.delenv("CHROMIUM")
    assert find() == str(tmp_path / "google-chrome")

"""What the web pages are made of: `mkdocs.yml` calls this module.

The site has the folders of the repository: README.md is its first page, docs/import.md is docs/import.html. So a link
from one file to another is the same text on a code host, in an editor and on the site. A file that pages link to and
that is no page (a script, a licence) is copied.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def pages() -> set[Path]:
    """The pages themselves, and other Markdown files of the repository that they link to."""
    found = {ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")}
    found |= set((ROOT / "docs").rglob("*.md")) | set((ROOT / "examples").glob("*/README.md"))
    while more := {path for page in found for path in linked(page) if path.suffix == ".md"} - found:
        found |= more
    return found


def linked(page: Path) -> set[Path]:
    """The files of the repository that a page links to."""
    targets = (target for target in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target)
    paths = ((page.parent / target).resolve() for target in targets)
    return {path for path in paths if path.is_file() and path.is_relative_to(ROOT)}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The theme's files, and ours under their paths in the repository instead of those below docs/."""
    ours = pages()
    ours |= {path for page in ours for path in linked(page)} | set((ROOT / "docs" / "assets").iterdir())
    made = [File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)) for path in sorted(ours)]
    return Files([*(file for file in files if file.src_dir != config.docs_dir), *made])

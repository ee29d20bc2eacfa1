"""`python -m doc_pages [PAGE …] [--jobs N]`: run the pages, each in a process and a temporary folder of its own.

Prints a line a page and what is wrong. Exit code 1 if a page does not work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .blocks import ROOT, pages
from .page import run_page


def main() -> int:
    parser = argparse.ArgumentParser(prog="doc_pages", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, help="pages, from the top folder of the repository; default all")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)  # what each process is started with
    given = parser.parse_args()
    if given.one:
        return _one(given.one)
    chosen = [(ROOT / page).resolve() for page in given.pages] or pages()
    with ThreadPoolExecutor(given.jobs) as pool:
        failed = [page for page, works in zip(chosen, pool.map(_start, chosen), strict=True) if not works]
    print(f"{len(chosen)} pages, {len(failed)} with something that does not work as it says")
    return int(bool(failed))


def _start(page: Path) -> bool:
    begun = time.monotonic()
    command = [sys.executable, "-W", "ignore", "-m", "doc_pages", "--one", str(page)]
    done = subprocess.run(command, cwd=ROOT / "tests", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    verdict = "works" if done.returncode == 0 else "FAILS"
    # One call, so that pages that end together do not mix their lines.
    print(f"{page.relative_to(ROOT)}: {verdict} ({time.monotonic() - begun:.0f} s)\n{_tail(done)}", end="", flush=True)
    return done.returncode == 0


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed page printed last: its problem is at the end."""
    return "" if done.returncode == 0 else done.stdout[-4000:] + "\n"


def _one(page: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="nmc-page-") as folder:
        problem = run_page(page.read_text(encoding="utf-8"), Path(folder))
    if problem is None:
        return 0
    print(f"{page.relative_to(ROOT)}, {problem}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

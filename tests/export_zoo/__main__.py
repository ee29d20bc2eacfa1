"""`python -m export_zoo`: judge every file of the zoo, print the table, and hold it against docs/conformance_models.md.

Exit code 1 if a file is imported wrongly, something crashes, or the page says otherwise. `--write` writes the page.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from .cases import CASES, EXPORTERS
from .exports import location, make_all
from .judge import TOLERANCE, Verdict, judge
from .notes import NOTES
from .page import PAGE, Row, is_for_installed, table, text
from .written import WRITTEN

WORKERS = os.cpu_count()


def verdicts() -> list[Row]:
    """What becomes of every file, several judged at a time."""
    make_all(list(CASES))
    files = [(name, exporter, location(name, exporter)) for name in CASES for exporter in EXPORTERS]
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITTEN.items():
            path = Path(folder) / f"{name.replace(' ', '_')}.onnx"
            write(path)
            files.append((name, "by hand", path))
        with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
            found: list[Verdict] = list(pool.map(judge, (path for *_, path in files)))
    return [(name, exporter, verdict) for (name, exporter, _), verdict in zip(files, found, strict=True)]


def main(write: bool) -> int:
    rows = verdicts()
    print(table(rows))
    bugs = [(name, exporter, verdict) for name, exporter, verdict in rows if verdict.bugs]
    for name, exporter, verdict in bugs:
        print(f"\n{name} by {exporter}: {', '.join(verdict.bugs)}\n" + "\n".join(filter(None, verdict.detail.values())))
    if bugs:
        return 1
    found = text(rows, NOTES, TOLERANCE)
    if write:
        PAGE.write_text(found, encoding="utf-8")
        return 0
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if not is_for_installed(page):
        print(f"{PAGE.name} was made with other packages, so it is not compared")
        return 0
    if found != page:
        print(f"{PAGE.name} says otherwise: `make models-page` records what was found")
    return int(found != page)


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))

"""`python -m conformance`: run the suite, print what came of it, and hold it against docs/conformance.md.

Exit code 1 if a case is wrong or crashes, or if the page says otherwise. `--write` writes the page.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from .page import PAGE, count, is_for_installed, table, text
from .readings import SHIFTED
from .suite import cases
from .verdict import judge


def main(write: bool) -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = [(case, judge(case, Path(folder))) for case in cases()]
    kinds = count(results)
    print(table(results))
    for case, verdict in results:
        if verdict.kind in ("wrong", "crashed"):
            print(f"\n{verdict.kind}: {case.name}: {verdict.detail}")
    print("\n" + ", ".join(f"{kind} {number}" for kind, number in kinds.items()) + f", of {len(results)} cases")
    if kinds["wrong"] or kinds["crashed"]:
        return 1
    found = text(results, SHIFTED)
    if write:
        PAGE.write_text(found, encoding="utf-8")
        return 0
    page = PAGE.read_text(encoding="utf-8")
    if not is_for_installed(page):
        print(f"{PAGE.name} was made with another version of onnx, so it is not compared")
        return 0
    if found != page:
        print(f"{PAGE.name} says otherwise: if this run found more equal cases, `make conformance-page` records them")
    return int(found != page)


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))

"""`python -m fuzz_import --count N --seed S`: cases S … S+N−1, a table of what they came to, and every finding.

Exit code 1 if there is a finding. `--show NUMBER` writes the files of one case to a folder and prints its verdict.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from .cases import files_of, write
from .verdict import FINDINGS, Verdict, judge
from .workers import run


def _show(number: int, folder: Path) -> int:
    name, files = files_of(number)
    folder.mkdir(parents=True, exist_ok=True)
    path = write(files, folder)
    verdict = judge(path, lambda stage: print(stage, "…"))
    print(f"case {number} ({name}) in {path}: {verdict.kind} {' '.join(verdict.codes)}\n{verdict.detail}")
    return int(verdict.is_finding)


def _campaign(count: int, seed: int, jobs: int) -> int:
    kinds: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    findings: list[tuple[int, Verdict]] = []
    for done, (number, verdict) in enumerate(run(range(seed, seed + count), jobs), 1):
        kinds[verdict.kind] += 1
        codes.update(verdict.codes)
        if verdict.is_finding:
            findings.append((number, verdict))
            print(f"{verdict.kind}: case {number} ({files_of(number)[0]})\n{verdict.detail}", flush=True)
        if done % 500 == 0:
            print(f"{done} of {count}", file=sys.stderr, flush=True)
    print(f"{count} files: " + ", ".join(f"{kind} {number}" for kind, number in kinds.most_common()))
    print("codes: " + ", ".join(f"{code} {number}" for code, number in codes.most_common()))
    print(f"findings ({', '.join(FINDINGS)}): {len(findings)}")
    return int(bool(findings))


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz_import", description="Fuzz the import of ONNX files.")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--show", type=int, metavar="NUMBER")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-case"))
    given = parser.parse_args()
    if given.show is not None:
        return _show(given.show, given.folder)
    return _campaign(given.count, given.seed, given.jobs)


if __name__ == "__main__":
    sys.exit(main())

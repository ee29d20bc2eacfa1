"""Run benchmarks, each in a process of its own, and write their sections of docs/benchmarks.md.

`python benchmarks/run.py [NAME …]`, by default all of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from page import BENCHMARKS, PAGE


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or BENCHMARKS:
        print(f"\n== {name}", flush=True)
        script = Path(__file__).with_name(f"{name}.py")
        done = subprocess.run([sys.executable, "-W", "ignore", script, "--write", PAGE], check=False)
        failed += [name] * (done.returncode != 0)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

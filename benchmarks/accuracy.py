"""How accurate the shipped networks are on both machines: `python benchmarks/accuracy.py --write docs/accuracy.md`.

Cells of the table are measured in processes of their own and kept under the digest of what they depend on, so that a
run that was broken off goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import sys
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):  # one core a process
    os.environ.setdefault(name, "1")

from accuracy_table.bounds import USUAL, bounds  # noqa: E402
from accuracy_table.formats import Cell, cells  # noqa: E402
from accuracy_table.networks import NETWORKS  # noqa: E402
from accuracy_table.text import page  # noqa: E402
from machine import describe  # noqa: E402

ROOT = Path(__file__).parent.parent
STORED = ROOT / "benchmarks" / "accuracy.json"
CACHE = ROOT / "build" / "accuracy"
Results = dict[str, dict[str, Any]]


def found_of(cell: Cell, limit: int | None) -> dict[str, Any]:
    """What is in a cell; the compiler is imported in the processes that compile."""
    from accuracy_table import measure

    return measure.found_of(cell, limit, CACHE)


def measure_all(wanted: list[Cell], limit: int | None, jobs: int) -> tuple[Results, list[str]]:
    """Results by cell, and the names of cells that could not be measured."""
    results: Results = {}
    failed: list[str] = []
    context = multiprocessing.get_context("spawn")
    wanted = sorted(wanted, key=lambda cell: cell.level not in (None, USUAL))  # the usual level comes first
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(found_of, cell, limit): cell for cell in wanted}
        for future in as_completed(waiting):
            name = waiting[future].name
            try:
                results[name] = future.result()
            except Exception:
                failed.append(name)
                traceback.print_exc()
            print(f"{len(results) + len(failed)}/{len(wanted)} {name} {results.get(name, 'failed')}", flush=True)
    return results, failed


def facts_of(results: Results, jobs: int) -> dict[str, Any]:
    """Sizes of the data, machine, versions and times."""
    import onnxruntime  # noqa: F401  (named in the description)

    import nmc.compiler  # noqa: F401

    data = []
    for network in NETWORKS:
        made = network.load()
        data.append(
            {
                "title": network.title,
                "test": len(made.test),
                "typical": 0 if network.spiking else len(made.typical),
                "shape": "×".join(map(str, made.test.shape[1:])),
                "seconds": str(results.get(f"{network.name}/float", {}).get("seconds", "–")),
            }
        )
    compiling = sum(found.get("compile_seconds", 0) for found in results.values())
    return {
        "data": data,
        "machine": describe(),
        "date": str(date.today()),
        "processes": jobs,
        "cells": len(results),
        "seconds": round(compiling + sum(found.get("seconds", 0) for found in results.values())),
        "compiling": round(compiling),
    }


def show_bounds(results: Results) -> int:
    """Print what does not hold; 1 if there is something, else 0."""
    broken = [bound for bound in bounds(results) if not bound.holds]
    for bound in broken:
        print(f"does not hold: {bound.text}: {bound.numbers}")
    print(f"{len(bounds(results)) - len(broken)} bounds hold, {len(broken)} do not")
    return int(bool(broken))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page, and the results beside this script")
    parser.add_argument("--check", action="store_true", help="measure nothing, hold the stored results against bounds")
    parser.add_argument("--only", default="", metavar="PATTERN", help="cells with such names, e.g. grey/int8")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N test samples, for trying out")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    given = parser.parse_args()
    if given.check:
        return show_bounds(json.loads(STORED.read_text())["cells"])
    if given.write and given.limit:
        parser.error("--write is for whole test sets, without --limit")
    results, failed = measure_all([c for c in cells() if re.search(given.only, c.name)], given.limit, given.jobs)
    if given.write and not failed:
        earlier = json.loads(STORED.read_text())["cells"] if given.only and STORED.exists() else {}
        every = {c.name: (earlier | results)[c.name] for c in cells() if c.name in earlier | results}
        stored = {"facts": facts_of(every, given.jobs), "cells": every}
        STORED.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        given.write.write_text(page(stored), encoding="utf-8")
    print(f"failed: {', '.join(failed)}" if failed else "every cell has been measured")
    return int(bool(failed)) or (0 if given.only else show_bounds(results))


if __name__ == "__main__":
    sys.exit(main())

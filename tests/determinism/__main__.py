"""`python -m determinism` (from tests/): the zoo under every setting.

--case NAME    a case of golden_zoo (may be repeated), by default all but the largest
--python PATH  instead: the same under the Python of another environment, with other versions of the packages

Prints a line for each setting; exit code 1 if a program differs.
"""

from __future__ import annotations

import argparse
import sys

from . import cases, differences, programs, settings
from .versions import compare_versions


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m determinism")
    parser.add_argument("--case", action="append", default=[])
    parser.add_argument("--python")
    given = parser.parse_args()
    paths = cases(given.case)
    if given.python:
        return compare_versions(paths, given.python)
    first, wrong = None, 0
    for name, setting in settings().items():
        found = programs(paths, setting)
        first = first or found
        different = differences(first, found)
        wrong += len(different)
        print(
            f"{name:20} {', '.join(different) + ' differ' if different else f'{len(found)} programs equal'}", flush=True
        )
    return 1 if wrong else 0


sys.exit(main())

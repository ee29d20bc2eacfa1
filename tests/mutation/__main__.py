"""`python -m mutation` (from tests/): mutants of each module, those that survive, and whether that is known.

--module M   one module only, of those in MODULES      --jobs N   processes (default 2)

Exit code 1 if a mutant survives that equivalent.toml does not list, or if all modules ran and a listed one is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / "build" / "mutation"
MUTMUT = Path(sys.executable).with_name("mutmut")
# Modules of runtime/ with the tests that must notice a change of them, without help from the others.
MODULES = {
    "arith": ["test_arith.py"],
    "reference/akida_tail": ["test_akida_reference.py", "test_akida_golden.py"],
    "reference/neuron": ["test_neuron.py", "test_cri_reference.py", "test_cri_refractory.py", "test_cri_noise.py"],
}
CONFIG = """[mutmut]
source_paths = nmc/runtime
only_mutate = nmc/runtime/{module}.py
use_git_change_detection = false
track_dependencies = false
pytest_add_cli_args_test_selection =
{tests}
pytest_add_cli_args =
    -pno:cacheprovider
    -pno:xdist
    --hypothesis-seed=0

[tool:pytest]
pythonpath = tests
addopts = -q
markers =
    slow
    golden
filterwarnings =
    error
    ignore::DeprecationWarning:(torch|onnxscript|onnx|sklearn|copyreg).*
"""
Change = tuple[str, str]  # lines as they were, as they are
SURVIVED, NO_TESTS = 0, (5, 33)  # mutmut's codes; any other means that tests failed, died or ran out of time


def mutate(module: str, jobs: int) -> dict[str, int]:
    """mutmut's exit code by mutant, in a fresh copy of runtime/ and tests/."""
    folder = WORK / module.replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__", "mutation", "fuzz*", "*.pt2")
    shutil.copytree(ROOT / "runtime", folder / "nmc" / "runtime", ignore=skip)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=skip)
    tests = "\n".join(f"    tests/{name}" for name in MODULES[module])
    (folder / "setup.cfg").write_text(CONFIG.format(module=module, tests=tests))
    words = [MUTMUT, "run", "--max-children", str(jobs)]
    with (folder / "mutmut.log").open("w") as log:
        done = subprocess.run(words, cwd=folder, stdout=log, stderr=log, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    if done.returncode:
        sys.exit(f"mutmut failed: see {log.name}")
    return json.loads((folder / "mutants" / "nmc" / "runtime" / f"{module}.py.meta").read_text())["exit_code_by_key"]


def change(module: str, mutant: str) -> Change:
    """What the mutant changed."""
    words = [MUTMUT, "show", mutant]
    shown = subprocess.run(words, cwd=WORK / module.replace("/", "_"), capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()[3:]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return was, now


def check(module: str, jobs: int, equivalent: set[Change]) -> set[Change]:
    """Print what became of the module's mutants; the changes that no test noticed."""
    start = time.monotonic()
    codes = mutate(module, jobs)
    alive = [name for name, code in codes.items() if code == SURVIVED or code in NO_TESTS]
    changes = [change(module, name) for name in alive]
    left = [(name, *pair) for name, pair in zip(alive, changes, strict=True) if pair not in equivalent]
    for name, was, now in left:
        print(f"{name}{' (no test calls it)' if codes[name] in NO_TESTS else ''}\n  - {was}\n  + {now}")
    killed, known = len(codes) - len(alive), len(alive) - len(left)
    seconds = time.monotonic() - start
    print(f"{module}: {len(codes)} mutants, {killed} killed, {known} equivalent, {len(left)} survive ({seconds:.0f} s)")
    return set(changes)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m mutation", description="see tests/mutation/__init__.py")
    parser.add_argument("--module", choices=MODULES, default=None)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    known = tomllib.loads(Path(__file__).with_name("equivalent.toml").read_text())["mutant"]
    equivalent = {(entry["was"], entry["is"]) for entry in known}
    names = [given.module] if given.module else list(MODULES)
    alive = set[Change]().union(*(check(name, given.jobs, equivalent) for name in names))
    gone = set[Change]() if given.module else equivalent - alive
    for was, now in sorted(gone):
        print(f"listed as equivalent, but killed or no longer made:\n  - {was}\n  + {now}")
    return int(bool(gone or alive - equivalent))


if __name__ == "__main__":
    sys.exit(main())

"""nmc golden"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...runtime.program.diagnostics import Exit, NmcError
from ..common import Output, nmc_command

if TYPE_CHECKING:
    from ...runtime.golden.compare import Comparison
    from ..golden import Ran

Facts = dict[str, Any]
STATUSES = ("same", "changed", "new", "damaged", "error")


@dataclass(frozen=True)
class Checked:
    """A case against what was recorded: "same", "changed", "new" (nothing was recorded), "damaged" (what was recorded
    cannot be read) or "error" (the case cannot be run)."""

    ran: Ran
    status: str
    found: Comparison | None = None
    problem: NmcError | None = None


@click.group("golden")
def command() -> None:
    """Notice when a program or its outputs change: record cases, check them later.

    A case is a file NAME.toml: a model, how it is compiled, and an input (docs/golden.md). What was recorded of it lies
    beside it, in NAME.expected.json. Both commands have --json and --quiet.
    """


def _jobs(function: Any) -> Any:
    return click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Cases that run at the same time."
    )(function)


@nmc_command("record")
@click.argument("cases", type=click.Path(path_type=Path))
@_jobs
def record(out: Output, cases: Path, jobs: int) -> None:
    """Run CASES (a case or a folder of them) and record what comes out.

    What was recorded before is replaced, and what changed is printed. If a case cannot be run, nothing is written.
    """
    _finish(out, _checked(out, cases, jobs), update=True)


@nmc_command("check")
@click.argument("cases", type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Record what changed, and print it.")
@click.option("--junit", type=click.Path(path_type=Path), help="Also write the outcome here as JUnit XML.")
@_jobs
def check(out: Output, cases: Path, update: bool, junit: Path | None, jobs: int) -> None:
    """Run CASES (a case or a folder of them) and compare with what was recorded.

    Exit code 0: all as recorded; 1: something differs. A case that cannot be run, or of which nothing was recorded, is
    an error with its own exit code (2 to 5), the highest of all cases.
    """
    checked = _checked(out, cases, jobs)
    if junit is not None:
        _write_junit(junit, cases, checked, update)
    _finish(out, checked, update)


command.add_command(check)
command.add_command(record)


def _checked(out: Output, cases: Path, jobs: int) -> list[Checked]:
    from ...runtime.golden.case import find_cases
    from ..golden import run_cases

    paths = find_cases(cases)
    with out.bar("running cases") as progress:
        return [_against_recorded(ran) for ran in run_cases(paths, jobs, progress)]


def _against_recorded(ran: Ran) -> Checked:
    from ...runtime.golden.compare import compare
    from ...runtime.golden.recorded import expected_file, read_recorded

    if ran.recorded is None:
        return Checked(ran, "error", problem=NmcError(ran.problems, ran.exit_code))
    try:
        found = compare(read_recorded(expected_file(ran.path)), ran.recorded)
    except NmcError as error:
        return Checked(ran, "damaged" if expected_file(ran.path).exists() else "new", problem=error)
    return Checked(ran, "same" if found.same else "changed", found)


def _errors(checked: list[Checked], update: bool) -> dict[Path, NmcError]:
    """What counts as an error, by case: with --update only what cannot be run."""
    return {c.ran.path: c.problem for c in checked if c.problem and not (update and c.ran.recorded)}


def _finish(out: Output, checked: list[Checked], update: bool) -> None:
    """Write what is to be recorded, print everything, exit."""
    from ...runtime.golden.recorded import expected_file, write_recorded

    errors = _errors(checked, update)
    written: list[Path] = []
    for c in checked if update and not errors else ():
        if c.ran.recorded and (c.status != "same" or (c.found and c.found.notes)):
            write_recorded(c.ran.recorded, expected_file(c.ran.path))
            written.append(expected_file(c.ran.path))
    mismatch = not update and any(c.status == "changed" for c in checked)
    code = max((error.exit_code for error in errors.values()), default=Exit.CHECK_FAILED if mismatch else Exit.DONE)

    def show() -> None:
        for c in checked:
            _show(c, expected_file(c.ran.path) in written)
        counts = {status: sum(c.status == status for c in checked) for status in STATUSES}
        click.echo(", ".join(f"{count} {status}" for status, count in counts.items() if count or status == "same"))
        if update and errors:
            click.echo("nothing was written")

    facts = {"ok": code == Exit.DONE, "exit": int(code), "cases": [_facts(c) for c in checked]}
    out.result({**facts, "written": [str(path) for path in written]}, show)
    if not out.as_json:
        for path, error in errors.items():
            click.echo(f"{path}:", err=True)
            out.fail(error)
    if code:
        sys.exit(int(code))


def _show(checked: Checked, written: bool) -> None:
    status = f"{checked.status}, recorded" if written else checked.status
    click.echo(f"{checked.ran.path.stem}: {status} ({checked.ran.seconds:.2f} s)")
    for line in _lines(checked):
        click.echo(f"  {line}")


def _lines(checked: Checked) -> list[str]:
    from ...runtime.golden.compare import sentences

    if checked.found is None:
        return []
    return [*sentences(checked.found), *(f"note: {note}" for note in checked.found.notes)]


def _facts(checked: Checked) -> Facts:
    facts: Facts = {"name": checked.ran.path.stem, "status": checked.status, "seconds": checked.ran.seconds}
    problems = [] if checked.problem is None else [d.to_json() for d in checked.problem.diagnostics]
    found = {} if checked.found is None else asdict(checked.found)
    return {**facts, "errors": problems, **found}


def _write_junit(path: Path, cases: Path, checked: list[Checked], update: bool) -> None:
    from ...runtime.golden.junit import Outcome, write_junit

    tests = []
    for c in checked:
        failure = "\n".join(_lines(c)) if c.status == "changed" and not update else ""
        error = str(c.problem) if c.problem and _errors([c], update) else ""
        tests.append(Outcome(c.ran.path.stem, c.ran.seconds, failure, error))
    write_junit(path, os.fspath(cases), tests)

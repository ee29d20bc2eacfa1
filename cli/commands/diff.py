"""nmc diff"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from ..common import Output, nmc_command, print_table

SHOWN = 120


@nmc_command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
def command(out: Output, first: Path, second: Path) -> None:
    """Show which layers, integers, schedule entries, inputs and outputs two programs differ in.

    Exit code 0 if the programs are equal, 1 if they differ.
    """
    from ...runtime import load
    from ...runtime.compare.programs import diff_programs
    from ...runtime.program import digest

    with out.bar("comparing"):
        programs = load(first), load(second)
        found = diff_programs(*programs)
        digests = [digest(program) for program in programs]

    def show() -> None:
        if not found:
            click.echo(f"{first} and {second} are equal")
            return
        rows = [(d.part, d.name, d.field, _short(d.first), _short(d.second)) for d in found]
        print_table("", ["part", "name", "field", str(first), str(second)], rows)
        click.echo(f"{len(found):,} difference{'s' * (len(found) > 1)}")

    facts = {"ok": not found, "equal": not found, "digests": digests}
    out.result({**facts, "differences": [asdict(d) for d in found]}, show)
    if found:
        sys.exit(1)


def _short(text: str) -> str:
    """The text as it fits a column of a table; --json has all of it."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"

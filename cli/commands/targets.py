"""nmc targets"""

from __future__ import annotations

import click

from ..common import Output, nmc_command, print_table


@nmc_command("targets")
def command(out: Output) -> None:
    """List targets with their options, profiles and limits."""
    from dataclasses import fields

    from ...compiler.target import find_target, target_names

    found = [find_target(name) for name in target_names()]

    def show() -> None:
        for target in found:
            click.echo(f"{target.name}: {target.summary}")
            click.echo("  options  " + ", ".join(f"{f.name}={f.default}" for f in fields(target.options)))
            for name, facts in target.facts().items():
                if isinstance(facts, dict):
                    click.echo(f"  {name:<8} " + ", ".join(f"{key} {value:,}" for key, value in facts.items()))
                else:
                    columns = list(facts[0])
                    rows = [[row[column] for column in columns] for row in facts]
                    print_table(name, columns, [["" if cell is None else cell for cell in row] for row in rows])

    out.result({"targets": {t.name: {"summary": t.summary, **t.facts()} for t in found}}, show)

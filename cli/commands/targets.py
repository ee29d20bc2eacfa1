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
            facts = target.facts()
            click.echo("  limits   " + ", ".join(f"{name} {value:,}" for name, value in facts["limits"].items()))
            columns = list(facts["profiles"][0])
            print_table("", columns, [[p[c] for c in columns] for p in facts["profiles"]])

    out.result({"targets": {t.name: {"summary": t.summary, **t.facts()} for t in found}}, show)

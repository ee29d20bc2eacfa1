"""nmc passes"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table
from ..completion import targets

if TYPE_CHECKING:
    from ...compiler.target import Target


def pipelines(target: Target) -> dict[str, str]:
    """The target's pipelines with its default options as text, by the kind of network."""
    from ...compiler.pipeline import print_pipeline

    return {kind: print_pipeline(target.pipeline(target.options(), kind)) for kind in target.networks}


@nmc_command("passes")
@click.option("--target", shell_complete=targets, help="Only the pipeline of this target.")
def command(out: Output, target: str | None) -> None:
    """List passes with their options, and the pipelines of each target (text for `nmc compile --passes`)."""
    from ...compiler.passes import PASSES
    from ...compiler.pipeline import load_class
    from ...compiler.target import find_target, target_names

    targets = [find_target(name) for name in ([target] if target else target_names())]
    known = dict(PASSES)
    for entry in targets:
        known |= entry.passes
    rows: list[dict[str, Any]] = []
    for name, path in sorted(known.items()):
        cls = load_class(path)
        rows.append(
            {
                "pass": name,
                "takes": ", ".join(cls.takes),
                "gives": cls.gives or "the same",
                "options": ", ".join(f"{f.name}={f.default}" for f in fields(cls)),
                "what": (cls.__doc__ or "").strip().splitlines()[0],
            }
        )
    found = {entry.name: pipelines(entry) for entry in targets}

    def show() -> None:
        columns = ["pass", "takes", "gives", "options", "what"]
        print_table("", columns, [[row[c] for c in columns] for row in rows])
        for name, kinds in found.items():
            for kind, text in kinds.items():
                click.echo(f"pipeline of target {name} for {kind} networks: {text}")

    out.result({"passes": rows, "pipelines": found}, show)

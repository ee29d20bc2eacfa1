"""The option --state of commands that read models."""

from __future__ import annotations

import click

state_option = click.option(
    "--state",
    multiple=True,
    metavar="IN:OUT",
    help="onnx: input IN is a memory whose next value is output OUT (IN=OUT where a name holds a colon).",
)


def parse_states(items: tuple[str, ...]) -> dict[str, str]:
    """Input name to output name. BadParameter for what is no pair, or an input that is named twice."""
    states: dict[str, str] = {}
    for item in items:
        source, _, output = item.partition("=" if "=" in item else ":")
        if not source or not output or source in states:
            wrong = f"{item!r} is not a pair such as fifo_in:fifo_out"
            why = f"{source!r} is named twice" if source in states else wrong
            raise click.BadParameter(why, param_hint="--state")
        states[source] = output
    return states

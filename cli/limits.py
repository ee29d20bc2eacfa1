"""--max-memory and --max-synapses."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import click

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _bytes(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """500M, 4G, 4GiB or 1000000 as a number of bytes."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMGT]?)(?:iB|B)?", value.strip(), re.ASCII | re.I)
    if found is None or float(found[1]) == 0:
        raise click.BadParameter(f"{value!r} is no size such as 500M or 4G", ctx, parameter)
    return int(float(found[1]) * UNITS[found[2].upper()])


def limit_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator of a command's function: both options, and the command runs within them."""

    @click.option("--max-memory", callback=_bytes, metavar="SIZE", help="Refuse what would take more memory, e.g. 4G.")
    @click.option("--max-synapses", type=click.IntRange(min=0), help="cri: refuse a program with more synapses.")
    @functools.wraps(function)
    def run(*positional: Any, max_memory: int | None, max_synapses: int | None, **arguments: Any) -> None:
        from ..runtime.program.budget import limited

        with limited(max_memory, max_synapses):
            function(*positional, **arguments)

    return run

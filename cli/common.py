"""What all commands share: --json and --quiet, diagnostics, exit codes, tables."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from ..runtime.program.diagnostics import Diagnostic, Exit, NmcError

WIDE = 160


class Output:
    """Prints results: text for people, one JSON object with --json, nothing but diagnostics with --quiet."""

    def __init__(self, as_json: bool, quiet: bool):
        self.as_json, self.quiet = as_json, quiet

    def result(self, data: dict[str, Any], show: Callable[[], None]) -> None:
        """The command's result: `data` as JSON, or whatever `show` prints."""
        if self.as_json:
            click.echo(json.dumps({"ok": True, **data}, indent=2, sort_keys=True, ensure_ascii=False))
        elif not self.quiet:
            show()

    def warn(self, sentences: Iterable[str]) -> None:
        if not self.quiet and not self.as_json:
            for sentence in sentences:
                click.echo(f"warning: {sentence}", err=True)

    def fail(self, error: NmcError) -> None:
        if self.as_json:
            errors = [diagnostic.to_json() for diagnostic in error.diagnostics]
            click.echo(json.dumps({"ok": False, "exit": int(error.exit_code), "errors": errors}, indent=2))
        else:
            click.echo(str(error), err=True)


def nmc_command(name: str, **settings: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Decorator for a command function; it gets an `Output` as its first argument.

    An NmcError becomes its diagnostics and exit code. Anything else that escapes is a bug in nmc and says so; its
    traceback is shown when NMC_TRACEBACK is set.
    """

    def decorate(function: Callable[..., None]) -> click.Command:
        @click.command(name, **settings)
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        @click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
        @functools.wraps(function)
        def run(as_json: bool, quiet: bool, **arguments: Any) -> None:
            out = Output(as_json, quiet)
            try:
                function(out, **arguments)
            except NmcError as error:
                out.fail(error)
                sys.exit(int(error.exit_code))
            except MemoryError:
                out.fail(
                    NmcError(Diagnostic("NMC-X002", "out of memory", hint="a smaller batch or network"), Exit.LIMIT)
                )
                sys.exit(int(Exit.LIMIT))
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise  # click ends quietly where nobody reads the output any more
            except Exception as error:
                if os.environ.get("NMC_TRACEBACK"):
                    raise
                out.fail(NmcError(internal_error(error), Exit.CHECK_FAILED))
                sys.exit(int(Exit.CHECK_FAILED))

        return run

    return decorate


def internal_error(error: Exception) -> Diagnostic:
    """What a user is told of an exception that is no NmcError."""
    return Diagnostic(
        "NMC-X001",
        f"internal error: {type(error).__name__}: {error}",
        why="this is a bug in nmc, not in your input",
        hint="report it with the traceback that NMC_TRACEBACK=1 shows",
    )


@contextmanager
def progress_bar(visible: bool, what: str) -> Iterator[Callable[[int, int], object] | None]:
    """A callback (done, total) that draws a bar on standard error, None where nobody would see it."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not visible or not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; columns whose cells are all numbers are right-aligned."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    body = [[str(cell) for cell in row] for row in rows]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = all(row[index].replace(",", "").replace(".", "").lstrip("-").isdigit() for row in body if row[index])
        table.add_column(column, justify="right" if numeric and body else "left", overflow="fold")
    for row in body:
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    Console(highlight=False, width=console.width if console.is_terminal else WIDE).print(table)

"""What all commands share: --json and --quiet, diagnostics, exit codes, tables."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import click

from ..runtime.program.diagnostics import Diagnostic, Exit, NmcError
from .progress import Bar, progress_bar
from .tables import print_table as print_table


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

    def bar(self, what: str) -> AbstractContextManager[Bar | None]:
        """A bar for what may take long (`progress_bar`), unless --quiet or --json is given."""
        return progress_bar(not (self.quiet or self.as_json), what)

    def fail(self, error: NmcError) -> None:
        if self.as_json:
            errors = [diagnostic.to_json() for diagnostic in error.diagnostics]
            click.echo(json.dumps({"ok": False, "exit": int(error.exit_code), "errors": errors}, indent=2))
        else:
            click.echo(str(error), err=True)


class ConfiguredCommand(click.Command):
    """A command whose options may stand in a file (`config`)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing and not {"-h", "--help"} & set(args):
            try:
                ctx.default_map = self._configured(ctx)
            except NmcError as error:
                Output("--json" in args, False).fail(error)
                ctx.exit(int(error.exit_code))
        return super().parse_args(ctx, args)

    def _configured(self, ctx: click.Context) -> dict[str, Any]:
        """What the file of options says of this command."""
        from .config import config_of, settings_for

        root, names, above = ctx.find_root(), list[str](), ctx
        while above.parent is not None:
            names.insert(0, above.info_name or "")
            above = above.parent
        config = config_of(root.params.get("config"), root.params.get("no_config", False))
        if config is None or not isinstance(root.command, click.Group):
            return {}
        return {setting.option: setting.value for setting in settings_for(config, names, ctx, root.command)}


def nmc_command(name: str, **settings: Any) -> Callable[[Callable[..., None]], click.Command]:
    """Decorator for a command function; it gets an `Output` as its first argument.

    An NmcError becomes its diagnostics and exit code. Anything else that escapes is a bug in nmc and says so; its
    traceback is shown when NMC_TRACEBACK is set.
    """

    kind: type[click.Command] = settings.pop("cls", ConfiguredCommand)

    def decorate(function: Callable[..., None]) -> click.Command:
        @click.command(name, cls=kind, **settings)
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
        @click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
        @functools.wraps(function)
        def run(as_json: bool, quiet: bool, **arguments: Any) -> None:
            out = Output(as_json, quiet)
            try:
                function(out, **arguments)
            except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
                raise  # click ends quietly where nobody reads the output any more
            except Exception as error:
                if os.environ.get("NMC_TRACEBACK") and not isinstance(error, (NmcError, MemoryError)):
                    raise
                found = reported(error)
                out.fail(found)
                sys.exit(int(found.exit_code))

        return run

    return decorate


def reported(error: Exception) -> NmcError:
    """What a user is told of an exception, and the exit code."""
    if isinstance(error, NmcError):
        return error
    if isinstance(error, MemoryError):
        return NmcError(Diagnostic("NMC-X002", "out of memory", hint="a smaller batch or network"), Exit.LIMIT)
    return NmcError(internal_error(error), Exit.CHECK_FAILED)


def internal_error(error: Exception) -> Diagnostic:
    """What a user is told of an exception that is no NmcError."""
    return Diagnostic(
        "NMC-X001",
        f"internal error: {type(error).__name__}: {error}",
        why="this is a bug in nmc, not in your input",
        hint="report it with the traceback that NMC_TRACEBACK=1 shows",
    )

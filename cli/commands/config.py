"""nmc config"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..common import Output, nmc_command, print_table

if TYPE_CHECKING:
    from ..config import Config, Setting


@nmc_command("config", cls=click.Command)  # it says what is wrong with the file, so it must not stop at that
def command(out: Output) -> None:
    """Show which options of which commands come from a file: nmc.toml, or [tool.nmc] of pyproject.toml.

    All of the file is checked. `nmc --config FILE config` shows another one.
    """
    from ..config import config_of

    root = click.get_current_context().find_root()
    config = config_of(root.params.get("config"), root.params.get("no_config", False))
    if config is None:
        text = "no file of options: no nmc.toml, no [tool.nmc] in a pyproject.toml"
        out.result({"config": None, "options": []}, lambda: click.echo(text))
        return
    found = _all_settings(config, root)
    rows = [
        {"command": " ".join(s.command), "option": s.key.rpartition(".")[2], "value": s.value, "key": s.key}
        for s in found
    ]

    def show() -> None:
        click.echo(config.path)
        shown = {s.key: [s.key.rpartition(".")[0] or "all", s.key.rpartition(".")[2], str(s.value)] for s in found}
        print_table(
            "", ["table", "option", "value"], [shown[key] for key in sorted(shown, key=lambda k: ("." in k, k))]
        )

    out.result({"config": str(config.path), "options": rows}, show)


def _all_settings(config: Config, root: click.Context) -> list[Setting]:
    """Of all commands; NmcError NMC-X021 with everything that is wrong, once."""
    from ...runtime.program.diagnostics import Exit, NmcError
    from ..config import commands, settings_for

    assert isinstance(root.command, click.Group)
    found, problems = [], []
    for names, command in commands(root.command):
        with click.Context(command, parent=root, info_name=names[-1], resilient_parsing=True) as context:
            try:
                found += settings_for(config, names, context, root.command)
            except NmcError as error:
                problems += error.diagnostics
    if problems:
        raise NmcError(list(dict.fromkeys(problems)), Exit.USAGE)
    return found

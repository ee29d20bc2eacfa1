"""Entry point of `nmc`: commands are imported when they run, so `nmc --help` answers at once."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

# name → (what it does, module of cli/commands that holds a click command `command`)
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("Show what keeps a network from running on a target.", "check"),
    "compare": ("Hold a board's recorded output against a simulation.", "compare"),
    "compile": ("Compile a network to a program for a target.", "compile"),
    "config": ("Show which options come from a file.", "config"),
    "diff": ("Show what two programs differ in.", "diff"),
    "evaluate": ("Measure how often a program decides as labelled, and as the float model.", "evaluate"),
    "explain": ("Explain a diagnostic code, or what the compiler did with a network.", "explain"),
    "export": ("Write a program in a format of its target's vendor, or a network as NIR.", "export"),
    "golden": ("Record what models give, and notice when it changes.", "golden"),
    "import": ("Read a vendor's file as a program.", "import_"),
    "inspect": ("Show what a program holds: layers, memory, schedule.", "inspect"),
    "live": ("Play a clip through a program, frame by frame, and show what it decides.", "live"),
    "partition": ("Cut a CRI program over cores, and show what each takes.", "partition"),
    "passes": ("List passes with their options, and targets' pipelines.", "passes"),
    "report": ("Write what is known of a program as one page.", "report"),
    "simulate": ("Run a program on inputs, to the bit as the chip would.", "simulate"),
    "sweep": ("Compile a network with many options, and measure accuracy and costs of each.", "sweep"),
    "targets": ("List targets with their profiles and limits.", "targets"),
    "verify": ("Compare a program with its float network, layer by layer, and builds bit for bit.", "verify"),
}


class LazyGroup(click.Group):
    """A group that knows its commands' summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f".commands.{COMMANDS[cmd_name][1]}", __package__).command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(name, COMMANDS, 1)
            ctx.fail(f"no such command {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (summary, _) in COMMANDS.items()])


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"nmc {version('nmc')}")
    ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
@click.option("--config", metavar="FILE", help="Take options from this file; default nmc.toml here or above.")
@click.option("--no-config", is_flag=True, help="Take no options from a file.")
def main(config: str | None, no_config: bool) -> None:
    """nmc, the neuromorphic compiler.

    Takes a trained network and makes a program for neuromorphic hardware, which a bit-accurate simulator runs here.

    Exit codes: 0 done, 1 a check failed, 2 usage, 3 model not supported, 4 bad file or data, 5 limit exceeded.
    """


if __name__ == "__main__":
    main()

"""Options from a file: nmc.toml, or the table [tool.nmc] of pyproject.toml (docs/config.md).

Top-level keys are for every command that has the option, tables for one command: `[compile]`, `[golden.check]`. Keys
are called as options are, without dashes in front. What is given on the command line wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..runtime.program.diagnostics import Diagnostic, Exit, NmcError, bad_file
from .common import ConfiguredCommand

FILE, PROJECT = "nmc.toml", "pyproject.toml"
LEFT_OUT = ("help", "version", "config", "no-config")


@dataclass(frozen=True)
class Config:
    """A file and what it says; a path in it is relative to the file's folder."""

    path: Path
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """An option that a file sets: the command's names, the option's, the value as click takes it, and the key."""

    command: tuple[str, ...]
    option: str
    value: Any
    key: str


def find_config(start: Path, home: Path) -> Config | None:
    """The file of the nearest folder from `start` upwards that has one, nmc.toml before pyproject.toml. The folder of a
    repository (.git) and the home folder are the last ones. NmcError NMC-X020 for a file that cannot be read."""
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return read_config(folder / FILE)
        if (folder / PROJECT).is_file() and (found := _of_project(folder / PROJECT)) is not None:
            return found
        if folder == home or (folder / ".git").exists():
            break
    return None


def config_of(given: str | None, none: bool) -> Config | None:
    """The file that --config names, or the nearest one; None with --no-config, or where there is no file."""
    if none:
        return None
    return find_config(Path.cwd(), Path.home()) if given is None else read_config(Path(given))


def read_config(path: Path) -> Config:
    """A file of options, or a pyproject.toml with the table [tool.nmc]; NmcError NMC-X020 for one that is neither."""
    if path.name == PROJECT:
        found = _of_project(path)
        if found is None:
            raise bad_file("NMC-X020", "the file has no table [tool.nmc]", str(path), hint=f"or name it {FILE}")
        return found
    return Config(path, _parsed(path))


def _of_project(path: Path) -> Config | None:
    """None where the file does not mention nmc as a tool: then it is no concern of nmc's, sound or not."""
    try:
        if b"nmc" not in path.read_bytes():
            return None
    except OSError:
        return None
    tools = _parsed(path).get("tool", {})
    if not isinstance(tools, dict) or "nmc" not in tools:
        return None
    if not isinstance(tools["nmc"], dict):
        raise bad_file("NMC-X020", "tool.nmc is no table", str(path), hint="write [tool.nmc]")
    return Config(path, tools["nmc"])


def _parsed(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        what = "cannot read the file of options"
        raise bad_file("NMC-X020", what, str(path), error.strerror or str(error), "check --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_file("NMC-X020", "the file of options is no TOML", str(path), str(error)) from error


# --- from keys to options ---


def settings_for(config: Config, names: Sequence[str], context: click.Context, group: click.Group) -> list[Setting]:
    """What the file sets for the command of `context`, which is called by `names` in `group`.

    NmcError NMC-X021 (usage) with every key that there is not and every value that does not fit.
    """
    reader, options = _Reader(config, group), _options(context.command)
    found: dict[str, Setting | None] = {}
    for depth in range(len(names) + 1):
        path = tuple(names[:depth])
        for key, value in reader.keys(path):
            if key in options:
                found[key] = reader.setting(tuple(names), options[key], value, ".".join((*path, key)), context)
            else:
                reader.check_known(path, key, list(options) if depth == len(names) else None)
    if reader.problems:
        raise NmcError(reader.problems, Exit.USAGE)
    return [setting for setting in found.values() if setting is not None]


def _options(command: click.Command) -> dict[str, click.Option]:
    """Options by their names, without dashes in front."""
    found = {_key(p): p for p in command.params if isinstance(p, click.Option)}
    return {name: option for name, option in found.items() if name not in LEFT_OUT}


def _key(option: click.Option) -> str:
    return max(option.opts, key=len).lstrip("-")


def commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands that take options from a file, with their names; those of groups in groups too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))
        elif isinstance(command, ConfiguredCommand):
            yield (*above, name), command


class _Reader:
    """Looks keys up in a file and collects what is wrong with them."""

    def __init__(self, config: Config, group: click.Group):
        self.config, self.group = config, group
        self.problems: list[Diagnostic] = []

    def wrong(self, what: str, key: str, why: str = "", hint: str = "") -> None:
        self.problems.append(Diagnostic("NMC-X021", what, f"{self.config.path}, {key}", why, hint))

    def check_known(self, path: tuple[str, ...], key: str, known: Sequence[str] | None) -> None:
        """A key that the command does not know must be an option of another one below `path`, unless `known` are all
        that there are. Only for this are the other commands imported."""
        from ..compiler.pipeline import nearest

        if known is None:
            below = [command for names, command in commands(self.group) if names[: len(path)] == path]
            known = sorted({name for command in below for name in _options(command)})
        if key not in known:
            self.wrong(f"there is no option {key!r}", ".".join((*path, key)), hint=nearest(key, known))

    def keys(self, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        """The keys of a table that are no tables of commands. Tables must be called as commands are."""
        table: Any = self.config.data
        group: click.Command | None = self.group
        for name in path:
            table = table.get(name, {}) if isinstance(table, dict) else {}
            group = group.get_command(click.Context(group), name) if isinstance(group, click.Group) else None
        known = group.list_commands(click.Context(group)) if isinstance(group, click.Group) else []
        for key, value in table.items() if isinstance(table, dict) else ():
            if not isinstance(value, dict) and key in known:
                self.wrong(f"{key!r} is a command", ".".join((*path, key)), hint=f"write a table [{key}]")
            elif not isinstance(value, dict):
                yield key, value
            elif key not in known:
                from ..compiler.pipeline import nearest

                self.wrong(f"there is no command {key!r}", ".".join((*path, key)), hint=nearest(key, known))

    def setting(
        self, names: tuple[str, ...], option: click.Option, value: Any, key: str, context: click.Context
    ) -> Setting | None:
        """A value held against its option; None where it has the wrong type."""
        taken = self._taken(option, value)
        if taken is None:
            kind = "true or false" if option.is_flag else "a list of texts" if option.multiple else "a text or a number"
            self.wrong(f"{_key(option)} must be {kind}, not {value!r}", key)
            return None
        try:
            option.process_value(context, taken)
        except click.UsageError as error:
            self.wrong(f"{_key(option)} = {value!r} does not fit", key, error.message)
        return Setting(names, option.name or "", taken, key)

    def _taken(self, option: click.Option, value: Any) -> Any:
        """The value as click takes it, None where it has the wrong type."""
        if option.is_flag:
            return value if isinstance(value, bool) else None
        if option.multiple:
            texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
            return [self._placed(option, item) for item in value] if texts else None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        return self._placed(option, value) if isinstance(value, str) else str(value)

    def _placed(self, option: click.Option, text: str) -> str:
        """A path from the file's folder."""
        return str(self.config.path.parent / text) if isinstance(option.type, click.Path) else text

"""What a shell completes for options that name targets, profiles, devices, passes and codes (docs/completion.md)."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

import click
from click.shell_completion import CompletionItem

GROUP = "nmc.targets"


def targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Installed targets; none of them is imported."""
    return _starting({entry.name for entry in entry_points(group=GROUP)}, incomplete)


def profiles(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Profiles of the target on the command line, or of all."""
    found = [profile["name"] for target in _chosen(context) for profile in target.facts().get("profiles", ())]
    every = ["all"] if parameter.multiple else []
    return _starting({*found, *every}, incomplete)


def devices(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Devices of the target on the command line, or of all."""
    return _starting({name for target in _chosen(context) for name in getattr(target, "devices", ())}, incomplete)


def passes(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The last pass of a pipeline that is being typed."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(_passes(context), last)]


def one_pass(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """A pass, or all of them."""
    return _starting({*_passes(context), "all"}, incomplete)


def codes_or_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Codes of diagnostics where there are some, else files."""
    from .explanations import MEANINGS

    found = _starting(MEANINGS, incomplete) if incomplete else []
    return [CompletionItem(code) for code in found] or [CompletionItem(incomplete, type="file")]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _passes(context: click.Context) -> set[str]:
    from ..compiler.passes import PASSES

    return {*PASSES, *(name for target in _chosen(context) for name in target.passes)}


def _chosen(context: click.Context) -> list[Any]:
    from ..compiler.target import find_target, target_names

    given, known = context.params.get("target"), target_names()
    return [find_target(name) for name in ([given] if given in known else known)]

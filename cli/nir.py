"""The options of commands that read NIR files: how continuous-time neurons become neurons with timesteps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..compiler.frontends import NirOptions

F = TypeVar("F", bound=Callable[..., Any])

NAMES = ("dt", "discretization", "reset", "reset_delay", "compare", "start", "synapse")


def nir_options(function: F) -> F:
    """Decorator for a command function: it gets the options by name, None where they are not given."""
    for option in reversed(
        (
            click.option("--dt", type=float, help="nir: timestep in seconds; default what the file says, else 1e-4."),
            click.option("--discretization", help="nir: euler (default) or exact (exponential decay)."),
            click.option("--reset", help="nir: what a spike does: value (default), subtract or none."),
            click.option("--reset-delay", is_flag=True, default=None, help="nir: the reset comes in the step after."),
            click.option("--compare", help="nir: fire at gt (v > threshold, default) or ge (v >= threshold)."),
            click.option("--start", help="nir: v before the first step: zero (default) or reset."),
            click.option("--synapse", help="nir: input of CubaLIF: current (default) or impulse (norse)."),
        )
    ):
        function = option(function)
    return function


def take_nir(options: dict[str, Any]) -> NirOptions | None:
    """The discretization among a command's options, which are taken out; None if nothing was asked for. NmcError
    NMC-I042 (usage) for values that there are not."""
    given = {name: options.pop(name) for name in NAMES}
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return None
    from ..compiler.diagnostics import usage
    from ..compiler.frontends import NirOptions

    try:
        return NirOptions(**given)
    except ValueError as error:
        raise usage("NMC-I042", f"the discretization of a NIR file: {error}") from None


def write_network(
    model: Path,
    output: Path | None,
    shapes: Mapping[str, tuple[int, ...]],
    state_dict: Path | None,
    nir: NirOptions | None,
    classes: str | None = None,
) -> tuple[Path, list[str]]:
    """Write a spiking network as a NIR file, by default ./<model>.nir: its path, and sentences for the user.

    Names of its classes are those in `classes` (`task.parse_names`), by default those that the model's file has.

    A model that is no NIR file has no discretization but dt, for which the file is written.
    """
    from ..compiler.diagnostics import usage
    from ..compiler.frontends import NirOptions, import_model, model_stem
    from ..compiler.frontends.nir import DEFAULT_DT, write_nir
    from ..compiler.task import take_task
    from ..runtime.program.task import Task
    from .task import parse_names

    if model.suffix == ".nmc":
        why = "a program holds integers for one machine"
        raise usage("NMC-X003", "a program is not written as NIR", str(model), why, "name the network it was made from")
    reads = model.suffix.lower() == ".nir" or (nir is not None and replace(nir, dt=None) != NirOptions())
    imported = import_model(model, shapes, state_dict, nir if reads else None)
    dt = imported.options.get("dt") or (nir and nir.dt) or DEFAULT_DT
    path = output or Path(f"{model_stem(model)}.nir")
    notes = list(imported.notes)
    names = take_task(Task(() if classes is None else parse_names(classes)), imported, notes).classes
    return path, [*notes, *write_nir(imported.graph, path, dt, names)]

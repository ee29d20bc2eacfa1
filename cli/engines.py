"""--device: where the engine torch runs."""

from __future__ import annotations

from collections.abc import Callable

import click


def device_option(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator of a command's function: the option."""
    return click.option("--device", help="Run on the engine torch there: cpu, cuda or cuda:N.")(function)


def on_device(engine: str, device: str | None) -> str:
    """The engine as sessions name it. Click's usage error where another engine is asked for by name."""
    if device is None:
        return engine
    if engine not in ("auto", "torch"):
        raise click.BadParameter(f"the engine {engine!r} has no devices", param_hint="--device")
    return f"torch:{device}"

"""The options of targets, for all commands that compile a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .completion import devices, profiles

F = TypeVar("F", bound=Callable[..., Any])


def target_options(function: F) -> F:
    """Decorator for a command function: it gets the options by name, None where they are not given. Which of them a
    target has, and with which values, is the target's to say."""
    for option in reversed(
        (
            click.option("--profile", shell_complete=profiles, help="cri: build of the machine, e.g. sim or hw2024."),
            click.option("--timesteps", type=int, help="cri: T; of a network of activations also their levels."),
            click.option(
                "--code", help="cri, networks of activations: unary (exact) or rate (integrate-and-fire neurons)."
            ),
            click.option("--rate-reset", help="cri, --code rate: hard, or soft on profiles that have it."),
            click.option("--refit", help="cri, unary code: auto (layers make up for the rounding before them) or off."),
            click.option("--spread", help="cri, unary code: auto (layers that need more levels get more) or off."),
            click.option("--ranges", help="How calibration gives ranges: minmax, percentile, mse or kl."),
            click.option("--readout", help="cri: potential (exact integers) or count (spike counts)."),
            click.option(
                "--device",
                shell_complete=devices,
                help="akida: device whose limits the program must keep, e.g. TwoNodesIPv2.",
            ),
            click.option(
                "--causal", help="akida: delay (layers that look ahead make outputs late) or strict (refuse them)."
            ),
            click.option("--weight-bits", type=int, help="akida: 8 or 4. cri: 2 to 8, for spiking networks to 16."),
            click.option("--input-bits", type=int, help="cri, spiking networks: bits of an input's codes, 1 to 8."),
            click.option(
                "--leak", help="cri, spiking networks: nearest (warn where a leak is not exact) or exact (refuse it)."
            ),
            click.option("--activation-bits", type=int, help="akida: 8 or 4."),
            click.option(
                "--equalize", help="akida: auto (channels get ranges of their own where it helps), bits or off."
            ),
            click.option(
                "--host-fallback",
                is_flag=True,
                default=None,
                help="akida: let the host do what the device cannot, in segments.",
            ),
            click.option("--bias-correction", help="akida: auto (biases make up for mean errors), analytic or off."),
            click.option("--rounding", help="akida: of weights: nearest, layer or network (learned on the samples)."),
            click.option("--weight-ranges", help="akida: full, or mse (4-bit weights are clipped where that helps)."),
            click.option("--range-search", help="akida: auto (ranges are searched in the integer network) or off."),
            click.option(
                "--size-budget",
                type=int,
                metavar="BYTES",
                help="akida: for all weights; layers get 4 bits until they fit.",
            ),
            click.option(
                "--optimize",
                type=int,
                help="0: plain rounding; 1: as usual; 2: all that helps accuracy, which takes time.",
            ),
            click.option(
                "--time-budget",
                type=float,
                metavar="SECONDS",
                help="When searches of --optimize 2 end; default: when done.",
            ),
        )
    ):
        function = option(function)
    return function


def take_target_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those that are given, of a command's options that are left when all others are taken out."""
    return {name: value for name, value in options.items() if value is not None}

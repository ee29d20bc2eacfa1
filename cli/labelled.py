"""The options of commands that run labelled samples: which samples, how scores become decisions, and who runs them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..runtime.datasets.binning import Binning
    from ..runtime.labelled import Labelled
    from ..runtime.program import Program

F = TypeVar("F", bound=Callable[..., Any])


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """For click: refuse NaN and infinity."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("must be a finite number", context, parameter)
    return value


def parse_sensor(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """For click: "346x260"."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**15 for part in parts):
        raise click.BadParameter("must be WIDTHxHEIGHT, such as 346x260", context, parameter)
    return int(parts[0]), int(parts[1])


DATA = (
    click.option(
        "--data",
        "source",
        required=True,
        type=click.Path(path_type=Path),
        help="Samples with labels (.npz), or a folder of frame folders or recordings.",
    ),
    click.option(
        "--format",
        "kind",
        type=click.Choice(["auto", "npz", "frames", "dvs128", "nmnist", "events"]),
        default="auto",
        show_default=True,
        help="What --data is; auto: by what is there.",
    ),
    click.option("--labels", type=click.Path(path_type=Path), help="CSV with lines folder;label, for a folder."),
    click.option("--classes", type=click.Path(path_type=Path), help="Class names, one a line; else the program's."),
    click.option("--output", help="The output with the class scores, if there are several."),
    click.option(
        "--scale",
        type=click.FloatRange(min=0, min_open=True),
        callback=finite,
        help="Pixels 0 … 255 are divided by this, for a folder; default the program's, or 255.",
    ),
    click.option("--limit", type=click.IntRange(min=1), help="Take the first samples only."),
    click.option(
        "--decay",
        type=click.FloatRange(0, 1, max_open=True),
        callback=finite,
        help="Of the smoothing over frames; default the program's, or 0.8.",
    ),
)
EVENTS = (
    click.option(
        "--split", type=click.Choice(["train", "test"]), help="Recordings: which half of the data set; default test."
    ),
    click.option(
        "--bins",
        type=click.Choice(["count", "time"]),
        help="Recordings: frames of equally many events (default), or equally long ones.",
    ),
    click.option(
        "--window",
        type=click.FloatRange(0.001, 1e6),
        callback=finite,
        help="Recordings: instead of --bins, milliseconds of a frame.",
    ),
    click.option(
        "--values",
        type=click.Choice(["binary", "count"]),
        help="Recordings: pixels are 1 where an event fell (default), or count events.",
    ),
    click.option(
        "--resize",
        type=click.Choice(["move", "bilinear"]),
        help="Recordings: events move to the network's pixels (default), or counts are interpolated.",
    ),
    click.option(
        "--polarity",
        type=click.Choice(["off-on", "on-off"]),
        help="Recordings: order of the channels; default off-on.",
    ),
    click.option(
        "--sensor",
        metavar="WxH",
        callback=parse_sensor,
        help="Recordings: pixels of the event camera; default as the data set has.",
    ),
)
WORKERS = (
    click.option(
        "--workers", metavar="N|dask://HOST:PORT", help="Run in N processes, or on a Dask cluster (nmc[dask])."
    ),
    click.option("--part", type=click.IntRange(min=1), help="Samples that a process takes at a time."),
)


def data_options(function: F) -> F:
    """Decorator for a command function: --data as `source`, --format as `kind`, and the others by name, None where they
    are not given."""
    return _with((*DATA, *EVENTS), function)


def open_data(source: Path, program: Program, given: Mapping[str, Any]) -> Labelled:
    """The labelled samples at `source`, by the other options of `data_options` in `given`. NmcError."""
    from ..runtime.labelled import open_labelled

    named = {name: given[name] for name in ("labels", "classes", "scale", "limit", "kind", "split")}
    return open_labelled(source, program, **named, events=_binning(given))


def _binning(given: Mapping[str, Any]) -> Binning | None:
    """How events become frames; None where nothing is said about it."""
    from ..runtime.datasets.binning import Binning

    said = {name: given[name] for name in ("bins", "values", "resize", "sensor") if given[name] is not None}
    if given["window"] is not None:
        if "bins" in said:
            raise click.UsageError("--window takes the place of --bins.")
        said["window"] = max(round(given["window"] * 1000), 1)
    if given["polarity"] is not None:
        said["on"] = 1 if given["polarity"] == "off-on" else 0
    return Binning(**said) if said else None


def worker_options(function: F) -> F:
    """Decorator for a command function: --workers and --part."""
    return _with(WORKERS, function)


def _with(options: tuple[Callable[[F], F], ...], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function

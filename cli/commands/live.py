"""nmc live"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..common import Output, nmc_command
from .evaluate import finite

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count signals."""


def parse_sensor(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """For click: "346x260"."""
    if value is None:
        return None
    parts = value.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**15 for part in parts):
        raise click.BadParameter("must be WIDTHxHEIGHT, such as 346x260", context, parameter)
    return int(parts[0]), int(parts[1])


@nmc_command("live")
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("clip", type=click.Path(path_type=Path))
@click.option("--classes", metavar="FILE|NAMES", help="Class names, one a line, or between commas.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Show the K likeliest classes.")
@click.option(
    "--decay",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    default=0.8,
    show_default=True,
    help="Of the smoothing over frames.",
)
@click.option(
    "--fps",
    type=click.FloatRange(0.01, 1000),
    callback=finite,
    default=12.0,
    show_default=True,
    help="Frames a second: at most in a terminal; of a GIF, at most 50.",
)
@click.option("--save", type=click.Path(path_type=Path), help="Write clip and bars as an animated GIF.")
@click.option("--output", help="The output with the class scores, if there are several.")
@click.option("--limit", type=click.IntRange(min=1), help="Play the first frames only.")
@click.option("--sample", type=click.IntRange(min=0), default=0, show_default=True, help="Which one of an array file.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    default=255.0,
    show_default=True,
    help="Pixels of images and videos are divided by this.",
)
@click.option(
    "--window",
    type=click.FloatRange(0.001, 1e6),
    callback=finite,
    default=50.0,
    show_default=True,
    help="Milliseconds of events that make a frame.",
)
@click.option("--sensor", metavar="WxH", callback=parse_sensor, help="Pixels of the event camera; default 128x128.")
@click.option(
    "--polarity",
    type=click.Choice(["on-off", "off-on"]),
    default="on-off",
    show_default=True,
    help="Order of the channels of events.",
)
@click.option("--seed", type=click.IntRange(min=0), help="cri: draw the noise of a program with noise from this seed.")
def command(
    out: Output,
    program: Path,
    clip: Path,
    classes: str | None,
    top: int,
    decay: float,
    fps: float,
    save: Path | None,
    output: str | None,
    limit: int | None,
    sample: int,
    scale: float,
    window: float,
    sensor: tuple[int, int] | None,
    polarity: str,
    seed: int | None,
) -> None:
    """Play CLIP through PROGRAM, frame by frame, and show what it decides.

    CLIP is .npz, .npy, .safetensors (values as the network takes them), a GIF, an image, a folder of numbered images,
    a video (needs the package av), or events as .aedat. Where the output is no terminal, each frame is a line.

    Ctrl-C ends the show with exit code 130.
    """
    from ...runtime import load
    from ...runtime.evaluate import score_output
    from ...runtime.frames import pillow
    from ..live.clips import open_clip
    from ..live.events import Sensor
    from ..live.names import class_names
    from ..live.play import show
    from ..live.stage import Stage
    from ..live.view import view_of

    loaded = load(program)
    scores = score_output(loaded, output)
    names = class_names(classes, scores.classes)
    view = view_of(loaded, 0 if polarity == "on-off" else 1)
    if save is not None:
        pillow()
    camera = Sensor(*(sensor or (128, 128)), max(round(window * 1000), 1))
    opened = open_clip(clip, view, scale, sample, camera)
    played = show(loaded, opened, view, scores, decay, seed, limit)
    stage = Stage(played, view, (opened.low, opened.high), names, top, fps, save is not None, out.quiet or out.as_json)
    try:
        stage.play()
    except KeyboardInterrupt:
        click.echo(f"stopped after {stage.seen} {played.unit}s", err=True)
        sys.exit(INTERRUPTED)
    if save is not None:
        stage.save(save)
    out.result(stage.facts() | {"program": str(program), "clip": str(clip), "saved": save and str(save)}, stage.summary)

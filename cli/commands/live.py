"""nmc live"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..common import Output, nmc_command
from ..labelled import finite, parse_sensor

FASTEST = 1000.0
"""Frames a second of a camera at most: it sets the pace itself."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count signals."""


@nmc_command("live")
@click.argument("program", type=click.Path(path_type=Path))
@click.argument("clip", type=click.Path(path_type=Path), required=False)
@click.option(
    "--camera",
    is_flag=False,
    flag_value="0",
    metavar="[N|URL]",
    help="Instead of CLIP: a camera by its number, by default 0, a URL, or FORMAT:NAME as FFmpeg knows it.",
)
@click.option("--classes", metavar="FILE|NAMES", help="Class names, one a line, or between commas; else the program's.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Show the K likeliest classes.")
@click.option(
    "--decay",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    help="Of the smoothing over frames; default the program's, or 0.8.",
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
    help="Pixels of images and videos are divided by this; default the program's, or 255.",
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
    type=click.Choice(["off-on", "on-off"]),
    default="off-on",
    show_default=True,
    help="Order of the channels of events.",
)
@click.option("--seed", type=click.IntRange(min=0), help="cri: draw the noise of a program with noise from this seed.")
def command(
    out: Output,
    program: Path,
    clip: Path | None,
    camera: str | None,
    classes: str | None,
    top: int,
    decay: float | None,
    fps: float,
    save: Path | None,
    output: str | None,
    limit: int | None,
    sample: int,
    scale: float | None,
    window: float,
    sensor: tuple[int, int] | None,
    polarity: str,
    seed: int | None,
) -> None:
    """Play CLIP through PROGRAM, frame by frame, and show what it decides.

    CLIP is .npz, .npy, .safetensors (values as the network takes them), a GIF, an image, a folder of numbered images,
    a video (needs the package av), or events as .aedat. Where the output is no terminal, each frame is a line.

    In a terminal the key q ends the show. Ctrl-C ends it with exit code 130, and nothing is saved.
    """
    from ...runtime import load
    from ...runtime.evaluate import decay_of, score_output
    from ...runtime.frames import pillow
    from ...runtime.program import CriProgram
    from ...runtime.scaling import scaling_of
    from ..live.clips import open_camera, open_clip
    from ..live.events import Sensor
    from ..live.names import class_names
    from ..live.play import show
    from ..live.stage import Stage
    from ..live.view import view_of

    if (clip is None) == (camera is None):
        raise click.UsageError("Give either CLIP or --camera.")
    if camera is not None and save is not None and limit is None:
        raise click.UsageError("--save needs --limit with --camera: a GIF holds all frames.")
    loaded = load(program)
    scores = score_output(loaded, output)
    names = class_names(classes, loaded, scores.classes)
    view = view_of(loaded, 1 if polarity == "off-on" else 0)
    if save is not None:
        pillow()
    scaling = scaling_of(loaded, view.channels, scale)
    if clip is not None:
        events = Sensor(*(sensor or (128, 128)), max(round(window * 1000), 1))
        opened = open_clip(clip, view, scaling, sample, events)
    else:
        if isinstance(loaded, CriProgram) and loaded.inputs[0].every and limit is None:
            raise click.UsageError("--camera needs --limit for a spiking network: it takes a whole train of frames.")
        assert camera is not None
        opened, fps = open_camera(camera, view, scaling), FASTEST if save is None else fps
    played = show(loaded, opened, view, scores, decay_of(loaded, decay), seed, limit)
    stage = Stage(played, view, (opened.low, opened.high), names, top, fps, save is not None, out.quiet or out.as_json)
    try:
        stage.play()
    except KeyboardInterrupt:
        click.echo(f"stopped after {stage.seen} {played.unit}s", err=True)
        sys.exit(INTERRUPTED)
    if save is not None:
        with out.bar("writing"):
            stage.save(save)
    facts = {"program": str(program), "clip": camera if clip is None else str(clip), "saved": save and str(save)}
    out.result(stage.facts() | facts, stage.summary)

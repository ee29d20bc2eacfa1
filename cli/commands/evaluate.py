"""nmc evaluate"""

from __future__ import annotations

import math
from pathlib import Path

import click

from ..common import Output, nmc_command, progress_bar


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """For click: refuse NaN and infinity."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("must be a finite number", context, parameter)
    return value


@nmc_command("evaluate")
@click.argument("program", type=click.Path(path_type=Path))
@click.option(
    "--data",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="Samples with labels (.npz), or a folder of frame folders.",
)
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with lines folder;label, for a folder.")
@click.option("--classes", type=click.Path(path_type=Path), help="Class names, one a line, in the network's order.")
@click.option("--model", type=click.Path(path_type=Path), help="The float model (.onnx), to compare with.")
@click.option("--output", help="The output with the class scores, if there are several.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    callback=finite,
    help="Pixels 0 … 255 are divided by this, for a folder; default 255.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Take the first samples only.")
@click.option(
    "--decay",
    type=click.FloatRange(0, 1, max_open=True),
    callback=finite,
    default=0.8,
    show_default=True,
    help="Of the smoothing over frames.",
)
@click.option(
    "--smooth/--no-smooth", default=True, help="Which decision the tables by class show, if there are frames."
)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Also count labels in the top K.")
@click.option("--confusion", is_flag=True, help="Show the program's confusion matrix.")
def command(
    out: Output,
    program: Path,
    source: Path,
    labels: Path | None,
    classes: Path | None,
    model: Path | None,
    output: str | None,
    scale: float | None,
    limit: int | None,
    decay: float,
    smooth: bool,
    top: int,
    confusion: bool,
) -> None:
    """Measure how often PROGRAM decides as labelled, and as the float model."""
    from ...runtime import load
    from ...runtime.evaluate import evaluate, score_output
    from ...runtime.float_model import FloatModel
    from ...runtime.frames import FrameFolders
    from ...runtime.labelled import open_labelled
    from ..views.evaluation import show, summary

    loaded = load(program)
    score_output(loaded, output)  # a wrong --output is told before a large folder is looked through
    data = open_labelled(source, loaded, labels=labels, classes=classes, scale=scale, limit=limit)
    floats = None if model is None else FloatModel(model)
    with progress_bar(not (out.quiet or out.as_json), "evaluating") as progress:
        done = evaluate(loaded, data, output=output, model=floats, decay=decay, progress=progress)
    facts = {
        "program": str(program),
        "model": None if model is None else str(model),
        **summary(done, smooth, top, confusion),
    }
    if isinstance(data, FrameFolders):
        facts["clips"] = {"frames": data.pixels.frames, "sampled": data.longer, "repeated": data.shorter}
    clipped, left = done.counters["input_clipped"], done.counters["out_of_range"]
    warnings = {"input values lie outside the calibrated range and were clipped": clipped}
    warnings["values left the width that the machine has for them"] = left
    out.warn(f"{count:,} {what}" for what, count in warnings.items() if count)
    out.result(facts, lambda: show(facts))

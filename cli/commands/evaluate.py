"""nmc evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..common import Output, nmc_command
from ..engines import device_option, on_device
from ..labelled import data_options, open_data, worker_options


@nmc_command("evaluate")
@click.argument("program", type=click.Path(path_type=Path))
@data_options
@click.option("--model", type=click.Path(path_type=Path), help="The float model (.onnx), to compare with.")
@click.option(
    "--smooth/--no-smooth", default=True, help="Which decision the tables by class show, if there are frames."
)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="Also count labels in the top K.")
@click.option("--confusion", is_flag=True, help="Show the program's confusion matrix.")
@click.option("--confusion-plot", "plot", type=click.Path(path_type=Path), help="Draw it: .png, .svg or .pdf.")
@device_option
@worker_options
@click.option(
    "--resume", type=click.Path(path_type=Path), help="Keep finished parts in this file or folder, and go on from them."
)
def command(
    out: Output,
    program: Path,
    source: Path,
    model: Path | None,
    output: str | None,
    decay: float | None,
    smooth: bool,
    top: int,
    confusion: bool,
    plot: Path | None,
    device: str | None,
    workers: str | None,
    part: int | None,
    resume: Path | None,
    **samples: Any,
) -> None:
    """Measure how often PROGRAM decides as labelled, and as the float model."""
    from ...runtime import Session, load
    from ...runtime.datasets.samples import EventSamples
    from ...runtime.evaluate import evaluate, score_output
    from ...runtime.float_model import FloatModel
    from ...runtime.frames import FrameFolders
    from ...runtime.parallel.evaluate import evaluate_in_parts
    from ...runtime.parallel.jobs import Job, Settings
    from ...runtime.parallel.pool import open_pool
    from ..figures import check_figure
    from ..views.evaluation import draw_confusion, show, summary

    loaded, engine = load(program), on_device("auto", device)
    if plot is not None:
        check_figure(plot)
    score_output(loaded, output)  # a wrong --output is told before a large folder is looked through
    data = open_data(source, loaded, samples)
    parts: dict[str, int] = {}
    if workers is None and part is None and resume is None:
        floats = None if model is None else FloatModel(model)
        with out.bar("evaluating") as progress:
            done = evaluate(Session(loaded, engine), data, output=output, model=floats, decay=decay, progress=progress)
    else:
        job = Job(program, data, model, Settings(output, decay, engine=engine))
        with open_pool(workers) as pool, out.bar("evaluating") as progress:
            (found,) = evaluate_in_parts([job], pool, part=part, resume=resume, progress=progress)
        done, parts = found.evaluation, {"parts": found.parts, "resumed": found.resumed}
    facts = {
        "program": str(program),
        "model": None if model is None else str(model),
        **summary(done, smooth, top, confusion),
        **parts,
    }
    if isinstance(data, FrameFolders):
        facts["clips"] = {"frames": data.pixels.frames, "sampled": data.longer, "repeated": data.shorter}
    if isinstance(data, EventSamples):
        facts["events"] = data.facts()
    if plot is not None:
        draw_confusion(plot, done, smooth)
        facts["confusion_plot"] = str(plot)
    clipped, left = done.counters["input_clipped"], done.counters["out_of_range"]
    warnings = {"input values lie outside the calibrated range and were clipped": clipped}
    warnings["values left the width that the machine has for them"] = left
    out.warn(f"{count:,} {what}" for what, count in warnings.items() if count)
    out.result(facts, lambda: show(facts))
    if parts.get("resumed") and not (out.quiet or out.as_json):
        click.echo(f"resumed: {parts['resumed']:,} of {parts['parts']:,} parts were there")
    if plot is not None and not (out.quiet or out.as_json):
        click.echo(f"written: {plot}")

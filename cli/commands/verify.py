"""nmc verify"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command
from ..completion import profiles
from ..labelled import finite
from .compile import parse_shapes

if TYPE_CHECKING:
    from ...runtime.arith import Ints
    from ...runtime.program.container import Program


@nmc_command("verify")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("program", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="Samples (.npz, .npy, …), perhaps with labels; or a folder of frame folders.",
)
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="As for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="Weights for PyTorch code (.pt, .safetensors).")
@click.option("--labels", type=click.Path(path_type=Path), help="CSV with lines folder;label, for a folder.")
@click.option("--classes", type=click.Path(path_type=Path), help="Class names, one a line, in the network's order.")
@click.option("--output", help="The output with the class scores, if there are labels and several outputs.")
@click.option("--limit", type=click.IntRange(min=1), help="Take the first samples only.")
@click.option(
    "--threshold", type=float, callback=finite, metavar="DB", help="Fail where a layer's or output's SQNR is below."
)
@click.option(
    "--profile",
    multiple=True,
    metavar="NAME|all",
    shell_complete=profiles,
    help="cri: also under these builds, bit for bit.",
)
@click.option("--calibration", type=click.Path(path_type=Path), help="For --profile: the program's calibration data.")
@click.option("--engines", is_flag=True, help="Also compare the simulator's engines, bit for bit.")
@click.option("--sensitivity", is_flag=True, help="Also measure what each layer's rounding costs, and say what to try.")
def command(
    out: Output,
    model: Path,
    program: Path,
    source: Path,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    labels: Path | None,
    classes: Path | None,
    output: str | None,
    limit: int | None,
    threshold: float | None,
    profile: tuple[str, ...],
    calibration: Path | None,
    engines: bool,
    sensitivity: bool,
) -> None:
    """Compare PROGRAM with the float network of MODEL it was made from, layer by layer.

    Exit code 1 if outputs differ where they should be equal (between profiles, between engines, between the program
    and its integer network, between onnxruntime and the imported network), or if anything is below --threshold.
    """
    from ...runtime import load
    from ..verification.report import verify
    from ..verification.source import Source
    from ..views.sensitivity import cost_summary
    from ..views.verification import failures, summary

    loaded = load(program)
    arrays, known = _samples(source, loaded, labels, classes, limit)
    shapes = parse_shapes(input_shape)
    with out.bar("measuring layers" if sensitivity else "comparing") as progress:
        done = verify(
            Source(model, shapes, state_dict),
            loaded,
            arrays,
            known,
            output=output,
            profiles=profile,
            calibration=calibration,
            engines=engines,
            costs=sensitivity,
            progress=progress,
        )
    failed = failures(done, threshold)
    facts = {"model": str(model), "program": str(program), **summary(done, threshold, failed)}
    if done.costs is not None:
        facts["sensitivity"] = cost_summary(done.costs, loaded)
    if not done.same_model:
        out.warn(["the program was not made from this model (its digest is another one)"])
    out.result(facts, lambda: _show_all(facts))
    if failed:
        sys.exit(1)


def _show_all(facts: dict[str, Any]) -> None:
    from ..views.sensitivity import show_costs
    from ..views.verification import show

    show(facts)
    if "sensitivity" in facts:
        show_costs(facts["sensitivity"])


def _samples(
    source: Path, program: Program, labels: Path | None, classes: Path | None, limit: int | None
) -> tuple[dict[str, Any], Ints | None]:
    """Arrays by input name, and labels where there are some."""
    from ...runtime.data import read_arrays
    from ...runtime.labelled import LABEL_NAMES, open_labelled

    if source.is_dir() or labels is not None or classes is not None:
        data = open_labelled(source, program, labels=labels, classes=classes, limit=limit)
        return dict(data.read(0, len(data.labels))), data.labels
    given, inputs = read_arrays(source), [entry.name for entry in program.inputs]
    named = dict(given) if isinstance(given, dict) else {"": given}
    cut = {name: array[:limit] if array.ndim else array for name, array in named.items()}
    known = next((name for name in LABEL_NAMES if name in cut and name not in inputs), None)
    found = None if known is None else cut.pop(known)
    return dict(zip(inputs, cut.values(), strict=True)) if len(inputs) == len(cut) == 1 else cut, found

"""nmc compile"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..common import Output, nmc_command
from ..completion import one_pass, passes, targets
from ..limits import limit_options
from ..nir import nir_options, take_nir
from ..progress import context_of
from ..states import parse_states, state_option
from ..target_options import take_target_options, target_options
from ..task import take_task, task_options


def parse_shapes(items: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """`image=1,1,8,8` or, for a model with one input, `1,1,8,8` (under the name "")."""
    shapes: dict[str, tuple[int, ...]] = {}
    for item in items:
        name, _, numbers = item.rpartition("=")
        try:
            shapes[name] = tuple(int(size) for size in numbers.replace("x", ",").split(","))
        except ValueError:
            raise click.BadParameter(
                f"{item!r} is not a shape such as image=1,1,8,8", param_hint="--input-shape"
            ) from None
    return shapes


@nmc_command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", required=True, shell_complete=targets, help="Target machine (see `nmc targets`).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Program file; default ./<model>.nmc or ./<factory>.nmc."
)
@click.option(
    "--input-shape",
    multiple=True,
    metavar="[NAME=]N,C,…",
    help="Shape of an input that the file leaves open, or of PyTorch code.",
)
@click.option("--state-dict", type=click.Path(path_type=Path), help="Weights for PyTorch code (.pt, .safetensors).")
@click.option("--calibration", type=click.Path(path_type=Path), help="Typical inputs (.npz, .npy, .safetensors).")
@target_options
@state_option
@nir_options
@task_options
@click.option("--passes", shell_complete=passes, help="A pipeline instead of the target's own, e.g. 'canonicalize,…'.")
@click.option("--verify-each", is_flag=True, help="Compare the network's numbers before and after each pass.")
@click.option(
    "--dump-ir", type=click.Path(path_type=Path, file_okay=False), help="Write the graph after each pass here."
)
@click.option(
    "--print-after", metavar="PASS", shell_complete=one_pass, help="Print the graph after this pass (or 'all')."
)
@limit_options
def command(
    out: Output,
    model: Path,
    target: str,
    output: Path | None,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    state: tuple[str, ...],
    calibration: Path | None,
    passes: str | None,
    verify_each: bool,
    dump_ir: Path | None,
    print_after: str | None,
    **options: Any,
) -> None:
    """Compile MODEL to a program for a target.

    MODEL is a file (.onnx, .pt2, .nir), or PyTorch code that makes the network: path/to/file.py:factory or
    package.module:factory. That code is run; factory() returns a torch.nn.Module, and --input-shape is needed.
    """
    from ...compiler import compile_verbose
    from ...compiler.frontends import model_stem
    from ...compiler.manager import Manager
    from ...runtime.data import read_arrays
    from ...runtime.program import save
    from ..views import counts, view_of
    from ..views.hybrid import segment_facts

    shapes = parse_shapes(input_shape)
    start = time.perf_counter()
    samples = None if calibration is None else read_arrays(calibration)
    manager = Manager(verify_each, None, dump_ir, print_after, lambda text: click.echo(text, err=out.as_json))
    nir, task = take_nir(options), take_task(options)
    given = take_target_options(options)
    path = output or Path(f"{model_stem(model)}.nmc")
    with out.bar("compiling") as bar:
        result = compile_verbose(
            model,
            target,
            input_shapes=shapes,
            state_dict=state_dict,
            nir=nir,
            states=parse_states(state),
            calibration=samples,
            passes=passes,
            task=task,
            manager=manager,
            context=context_of(bar),
            **given,
        )
        if bar is not None:
            bar.stage("writing")
        save(result.program, path)
    seconds = time.perf_counter() - start
    out.warn(result.warnings)
    facts, segments = view_of(result.program).summary(), segment_facts(result.program)

    def show() -> None:
        if verify_each:
            for record in result.records:
                click.echo(f"{record.name}: outputs changed by {record.change:.2e} of their largest value")
        profile = f" (profile {facts['profile']})" if "profile" in facts else ""
        click.echo(f"{path}: {facts['target']}{profile}, {counts(facts)}, compiled in {seconds:.2f} s")
        if segments:
            click.echo(view_of(result.program).notes()[0])

    passes_done = [
        {"pass": r.name, "rewrites": r.rewrites, "seconds": r.seconds, "nodes": r.nodes, "change": r.change}
        for r in result.records
    ]
    declined = [{"pass": d.pass_name, "where": d.where, "why": d.why} for d in result.declined]
    out.result(
        {
            "program": str(path),
            **facts,
            **segments,
            "seconds": seconds,
            "warnings": list(result.warnings),
            "passes": passes_done,
            "declined": declined,
        },
        show,
    )

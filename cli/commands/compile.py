"""nmc compile"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..common import Output, nmc_command
from ..completion import devices, one_pass, passes, profiles, targets
from ..limits import limit_options
from ..nir import nir_options, take_nir
from ..progress import context_of
from ..states import parse_states, state_option
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
@click.option("--profile", shell_complete=profiles, help="cri: build of the machine, e.g. sim or hw2024.")
@click.option("--timesteps", type=int, help="cri: T; of a network of activations also their levels.")
@click.option("--code", help="cri, networks of activations: unary (exact) or rate (integrate-and-fire neurons).")
@click.option("--rate-reset", help="cri, --code rate: hard, or soft on profiles that have it.")
@click.option("--refit", help="cri, unary code: auto (layers make up for the rounding before them) or off.")
@click.option("--spread", help="cri, unary code: auto (layers that need more levels get more) or off.")
@click.option("--ranges", help="How calibration gives ranges: minmax, percentile, mse or kl.")
@click.option("--readout", help="cri: potential (exact integers) or count (spike counts).")
@click.option(
    "--device", shell_complete=devices, help="akida: device whose limits the program must keep, e.g. TwoNodesIPv2."
)
@click.option("--causal", help="akida: delay (layers that look ahead make outputs late) or strict (refuse them).")
@click.option("--weight-bits", type=int, help="akida: 8 or 4. cri: 2 to 8, for spiking networks to 16.")
@click.option("--input-bits", type=int, help="cri, spiking networks: bits of an input's codes, 1 to 8.")
@click.option("--leak", help="cri, spiking networks: nearest (warn where a leak is not exact) or exact (refuse it).")
@click.option("--activation-bits", type=int, help="akida: 8 or 4.")
@click.option("--equalize", help="akida: auto (channels get ranges of their own where it helps), bits or off.")
@click.option(
    "--host-fallback", is_flag=True, default=None, help="akida: let the host do what the device cannot, in segments."
)
@click.option("--bias-correction", help="akida: auto (biases make up for mean errors), analytic or off.")
@click.option("--rounding", help="akida: of weights: nearest, layer or network (learned on the samples).")
@click.option("--weight-ranges", help="akida: full, or mse (4-bit weights are clipped where that helps).")
@click.option("--range-search", help="akida: auto (ranges are searched in the integer network) or off.")
@click.option(
    "--size-budget", type=int, metavar="BYTES", help="akida: for all weights; layers get 4 bits until they fit."
)
@click.option(
    "--optimize", type=int, help="0: plain rounding; 1: as usual; 2: all that helps accuracy, which takes time."
)
@click.option(
    "--time-budget", type=float, metavar="SECONDS", help="When searches of --optimize 2 end; default: when done."
)
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
    given = {name: value for name, value in options.items() if value is not None}
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

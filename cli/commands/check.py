"""nmc check"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from ...runtime.program.diagnostics import Exit, NmcError
from ..common import Output, nmc_command, print_table
from ..completion import targets
from ..nir import nir_options, take_nir
from ..progress import Bar, context_of
from ..states import parse_states, state_option
from ..target_options import take_target_options, target_options
from .compile import parse_shapes

if TYPE_CHECKING:
    from ...compiler import Compilation
    from ...compiler.frontends import NirOptions
    from ...compiler.target import Target
    from ...runtime.program import Program

Facts = dict[str, Any]


@nmc_command("check")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", shell_complete=targets, help="Target machine (see `nmc targets`); a program knows its own.")
@click.option(
    "--input-shape",
    multiple=True,
    metavar="[NAME=]N,C,…",
    help="Shape of an input that the file leaves open, or of PyTorch code.",
)
@click.option("--state-dict", type=click.Path(path_type=Path), help="Weights for PyTorch code (.pt, .safetensors).")
@target_options
@state_option
@nir_options
def command(
    out: Output,
    model: Path,
    target: str | None,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    state: tuple[str, ...],
    **options: Any,
) -> None:
    """Show what keeps MODEL from running on a target; write nothing.

    MODEL is a network (a file or PyTorch code, as for `nmc compile`), which is compiled in memory, or a program
    (.nmc). Either is held against the limits of the device. Exit code 0: it fits; 3: the target does not support it;
    5: it exceeds a limit.
    """
    from ...compiler.target import DeviceTarget, find_target
    from ..views.hybrid import segment_facts

    nir = take_nir(options)
    asked = take_target_options(options)
    device = asked.pop("device", None)
    program: Program | None = None
    if model.suffix == ".nmc":
        if input_shape or state_dict or state or nir or asked:
            raise click.UsageError(
                f"{model} is a program: its profile, shapes, weights, options and segments are in it"
            )
        program, target = _program(model, target)
    elif target is None:
        raise click.UsageError("Missing option '--target'.")
    backend = find_target(target)
    facts = _facts(backend, device)

    done: Compilation | None = None
    try:
        if program is None:
            with out.bar("compiling") as bar:
                done, program = _compile(model, target, input_shape, state_dict, asked, nir, parse_states(state), bar)
        facts |= segment_facts(program)
        if isinstance(backend, DeviceTarget) and (found := backend.lint(program, facts["device"])):
            raise NmcError(found, Exit.LIMIT)
    except NmcError as error:
        if error.exit_code not in (Exit.UNSUPPORTED, Exit.LIMIT):
            raise
        _refuse(out, model, error, facts)
    _accept(out, model, program, done, facts)


def _program(path: Path, target: str | None) -> tuple[Program, str]:
    """The program, and the target it is for."""
    from ...runtime import load

    program = load(path)
    if target not in (None, program.target):
        raise click.UsageError(f"{path} is a program for target {program.target}, not {target}")
    return program, program.target


def _facts(backend: Target, device: str | None) -> Facts:
    """Which device counts (the default's name if none is asked for; None if the target has none), and what is left
    unchecked. NmcError NMC-T003 if the target does not have the device."""
    from ...compiler.diagnostics import usage
    from ...compiler.target import DeviceTarget

    if isinstance(backend, DeviceTarget):
        device = backend.devices[0] if device is None else device
        return {"target": backend.name, "device": device, "not checked": list(backend.not_checked(device))}
    if device is not None:
        raise usage("NMC-T003", f"target {backend.name} has no devices", hint="leave --device out")
    left = f"limits of a device: target {backend.name} has those of its profiles only"
    return {"target": backend.name, "device": None, "not checked": [left]}


def _compile(
    model: Path,
    target: str,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    asked: Facts,
    nir: NirOptions | None,
    states: dict[str, str],
    bar: Bar | None,
) -> tuple[Compilation, Program]:
    """The model compiled with noise for calibration: whether a program fits rarely depends on its ranges."""
    from ...compiler import compile_verbose
    from ...compiler.calibration import synthetic_samples
    from ...compiler.frontends import import_model

    imported = import_model(model, parse_shapes(input_shape), state_dict, nir, states)
    samples = None if imported.graph.stepped else synthetic_samples(imported.graph)[0]
    done = compile_verbose(imported.graph, target, calibration=samples, context=context_of(bar), **asked)
    return replace(done, warnings=(*imported.notes, *done.warnings)), done.program


def _refuse(out: Output, model: Path, error: NmcError, facts: Facts) -> NoReturn:
    """Show every problem and exit: layers that exceed limits as a table, anything else as diagnostics."""
    from ...compiler.target import LayerDiagnostic
    from ..views.hybrid import show_segments

    problems = error.diagnostics
    rows = [problem.row for problem in problems if isinstance(problem, LayerDiagnostic)]

    def show() -> None:
        show_segments(facts)
        click.echo(f"{model}: limits of device {facts['device']} exceeded: {len(rows)}")
        print_table("", list(rows[0]), [list(row.values()) for row in rows])
        for hint in dict.fromkeys(problem.hint for problem in problems):
            rules = dict.fromkeys(p.row["rule"] for p in problems if isinstance(p, LayerDiagnostic) and p.hint == hint)
            click.echo(f"try for {', '.join(rules)}: {hint}")
        _show_not_checked(facts)

    if out.as_json or (rows and not out.quiet):
        data = {"ok": False, "exit": int(error.exit_code), "problems": [problem.to_json() for problem in problems]}
        out.result({**data, **facts}, show)
    else:
        out.fail(error)
    sys.exit(int(error.exit_code))


def _accept(out: Output, model: Path, program: Program, done: Compilation | None, facts: Facts) -> None:
    """Show what the program is, and what the compiler had to say on the way."""
    from ..views import counts, view_of
    from ..views.hybrid import show_segments

    summary = view_of(program).summary()
    warnings = list(done.warnings) if done else []
    declined = [{"pass": d.pass_name, "where": d.where, "why": d.why} for d in done.declined] if done else []

    def show() -> None:
        profile = f" (profile {summary['profile']})" if "profile" in summary else ""
        verb = "compiles for" if done else "is a program for"
        click.echo(f"{model}: {verb} {facts['target']}{profile}: {counts(summary)}")
        show_segments(facts)
        if facts["device"]:
            click.echo(f"fits device {facts['device']}, as far as its limits are published")
        if declined:
            columns = list(declined[0])
            print_table("rewrites that were declined", columns, [list(row.values()) for row in declined])
        _show_not_checked(facts)

    out.warn(warnings)
    out.result({"problems": [], **facts, **summary, "warnings": warnings, "declined": declined}, show)


def _show_not_checked(facts: Facts) -> None:
    for sentence in facts["not checked"]:
        click.echo(f"not checked: {sentence}")

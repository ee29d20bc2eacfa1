"""nmc explain"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table
from .compile import parse_shapes

if TYPE_CHECKING:
    from ...compiler import Compilation
    from ...runtime.program.diagnostics import NmcError

_CODE = re.compile(r"(NMC-)?[A-Z]\d{3}", re.IGNORECASE)


@nmc_command("explain")
@click.argument("what", metavar="CODE|MODEL")
@click.option("--target", help="MODEL: target machine (see `nmc targets`).")
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="MODEL: as for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="MODEL: weights for PyTorch code.")
def command(out: Output, what: str, target: str | None, input_shape: tuple[str, ...], state_dict: Path | None) -> None:
    """Explain a diagnostic code, or what the compiler did with MODEL and why.

    CODE is what stands in brackets in a message, such as NMC-I015 (or I015): what it means, how it comes about, what to
    do. MODEL is compiled in memory with noise for calibration: which rewrites were declined and why, and what the
    compiler warns of; or, where it does not compile, every problem with the explanation of its code. Exit codes for a
    MODEL are those of `nmc compile`.
    """
    if _CODE.fullmatch(what) and not Path(what).exists():
        if target or input_shape or state_dict:
            raise click.UsageError(f"{what} is a code: options go with a model")
        _explain_code(out, what)
    elif target is None:
        raise click.UsageError("Missing option '--target', which goes with a model.")
    else:
        _explain_model(out, what, target, input_shape, state_dict)


def _entry(code: str) -> dict[str, str]:
    """What is known of a code, by kind."""
    from ..explanations import EXPLANATIONS, sentence

    found = EXPLANATIONS[code]
    return {
        "code": code,
        "meaning": sentence(code),
        "why": found.why,
        "remedy": found.remedy,
        "example": found.example,
    }


def _show_entry(entry: dict[str, str]) -> None:
    click.echo(f"{entry['code']}: {entry['meaning']}")
    for label, text in (("why", entry["why"]), ("try", entry["remedy"])):
        click.echo(textwrap.fill(text, 100, initial_indent=f"  {label}  ", subsequent_indent="       "))
    click.echo(f"  e.g. {entry['example']}")


def _explain_code(out: Output, code: str) -> None:
    from difflib import get_close_matches

    from ..explanations import MEANINGS

    name = "NMC-" + code.upper().removeprefix("NMC-")
    if name not in MEANINGS:
        close = get_close_matches(name, MEANINGS, 3)
        hint = f"; close to it are {', '.join(close)}" if close else ""
        raise click.UsageError(f"there is no code {name}{hint}")
    entry = _entry(name)
    out.result(entry, lambda: _show_entry(entry))


def _explain_model(out: Output, model: str, target: str, input_shape: tuple[str, ...], state_dict: Path | None) -> None:
    from ...compiler import compile_verbose
    from ...runtime.program.diagnostics import NmcError

    try:
        done = compile_verbose(model, target, input_shapes=parse_shapes(input_shape), state_dict=state_dict)
    except NmcError as error:
        _show_refused(out, error)
        sys.exit(int(error.exit_code))
    _show_compiled(out, model, target, done)


def _show_refused(out: Output, error: NmcError) -> None:
    """Every problem, and after them what their codes mean."""
    from ..explanations import EXPLANATIONS

    codes = dict.fromkeys(problem.code for problem in error.diagnostics)
    entries = [_entry(code) for code in codes if code in EXPLANATIONS]  # other packages' targets have their own codes
    if out.as_json:
        problems = [problem.to_json() for problem in error.diagnostics]
        data = {"ok": False, "exit": int(error.exit_code), "errors": problems, "explanations": entries}
        out.result(data, lambda: None)
        return
    out.fail(error)
    if not out.quiet:
        for entry in entries:
            click.echo()
            _show_entry(entry)


def _show_compiled(out: Output, model: str, target: str, done: Compilation) -> None:
    declined = [{"pass": d.pass_name, "where": d.where, "why": d.why} for d in done.declined]
    passes: list[dict[str, Any]] = [{"pass": r.name, "rewrites": r.rewrites, "nodes": r.nodes} for r in done.records]

    def show() -> None:
        click.echo(f"{model}: compiles for {target}")
        print_table("passes", list(passes[0]), [list(p.values()) for p in passes])
        if declined:
            columns = list(declined[0])
            print_table("rewrites that were declined", columns, [list(row.values()) for row in declined])
        else:
            click.echo("no rewrite was declined")
        for sentence in done.warnings:
            click.echo(f"warning: {sentence}")

    data = {"model": model, "target": target, "passes": passes, "declined": declined, "warnings": list(done.warnings)}
    out.result(data, show)

"""nmc explain"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..common import Output, nmc_command, print_table
from ..completion import codes_or_files, targets
from ..nir import nir_options, take_nir
from ..progress import context_of
from ..states import parse_states, state_option
from ..target_options import take_target_options, target_options
from .compile import parse_shapes

if TYPE_CHECKING:
    from ...compiler.ir import Graph
    from ...runtime.program.diagnostics import NmcError

_CODE = re.compile(r"(NMC-)?[A-Z]\d{3}", re.IGNORECASE)


@nmc_command("explain")
@click.argument("what", metavar="CODE|MODEL", shell_complete=codes_or_files)
@click.option("--target", shell_complete=targets, help="MODEL: target machine (see `nmc targets`).")
@click.option("--input-shape", multiple=True, metavar="[NAME=]N,C,…", help="MODEL: as for `nmc compile`.")
@click.option("--state-dict", type=click.Path(path_type=Path), help="MODEL: weights for PyTorch code.")
@target_options
@state_option
@nir_options
def command(
    out: Output,
    what: str,
    target: str | None,
    input_shape: tuple[str, ...],
    state_dict: Path | None,
    state: tuple[str, ...],
    **options: Any,
) -> None:
    """Explain a diagnostic code, or what the compiler did with MODEL and why.

    CODE is what stands in brackets in a message, such as NMC-I015 (or I015): what it means, how it comes about, what to
    do. MODEL is compiled in memory with noise for calibration: what each pass did, which rewrites were declined, where
    and why, and what the compiler warns of; where it does not compile, also every problem with the explanation of its
    code. Exit codes for a MODEL are those of `nmc compile`.
    """
    nir = take_nir(options)
    asked = take_target_options(options)
    if _CODE.fullmatch(what) and not Path(what).exists():
        if target or input_shape or state_dict or state or nir or asked:
            raise click.UsageError(f"{what} is a code: options go with a model")
        _explain_code(out, what)
    elif target is None:
        raise click.UsageError("Missing option '--target', which goes with a model.")
    else:
        source = (parse_shapes(input_shape), state_dict, nir, parse_states(state))
        _explain_model(out, what, target, source, asked)


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
        "page": f"docs/reference/diagnostics.md#{code.lower()}",
    }


def _show_entry(entry: dict[str, str]) -> None:
    click.echo(f"{entry['code']}: {entry['meaning']}")
    for label, text in (("why", entry["why"]), ("try", entry["remedy"])):
        click.echo(textwrap.fill(text, 100, initial_indent=f"  {label}  ", subsequent_indent="       "))
    click.echo(f"  e.g. {entry['example']}")
    click.echo(f"  page {entry['page']}")


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


def _explain_model(out: Output, model: str, target: str, source: tuple[Any, ...], asked: dict[str, Any]) -> None:
    from ...compiler import compile_verbose
    from ...compiler.frontends import import_model
    from ...runtime.program.diagnostics import NmcError

    notes, origins, error = (), dict[str, str](), None
    with out.bar("compiling") as bar:
        context = context_of(bar)
        try:
            imported = import_model(model, *source)
            notes, origins = imported.notes, _origins(imported.graph)
            compile_verbose(imported.graph, target, context=context, **asked)
        except NmcError as refused:
            error = refused
    facts = {
        "model": model,
        "target": target,
        "passes": [{"pass": r.name, "rewrites": r.rewrites, "nodes": r.nodes} for r in context.done],
        "declined": [
            {"pass": d.pass_name, "where": d.where, "layer": _layer(d.where, origins), "why": d.why}
            for d in context.declined
        ],
        "warnings": [*notes, *context.warnings],
    }
    if error is None:
        out.result(facts, lambda: _show_done(facts))
        return
    _show_refused(out, error, facts)
    sys.exit(int(error.exit_code))


def _origins(graph: Graph) -> dict[str, str]:
    """What the user calls the layers that make the graph's values."""
    return {node.result.name: ", ".join(node.result.origin) for node in graph.nodes}


def _layer(value: str, origins: dict[str, str]) -> str:
    """The user's layer of a value; names that passes give begin with the name of the value they replace."""
    while value and value not in origins:
        value = value.rpartition(".")[0]
    return origins.get(value, "")


def _show_refused(out: Output, error: NmcError, facts: dict[str, Any]) -> None:
    """Every problem, after them what their codes mean, and what was done until then."""
    from ..explanations import EXPLANATIONS

    codes = dict.fromkeys(problem.code for problem in error.diagnostics)
    entries = [_entry(code) for code in codes if code in EXPLANATIONS]  # other packages' targets have their own codes
    if out.as_json:
        problems = [problem.to_json() for problem in error.diagnostics]
        data = {"ok": False, "exit": int(error.exit_code), "errors": problems, "explanations": entries}
        out.result({**facts, **data}, lambda: None)
        return
    out.fail(error)
    if not out.quiet:
        for entry in entries:
            click.echo()
            _show_entry(entry)
        if facts["passes"]:
            click.echo("\ndone before that:")
            _show_passes(facts)


def _show_done(facts: dict[str, Any]) -> None:
    click.echo(f"{facts['model']}: compiles for {facts['target']}")
    _show_passes(facts)


def _show_passes(facts: dict[str, Any]) -> None:
    """What each pass did, what was declined, and the warnings."""
    declined = facts["declined"]
    print_table("passes", list(facts["passes"][0]), [list(row.values()) for row in facts["passes"]])
    if declined:
        print_table("rewrites that were declined", list(declined[0]), [list(row.values()) for row in declined])
    else:
        click.echo("no rewrite was declined")
    for sentence in facts["warnings"]:
        click.echo(f"warning: {sentence}")

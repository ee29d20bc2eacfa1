"""What `nmc verify` prints: layers and outputs, where spikes begin to differ, profiles, decisions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from ...runtime.classify import accuracy, decide
from ...runtime.compare.engines import EngineResult
from ...runtime.compare.profiles import ProfileResult
from ..common import print_table
from ..verification.layers import Row
from ..verification.report import FLOAT32, Verification

UNITS = {
    "channel": "one integer's value is fitted for each channel",
    "layer": "one integer's value is fitted for the layer",
}


def failures(done: Verification, threshold: float | None) -> list[str]:
    """The checks that fail, in sentences."""
    failed = []
    below = None if threshold is None else done.first_below(threshold)
    if below is not None and below.closeness is not None:
        failed.append(f"{below.name} is the first below {threshold:g} dB: {below.closeness.sqnr_db:.1f} dB")
    lost = [row for row in done.rows if row.kind == "output" and not row.unit]
    failed += [f"output {row.name} cannot be compared: {row.note}" for row in lost]
    if done.runtime is not None and not done.runtime[1] <= FLOAT32:
        name, share = done.runtime
        failed.append(f"{name} and the imported network differ by {share:.2e} of the largest output")
    if done.equal is False:
        failed.append("the program's outputs are not those of its integer network")
    different = [result.name for result in done.profiles if result.verdict == "different"]
    if different:
        failed.append(f"the network is another one under {', '.join(different)}")
    failed += [
        f"engine {e.name} differs from the reference in {', '.join(e.differing)}" for e in done.engines if e.differing
    ]
    return failed


def summary(done: Verification, threshold: float | None, failed: list[str]) -> dict[str, Any]:
    """A verification as plain JSON."""
    below = None if threshold is None else done.first_below(threshold)
    first = None
    if done.first is not None:
        first = {**asdict(done.first[0]), "cause": asdict(done.first[1])}
    return {
        "ok": not failed,
        "samples": done.counters["samples"],
        "same_model": done.same_model,
        "layers": [_row(row) for row in done.rows if row.kind != "output"],
        "outputs": [_row(row) for row in done.rows if row.kind == "output"],
        "threshold": threshold,
        "first_below": None if below is None else below.name,
        "first_spike": first,
        "runtime": None if done.runtime is None else {"name": done.runtime[0], "difference": done.runtime[1]},
        "integers_equal": done.equal,
        "input_clipped": done.counters["input_clipped"],
        "out_of_range": done.counters["out_of_range"],
        "decisions": _decisions(done),
        "profiles": [_profile(result) for result in done.profiles],
        "engines": [_engine(result) for result in done.engines],
        "failed": failed,
    }


def _row(row: Row) -> dict[str, Any]:
    close = None if row.closeness is None else asdict(row.closeness)
    return {**asdict(row), "closeness": close, "differing": sum(row.by_step) if row.unit == "spikes" else None}


def _profile(result: ProfileResult) -> dict[str, Any]:
    return {
        "profile": result.name,
        "verdict": result.verdict,
        "refused": [diagnostic.to_json() for diagnostic in result.refused],
        "differing": dict(result.differing or {}),
        "departure": None if result.departure is None else asdict(result.departure),
        "out_of_range": result.lost,
    }


def _engine(result: EngineResult) -> dict[str, Any]:
    refused = [diagnostic.to_json() for diagnostic in result.refused]
    return {"engine": result.name, "differing": list(result.differing), "refused": refused}


def _decisions(done: Verification) -> dict[str, Any] | None:
    """Accuracies by rule of decision, float and program, and how often they agree; None without labels."""
    found = done.evaluation
    if found is None or found.model is None:
        return None
    return {
        rule: {
            "float": accuracy(found.labels, decide(found.model[rule])),
            "program": accuracy(found.labels, decide(found.program[rule])),
            "agreement": found.agreement(rule),
        }
        for rule in found.rules
    }


def show(facts: dict[str, Any]) -> None:
    """Print a summary."""
    click.echo(f"{facts['program']} beside {facts['model']}: {facts['samples']:,} samples")
    rows = [*facts["layers"], *facts["outputs"]]
    spiking = any(row["unit"] == "spikes" for row in rows)
    columns = ["layer", "kind", "SQNR dB", "cosine", "max error", "of", *(["differ"] if spiking else []), "clipped", ""]
    print_table("", columns, [_cells(row, spiking) for row in rows])
    for unit, text in UNITS.items():
        if any(row["unit"] == unit for row in rows):
            click.echo(f"{text}, with the least error, where it says {unit}")
    _show_spikes(facts)
    for rule, row in (facts["decisions"] or {}).items():
        shares = (f"{100 * row[side]:.2f}" for side in ("float", "program", "agreement"))
        click.echo("decision by {}: float {} %, program {} %, agree {} %".format(rule.replace("_", " "), *shares))
    for what, name in (("input values clipped", "input_clipped"), ("values out of range", "out_of_range")):
        click.echo(f"{what}: {facts[name]:,}")
    if facts["runtime"] is not None:
        name, share = facts["runtime"]["name"], facts["runtime"]["difference"]
        click.echo(f"{name} and the imported network: {share:.1e} of the largest output apart")
    for result in facts["profiles"]:
        _show_profile(result)
    for result in facts["engines"]:
        why = "".join(f" ({diagnostic['why']})" for diagnostic in result["refused"])
        verdict = (
            "does not run the program" if result["refused"] else "different" if result["differing"] else "identical"
        )
        click.echo(f"engine {result['engine']}: {verdict}{why}")
    click.echo("".join(f"failed: {text}\n" for text in facts["failed"]) or "all checks passed", nl=not facts["failed"])


def _cells(row: dict[str, Any], spiking: bool) -> list[str]:
    close = row["closeness"]
    numbers = ["", "", "", ""]
    if close is not None:
        numbers = [
            f"{close['sqnr_db']:.1f}",
            f"{close['cosine']:.5f}",
            f"{close['max_error']:.4g}",
            f"{close['peak']:.4g}",
        ]
    differ = [f"{row['differing']:,}" if row["differing"] is not None else ""] if spiking else []
    clipped = "" if row["clipped"] is None else f"{row['clipped']:,}"
    unit = row["unit"] if row["unit"] in UNITS else ""
    return [row["name"], row["kind"], *numbers, *differ, clipped, row["note"] or unit]


def _show_spikes(facts: dict[str, Any]) -> None:
    first = facts["first_spike"]
    for row in facts["layers"]:
        if row["differing"]:
            counts = " ".join(map(str, row["by_step"]))
            click.echo(f"{row['name']}: {row['differing']:,} of {row['values']:,} spikes differ; by step {counts}")
    if first is None:
        if any(row["unit"] == "spikes" for row in facts["layers"]):
            click.echo("all spikes are those of the float network")
        return
    cause = first["cause"]
    spikes = ("no spike", "a spike")
    click.echo(
        f"first difference: {first['layer']}{first['element']}, step {first['step']}, sample {first['sample']}: "
        f"{spikes[first['wanted']]} in the float network, {spikes[first['found']]} in the program"
    )
    click.echo(f"cause: {cause['kind']}: {cause['text']}")
    if cause["potential"] is not None:
        click.echo(
            f"  potential {cause['potential']:,} of {cause['threshold']:,}, "
            f"float {cause['float_potential']:.9g} of {cause['float_threshold']:.9g}"
        )
    if cause["distance"] is not None:
        click.echo(
            f"  the float potential is {cause['distance']:.3g} units off; rounding makes up to {cause['bound']:.3g}"
        )


def _show_profile(result: dict[str, Any]) -> None:
    click.echo(f"profile {result['profile']}: {result['verdict']}")
    for diagnostic in result["refused"]:
        click.echo(f"  [{diagnostic['code']}] {diagnostic['what']}: {diagnostic['why']}")
    for name, count in result["differing"].items():
        click.echo(f"  {name}: {count:,} integers differ")
    at = result["departure"]
    if at is not None:
        click.echo(
            f"  first: {at['population']}{list(at['element'])}, timestep {at['timestep']}, sample {at['sample']}, "
            f"cause {at['cause']}: V = {at['potential']:,}; V behind it {at['after'][0]:,} and {at['after'][1]:,}"
        )

"""What `nmc verify --sensitivity` prints: the cost of each layer's rounding, and the best next thing to try."""

from __future__ import annotations

from typing import Any

import click

from ...runtime.program.container import Program
from ..common import print_table
from ..verification.advice import advice
from ..verification.sensitivity import LayerCost, Score, Sensitivity


def cost_summary(found: Sensitivity, program: Program) -> dict[str, Any]:
    """A measurement as plain JSON. Of a layer without weights, or that passes its values on, a part is null."""
    return {
        "samples": found.samples,
        "rule": found.rule or None,
        "all": _score(found.whole),
        "float": _score(found.floats),
        "layers": [_layer(layer) for layer in found.layers],
        "skipped": list(found.skipped),
        "advice": advice(found, program.provenance.get("options", {}), program.target),
    }


def _score(score: Score | None) -> dict[str, Any] | None:
    return None if score is None else {"sqnr_db": round(score.sqnr_db, 2), "accuracy": score.accuracy}


def _layer(layer: LayerCost) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kind": layer.kind,
        "alone": _score(layer.alone),
        "weights": _score(layer.weights),
        "values": _score(layer.values),
        "without": _score(layer.without),
        "share": round(layer.share, 4),
        "clipped": round(layer.clipped, 4),
        "weight_bits": layer.weight_bits or None,
        "levels": layer.levels or None,
    }


def show_costs(facts: dict[str, Any]) -> None:
    """Print a summary."""
    labelled = facts["all"]["accuracy"] is not None
    click.echo(f"\ncost of rounding, SQNR at the outputs in dB{' and accuracy in %' if labelled else ''}:")
    columns = ["layer", "kind", "alone", "its weights", "its values", "all but it", "share of noise"]
    rows = [_row(layer, labelled) for layer in facts["layers"]]
    rows.append(["all layers", "", _text(facts["all"], labelled), "", "", "", ""])
    if labelled:
        rows.append(["float", "", f"{100 * facts['float']['accuracy']:.2f} %", "", "", "", ""])
    print_table("", columns, rows)
    if facts["skipped"]:
        click.echo(f"not measured, as the float network has no such value: {', '.join(facts['skipped'])}")
    for sentence in facts["advice"]:
        click.echo(f"{sentence}.")


def _row(layer: dict[str, Any], labelled: bool) -> list[str]:
    parts = [_text(layer[part], labelled) for part in ("alone", "weights", "values", "without")]
    return [layer["name"], layer["kind"], *parts, f"{100 * layer['share']:.1f}"]


def _text(score: dict[str, Any] | None, labelled: bool) -> str:
    if score is None:
        return ""
    return f"{score['sqnr_db']:.1f}" + (f" / {100 * score['accuracy']:.2f}" if labelled else "")

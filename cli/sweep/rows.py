"""A sweep's results: a row for each point of the grid."""

from __future__ import annotations

from typing import Any

from ...runtime.classify import accuracy, decide
from ...runtime.evaluate import Evaluation
from .programs import Made

Row = dict[str, Any]
COSTS = (
    "neurons",
    "axons",
    "synapses",
    "layers",
    "weights",
    "machine_steps",
    "weight_bytes",
    "program_bytes",
    "spikes",
    "synaptic_events",
    "hbm_access",
    "cycles",
    "macs",
    "compile_seconds",
    "simulate_seconds",
)
"""Columns of what a point costs; those from `spikes` to `macs` are means over the samples."""
COUNTED = ("spikes", "synaptic_events", "hbm_access", "cycles", "macs", "input_clipped", "out_of_range")


def row_of(made: Made, done: Evaluation | None) -> Row:
    """The row of a point: its options, the codes of what is wrong with it, accuracies, and costs."""
    row: Row = {**made.point, "diagnostics": " ".join(problem.code for problem in made.problems)}
    costs = dict(made.facts)
    if done is not None:
        row["samples"] = len(done.labels)
        for rule in done.rules:
            row[f"accuracy_{rule}"] = accuracy(done.labels, decide(done.program[rule]))
            if done.model is not None:
                row[f"float_{rule}"] = accuracy(done.labels, decide(done.model[rule]))
                row[f"agreement_{rule}"] = done.agreement(rule)
        means = {name: done.counters[name] / len(done.labels) for name in COUNTED if name in done.counters}
        row |= {name: means.pop(name) for name in ("input_clipped", "out_of_range")}
        costs |= {**means, "simulate_seconds": done.seconds}
    return row | {name: costs[name] for name in COSTS if name in costs}


def columns(rows: list[Row]) -> list[str]:
    """All columns of the rows: options, diagnostics, accuracies, costs, each where the first row has it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in names if name not in COSTS] + [name for name in COSTS if name in names]


def whole(rows: list[Row]) -> list[Row]:
    """The rows with the same columns each, None where there is nothing."""
    names = columns(rows)
    return [{name: row.get(name) for name in names} for row in rows]

"""What one core of the machine holds, and whether a program fits. Profile `sim` has no limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...compiler.diagnostics import Collector, Exit
from ...runtime.program.cri import CriProgram, IntArray, Table, source_blocks


@dataclass(frozen=True)
class Limits:
    """Limits of one core (docs/cri.md): a source's synapses lie in at most 256 row pairs of 16 columns; a target's
    column is its index mod 16."""

    neurons: int
    axons: int
    models: int
    columns: int
    targets_per_column: int


CORE = Limits(neurons=131_072, axons=131_071, models=16, columns=16, targets_per_column=256)


def column_load(table: Table, columns: int) -> IntArray:
    """Per source, the largest number of targets that share a column."""
    result = np.zeros(table.sources, np.int64)
    for low, high in source_blocks(table.indptr):
        source = np.repeat(np.arange(high - low), np.diff(table.indptr[low : high + 1]))
        column = table.target[table.indptr[low] : table.indptr[high]] % columns
        load = np.bincount(source * columns + column, minlength=(high - low) * columns)
        result[low:high] = load.reshape(-1, columns).max(axis=1)
    return result


def check_limits(program: CriProgram, limits: Limits = CORE) -> None:
    """NmcError (exit code 5) naming every limit that the program exceeds on a hardware profile."""
    if program.profile.name == "sim":
        return
    problems = Collector(Exit.LIMIT)
    for what, count, most in (
        ("neurons", len(program.neuron_model), limits.neurons),
        ("axons", program.axons.sources, limits.axons),
        ("neuron models", len(program.models), limits.models),
    ):
        if count > most:
            problems.add("NMC-C005", f"the network needs {count} {what}, a core holds {most}", hint="a smaller network")
    for what, table in (("axon", program.axons), ("neuron", program.neurons)):
        load = column_load(table, limits.columns)
        if len(load) and load.max() > limits.targets_per_column:
            worst = int(load.argmax())
            problems.add(
                "NMC-C004",
                f"{int((load > limits.targets_per_column).sum())} {what}s reach too many neurons",
                where=_owner(program, worst) if what == "neuron" else f"axon {worst}",
                why=f"{int(load.max())} targets of {what} {worst} share a column, {limits.targets_per_column} may",
                hint="fewer output channels in the layers that read it",
            )
    problems.raise_if_any()


def _owner(program: CriProgram, neuron: int) -> str:
    """The population that a neuron belongs to, by name."""
    return next((p.name for p in program.populations if p.first <= neuron < p.stop), "")

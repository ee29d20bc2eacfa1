"""What the weights of a program look like: histograms, how many lie at an end of their range, who reaches whom."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ...runtime.program import AkidaProgram, CriProgram, Program, Table
from ...runtime.program.cri import source_blocks
from ...runtime.program.hybrid import HybridProgram
from .histograms import of_integers

INT16 = (1 << 15) - 1
_SPAN = 1 << 16

Facts = dict[str, Any]
Connections = dict[tuple[str, str, str], int]


def akida_weights(program: AkidaProgram | HybridProgram) -> list[Facts]:
    """A histogram of the weights of every layer that has some, over the range of their bits."""
    if isinstance(program, HybridProgram):
        return [
            {**row, "layer": f"{segment.name}/{row['layer']}"}
            for segment in program.devices
            for row in akida_weights(segment.program)
        ]
    rows = []
    for layer in program.layers:
        if "weights" in layer.variables:
            bits, weights = layer.parameters["weights_bits"], layer.variables["weights"].astype(np.int64)
            end = (1 << (bits - 1)) - 1
            at_end = int(np.count_nonzero(np.abs(weights) >= end))
            rows.append({"layer": layer.name, **of_integers(weights, -end - 1, end), "at_end": at_end, "end": end})
    return rows


def cri_weights(program: CriProgram) -> tuple[Connections, list[Facts]]:
    """How many synapses go from each input ("input", name) and population ("layer", name) to each population, and a
    histogram of the weights that arrive there. Control axons, which hold and release neurons, are left out.
    """
    stops = np.array([p.stop for p in program.populations], np.int64)
    pairs: Counter[tuple[int, int]] = Counter()
    weights: Counter[tuple[int, int]] = Counter()
    of_input = np.full(program.axons.sources, -1, np.int64)
    for i, entry in enumerate(program.inputs):
        of_input[entry.first : entry.first + entry.axons] = i
    neurons = np.searchsorted(stops, np.arange(program.neurons.sources), side="right")
    for table, group in ((program.axons, of_input), (program.neurons, neurons + len(program.inputs))):
        _count(table, group, stops, pairs, weights)
    sources = [("input", e.name) for e in program.inputs] + [("layer", p.name) for p in program.populations]
    names = [p.name for p in program.populations]
    connections = {(*sources[a], names[b]): count for (a, b), count in sorted(pairs.items())}
    return connections, _histograms(names, weights)


def weights_of(program: Program) -> tuple[Connections, list[Facts]]:
    """Connections (none but of a CRI program) and histograms."""
    return cri_weights(program) if isinstance(program, CriProgram) else ({}, akida_weights(program))


def _count(
    table: Table, group: np.ndarray[Any, Any], stops: np.ndarray[Any, Any], pairs: Counter[Any], weights: Counter[Any]
) -> None:
    """Adds the synapses of sources with group 0 or more to `pairs` (group, population) and `weights` (population,
    weight)."""
    count = max(len(stops), 1)
    for low, high in source_blocks(table.indptr):
        part = slice(int(table.indptr[low]), int(table.indptr[high]))
        source = np.repeat(group[low:high], np.diff(table.indptr[low : high + 1]))
        known = source >= 0
        target = np.searchsorted(stops, table.target[part][known], side="right")
        for keys, span, found in (
            (source[known] * count + target, count, pairs),
            (target * _SPAN + table.weight[part][known].astype(np.int64) + _SPAN // 2, _SPAN, weights),
        ):
            for key, times in zip(*np.unique(keys, return_counts=True), strict=True):
                found[divmod(int(key), span)] += int(times)


def _histograms(names: list[str], weights: Counter[tuple[int, int]]) -> list[Facts]:
    found: dict[int, list[tuple[int, int]]] = {}
    for (target, code), times in sorted(weights.items()):
        found.setdefault(target, []).append((code - _SPAN // 2, times))
    rows = []
    for target, entries in found.items():
        values, counts = np.array(entries, np.int64).T
        histogram = of_integers(values, int(values.min()), int(values.max()), counts)
        at_end = int(counts[np.abs(values) >= INT16].sum())
        rows.append({"layer": names[target], **histogram, "at_end": at_end, "end": INT16})
    return rows

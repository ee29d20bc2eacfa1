"""Whether a program fits one core: all limits at once, with the layers that take most, and what would help."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.program.cri import CriProgram
from ..placement import Placement, natural
from ..placement.efficiency import LayerRows, efficiency
from .capacity import Capacity, Need, cores_needed, needs, reported, source_rows


@dataclass(frozen=True)
class Fit:
    """needs    what the program takes on one core, and what the core has
    layers     rows by layer: the axons of inputs and phases, then the neurons of each population
    parts      for each of the needs what every layer has of it; of rows of one source, the most that one takes
    cores      cores that the program takes at least; `partition` says how many it takes
    placed     whether the numbers hold for a placement better than natural order (docs/cri_placement.md)
    """

    needs: tuple[Need, ...]
    layers: tuple[LayerRows, ...]
    parts: dict[str, dict[str, int]]
    cores: int
    placed: bool

    @property
    def fits(self) -> bool:
        return not any(need.over for need in self.needs)

    @property
    def problems(self) -> list[str]:
        """A sentence for each limit that is exceeded: by how much, which layer has most, what would help."""
        return [self._problem(need) for need in self.needs if need.over]

    def _problem(self, need: Need) -> str:
        parts = self.parts[need.name]
        layer = max(parts, key=lambda name: parts[name])
        text = f"{need.count:,} {need.what}, a core holds {need.most:,}: {need.over:,} too many; {layer} has "
        split = f"{self.cores} cores or more, or " if self.cores > 1 else ""
        return f"{text}{parts[layer]:,}. What would help: {split}{need.advice}"


def fit(program: CriProgram, capacity: Capacity | None = None) -> Fit:
    """What a program takes on one core. Any profile; `sim` has no limits, but is measured like the others."""
    held = capacity or Capacity()
    found, placement = needs(program, held)
    layers = efficiency(program, placement).layers
    populations = {p.name: slice(p.first, p.stop) for p in program.populations}
    parts = {
        "slots": {p.name: p.size for p in program.populations},
        "axons": {layer.name: layer.sources for layer in layers if layer.name not in populations},
        "models": {name: len(np.unique(program.neuron_model[own])) for name, own in populations.items()},
        "rows": {layer.name: layer.rows for layer in layers},
        "source_rows": _widest(program, placement, populations),
    }
    placed = not np.array_equal(placement.slot, natural(program).slot)
    return Fit(found, layers, parts, cores_needed(program, held), placed)


def _widest(program: CriProgram, placement: Placement, populations: dict[str, slice]) -> dict[str, int]:
    """Rows of the source that takes most, among axons and in each population."""
    axons = source_rows(program.axons, placement.slot, np.zeros(program.axons.sources, np.int64))
    neurons = source_rows(program.neurons, placement.slot, reported(program))
    found = {name: int(neurons[own].max()) for name, own in populations.items()}
    return {"axons": int(axons.max(initial=0)), **found}

"""How a program lies in the memory of a core, for the cost of its timesteps (runtime/cost.py)."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import CriProgram
from ....runtime.program.cri_image import COLUMNS, Footprint
from ..placement.natural import natural
from ..placement.types import Placement
from .encode import source_pairs


def footprint_of(program: CriProgram, placement: Placement | None = None) -> Footprint:
    """The footprint of a program of any profile, whether it fits a core or not; in natural order by default."""
    placed = natural(program) if placement is None else placement
    axons, neurons = source_pairs(program, placed)
    idle = np.flatnonzero(placed.neuron < 0)
    group = np.searchsorted([group.stop for group in placed.groups], idle, side="right")
    padding = ((placed.groups[g].model, slot % COLUMNS) for g, slot in zip(group.tolist(), idle.tolist(), strict=True))
    return Footprint(axons, neurons, placed.slot % COLUMNS, tuple(padding), len(placed.groups))

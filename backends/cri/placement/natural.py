"""Placement in natural order: what a program gets when nothing better is asked for."""

from __future__ import annotations

import numpy as np

from ....runtime.program.cri import CriProgram
from .types import BLOCK, Group, Placement, model_groups


def natural(program: CriProgram) -> Placement:
    """Neurons by model, in the order of the program inside each; every group padded to a multiple of BLOCK slots."""
    models, number = model_groups(program)
    slot = np.zeros(len(number), np.int64)
    groups, stop = [], 0
    for k, model in enumerate(models):
        members = np.flatnonzero(number == k)
        slot[members] = stop + np.arange(len(members))
        stop += -(-len(members) // BLOCK) * BLOCK
        groups.append(Group(model, stop))
    return Placement(slot, stop, tuple(groups))
